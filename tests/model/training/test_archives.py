"""Archives of three registries: which of their files are read, by what name they are found, and what is refused."""

import gzip
import json
from pathlib import Path

import pytest

from dlm_model.training.__main__ import run_stage
from dlm_model.training.archives import fetch, read_licence, read_members
from dlm_model.training.manifest import Package, Registry
from dlm_model.training.sources import read_package
from tests.model.training.packages import C_SOURCE, JAVASCRIPT, MODULE, write_tar


def test_javascript_comes_from_npm(tmp_path: Path) -> None:
    files = {
        "package/package.json": json.dumps({"name": "shapes", "license": "MIT"}),
        "package/index.js": JAVASCRIPT,
        "package/shapes.min.js": JAVASCRIPT,
        "package/index.d.ts": JAVASCRIPT,
        "package/broken.js": JAVASCRIPT + "function ( {\n",
        "package/node_modules/other/index.js": JAVASCRIPT,
        "package/node_modules/other/package.json": json.dumps({"license": "GPL-3.0"}),
    }
    write_tar(tmp_path / "geometry-shapes-1.0.tgz", files)
    content = read_package(Package("@geometry/shapes", "1.0", "train", "npm"), tmp_path)
    assert content.licence == "MIT"
    assert [file.path for file in content.files] == ["package/index.js"]


def test_c_comes_from_a_source_archive(tmp_path: Path) -> None:
    files = {
        "shapes-1.0/PKG-INFO": "Metadata-Version: 2.4\nName: shapes\nLicense-Expression: BSD-3-Clause\n",
        "shapes-1.0/src/area.c": C_SOURCE,
        "shapes-1.0/src/area.py": MODULE,
        "shapes-1.0/tests/test_area.c": C_SOURCE,
    }
    write_tar(tmp_path / "shapes-1.0.tar.gz", files)
    content = read_package(Package("shapes", "1.0", "train", "sdist"), tmp_path)
    assert content.licence == "BSD-3-Clause"
    assert [file.path for file in content.files] == ["shapes-1.0/src/area.c", "shapes-1.0/src/area.py"]


@pytest.mark.parametrize(("suffix", "registry"), [("-py3-none-any.whl", "pypi"), (".tar.gz", "sdist"), (".tgz", "npm")])
@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 and no more", b"\x1f\x8b\x08\x00 half of a gzip file"])
def test_a_corrupt_archive_is_one_clear_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], suffix: str, registry: str, content: bytes
) -> None:
    (tmp_path / f"shapes-1.0{suffix}").write_bytes(content)
    table = "train" if registry == "pypi" else f"train.{registry}"
    (tmp_path / "packages.toml").write_text(f'[{table}]\nshapes = "1.0"\n')
    problems = tmp_path / "problems.jsonl"
    problems.write_text("")
    options = ["--manifest", tmp_path / "packages.toml", "--downloads", tmp_path, "--problems", problems]
    assert run_stage(["corpus", *map(str, [tmp_path / "corpus", *options])], "training") == 3
    assert "not a readable archive" in capsys.readouterr().err
    assert not (tmp_path / "corpus").exists()


def test_a_truncated_archive_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "shapes-1.0.tgz"
    write_tar(path, {f"package/{index}.js": JAVASCRIPT * 50 + str(index) for index in range(9)})
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(ValueError, match="not a readable archive"):
        list(read_members(path, (".js",)))


@pytest.mark.parametrize(("registry", "suffix"), [("pypi", "-py3-none-any.whl"), ("sdist", ".tar.gz"), ("npm", ".tgz")])
def test_an_archive_is_found_by_its_name_and_its_whole_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, registry: Registry, suffix: str
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("sys.executable", str(tmp_path / "no-python"))
    (tmp_path / f"my_shapes-1.0.1{suffix}").touch()
    with pytest.raises(ValueError, match=r"could not download my-shapes 1\.0 .*; an archive put into"):
        fetch(Package("my-shapes", "1.0", "train", registry), tmp_path)
    (tmp_path / f"my_shapes-1.0{suffix}").touch()
    assert fetch(Package("my-shapes", "1.0", "train", registry), tmp_path).name == f"my_shapes-1.0{suffix}"


def test_an_archive_is_downloaded_to_a_folder_that_is_named_relative(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pip of this test only makes the file, relative to the folder that it is started in."""
    pip = tmp_path / "pip"
    pip.write_text('#!/bin/sh\nwhile [ "$1" != --dest ]; do shift; done\ntouch "$2/my_shapes-1.0-py3-none-any.whl"\n')
    pip.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(pip))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "downloads").mkdir()
    found = fetch(Package("my-shapes", "1.0", "train", "pypi"), Path("downloads"))
    assert found == Path("downloads/my_shapes-1.0-py3-none-any.whl")


def test_what_builds_a_source_archive_may_come_as_wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pip of this test only writes down what it is asked for."""
    pip = tmp_path / "pip"
    pip.write_text('#!/bin/sh\necho "$@" > asked.txt\ntouch my_shapes-1.0.tar.gz\n')
    pip.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(pip))
    fetch(Package("my-shapes", "1.0", "train", "sdist"), tmp_path)
    asked = (tmp_path / "asked.txt").read_text().split()
    assert "--no-binary=my-shapes" in asked
    assert "my-shapes==1.0" in asked


def test_a_large_source_archive_is_unpacked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "shapes-1.0.tgz"
    write_tar(path, {f"package/{index}.js": JAVASCRIPT for index in reversed(range(9))})
    positions = list[int]()
    read = gzip.GzipFile.seek
    monkeypatch.setattr(gzip.GzipFile, "seek", lambda *given: positions.append(given[1]) or read(*given))
    assert [name for name, _ in read_members(path, (".js",))] == [f"package/{index}.js" for index in range(9)]
    forward = [position for position in positions if position]  # to the start it goes while the format is looked for
    assert forward == sorted(forward)


def test_an_archive_without_metadata_is_refused(tmp_path: Path) -> None:
    write_tar(tmp_path / "shapes-1.0.tgz", {"package/index.js": JAVASCRIPT})
    with pytest.raises(ValueError, match="no metadata"):
        read_licence(tmp_path / "shapes-1.0.tgz")
