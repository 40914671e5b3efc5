"""Everything a corpus can be made of: packages, folders, and what is installed; and how it is built from them."""

import itertools
from pathlib import Path

import pytest

from dlm_model.training import manifest as manifest_module
from dlm_model.training.__main__ import run_stage
from dlm_model.training.corpus import REPORT_FILE, build_corpus
from dlm_model.training.decontamination import NgramFilter
from dlm_model.training.licences import LicenceError, licence_of_folder
from dlm_model.training.manifest import Package, load_manifest
from dlm_model.training.shards import TextShard
from dlm_model.training.sources import find_flaw, read_package
from tests.model.training.full_disk import full_disk
from tests.model.training.packages import C_SOURCE, JAVASCRIPT, MODULE, NO_PROBLEMS, PROBLEM, write_wheel

MIT = "MIT License\n\nPermission is hereby granted, free of charge, to any person\nobtaining a copy of this software"
CPP_HEADER = """#pragma once

template <typename T>
class Area : public Shape {
 public:
  explicit Area(T width) : width_(width) {}
  T width() const noexcept { return width_; }

 private:
  T width_;
};
"""
GPL = "GNU GENERAL PUBLIC LICENSE Version 3\n" + MIT
APACHE = "  Apache License\n  Version 2.0, January 2004\n"


def write_folder(folder: Path, licence: str | None = MIT) -> Path:
    folder.mkdir()
    (folder / "shapes.js").write_text(JAVASCRIPT)
    (folder / "shapes.py").write_text(MODULE)
    (folder / "latin.py").write_bytes(MODULE.replace("rectangle", "Fläche").encode("latin-1"))
    if licence is not None:
        (folder / "LICENSE").write_text(licence)
    return folder


def test_a_folder_gives_its_files_and_counts_what_is_not_utf8(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "app")
    content = read_package(Package("app", "", "train", "folder", folder), tmp_path)
    assert [file.path for file in content.files] == ["shapes.js", "shapes.py"]
    assert (content.licence, content.left_out) == ("MIT", {"not UTF-8": 1})


@pytest.mark.parametrize(("text", "licence"), [(MIT, "MIT"), (APACHE, "Apache-2.0")])
def test_the_licence_file_of_a_folder_is_read(tmp_path: Path, text: str, licence: str) -> None:
    assert licence_of_folder(write_folder(tmp_path / "app", text)) == licence


@pytest.mark.parametrize(
    ("text", "message"),
    [(None, "no licence file"), (GPL, "not known"), ("All rights reserved.", "not known"), (MIT + APACHE, "not known")],
)
def test_a_folder_without_a_permissive_licence_is_refused(tmp_path: Path, text: str | None, message: str) -> None:
    with pytest.raises(LicenceError, match=message):
        read_package(Package("app", "", "train", "folder", write_folder(tmp_path / "app", text)), tmp_path)


def test_ones_own_code_needs_no_licence_file(tmp_path: Path) -> None:
    write_folder(tmp_path / "app", licence=None)
    (tmp_path / "packages.toml").write_text('[train.folder]\napp = { path = "app", licence = "own" }\n')
    (package,) = load_manifest(tmp_path / "packages.toml")
    assert read_package(package, tmp_path).licence == "own"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('train.cargo.serde = "1"\n', "unknown registry 'cargo'"),
        ("train.folder.app = 3\n", "folder app is a path"),
        ('train.folder.app = { path = "app", licence = "GPL-3.0" }\n', "folder app is a path"),
        ('train.folder.app = { path = "app", license = "own" }\n', "folder app is a path"),
        ('train.folder = { path = "app", licence = "own" }\n', "a folder needs a name: train.folder.NAME"),
        ('train.app = { path = "app", licence = "own" }\n', "a folder is train.folder.app"),
        ('train.app = "../app"\n', "no version of a package; a folder is train.folder.app"),
        ('train = "../app"\n', "train is no section"),
        ("environment = 'yes'\n", "environment is true or false"),
    ],
)
def test_a_bad_source_is_one_clear_error(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "packages.toml").write_text(content)
    with pytest.raises(ValueError, match=message):
        load_manifest(tmp_path / "packages.toml")


def test_a_missing_folder_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is no folder"):
        read_package(Package("app", "", "train", "folder", tmp_path / "app"), tmp_path)


def test_a_folder_below_ones_home_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "packages.toml").write_text('train.folder.app = "~/app"\n')
    (package,) = load_manifest(tmp_path / "packages.toml")
    assert package.folder == tmp_path / "app"


def split_folder(folder: Path, num_files: int) -> dict[str, set[str]]:
    """A folder of so many files, and which of them are in which split."""
    for index in range(num_files):
        path = folder / "my code" / "größe" / f"{index}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(MODULE.replace("area", f"area_{index}"))
    app = Package("app", "", "train", "folder", folder / "my code", "own")
    reports = build_corpus([app], folder / "downloads", folder / "corpus", NO_PROBLEMS)
    return {report.split: set(TextShard(folder / "corpus" / f"{report.split}.safetensors").names) for report in reports}


def test_a_lone_folder_holds_some_of_its_files_out(tmp_path: Path) -> None:
    splits = split_folder(tmp_path, 40)
    assert 2 <= len(splits["held_out"]) <= 6
    assert len(splits["train"] | splits["held_out"]) == 40
    assert not splits["train"] & splits["held_out"]
    assert not (tmp_path / "downloads").exists(), "nothing was downloaded"


def test_what_is_held_out_of_a_folder_stays_so_when_it_grows(tmp_path: Path) -> None:
    growing = [split_folder(tmp_path, num_files) for num_files in (30, 40, 55, 60, 75, 80, 95)]
    for before, after in itertools.pairwise(growing):
        assert before["held_out"] <= after["held_out"]
        assert before["train"] <= after["train"]
    assert growing[0]["held_out"] < growing[-1]["held_out"]


def test_of_two_files_one_is_held_out_and_of_one_none(tmp_path: Path) -> None:
    assert split_folder(tmp_path, 1).keys() == {"train"}
    assert {split: len(names) for split, names in split_folder(tmp_path, 2).items()} == {"train": 1, "held_out": 1}


def test_what_was_left_out_of_a_split_folder_is_counted_once(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "app")
    (folder / "tiny.py").write_text("tiny = 1\n")
    app = Package("app", "", "train", "folder", folder, "own")
    reports = build_corpus([app], tmp_path, tmp_path / "corpus", NO_PROBLEMS)
    assert [(report.num_files, report.reasons) for report in reports] == [
        (1, {"not UTF-8": 1, "under 10 lines": 1}),
        (1, {}),
    ]


def test_a_folder_stays_whole_beside_a_held_out_one_and_nothing_stale_is_left(tmp_path: Path) -> None:
    folders = {name: tmp_path / name for name in ("app", "other")}
    for name, folder in folders.items():
        folder.mkdir()
        for index in range(10):
            (folder / f"{index}.py").write_text(MODULE.replace("area", f"{name}_{index}"))
    app = Package("app", "", "train", "folder", folders["app"], "own")
    other = Package("other", "", "held_out", "folder", folders["other"], "own")
    reports = build_corpus([app, other], tmp_path, tmp_path / "corpus", NO_PROBLEMS)
    assert [(report.name, report.num_files) for report in reports] == [("other", 10), ("app", 10)]
    (tmp_path / "few").mkdir()
    (tmp_path / "few" / "shapes.py").write_text(MODULE)
    few = Package("few", "", "train", "folder", tmp_path / "few", "own")
    build_corpus([few], tmp_path, tmp_path / "corpus", NO_PROBLEMS)
    assert not (tmp_path / "corpus" / "held_out.safetensors").exists()


@pytest.mark.parametrize("name", ["packages.toml", "other_languages.toml"])
def test_the_packaged_manifests_name_versions_and_hold_packages_out(name: str) -> None:
    packages = load_manifest(Path(manifest_module.__file__).with_name(name))
    assert all(package.version for package in packages)
    assert {package.split for package in packages} == {"train", "held_out"}


def test_what_is_installed_can_be_learned_from(tmp_path: Path) -> None:
    (tmp_path / "packages.toml").write_text("environment = true\n")
    packages = {package.name: package for package in load_manifest(tmp_path / "packages.toml")}
    assert {"pytest", "attrs", "jinja2"} <= packages.keys()
    assert "certifi" not in packages, "its licence is not permissive"
    assert {package.split for package in packages.values()} == {"train", "held_out"}
    content = read_package(packages["attrs"], tmp_path)
    assert "attr/_make.py" in {file.path for file in content.files}
    assert content.licence == "MIT"


def test_a_named_package_is_not_taken_from_the_environment_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed = [Package(name, "1.0", "train", "environment") for name in ("shapes", "solids")]
    monkeypatch.setattr(manifest_module, "installed_packages", lambda: iter(installed))
    (tmp_path / "packages.toml").write_text('environment = true\n[held_out]\nshapes = "2.0"\n')
    found = [(package.name, package.split, package.registry) for package in load_manifest(tmp_path / "packages.toml")]
    assert found == [("shapes", "held_out", "pypi"), ("solids", "train", "environment")]


def test_a_problem_planted_in_any_source_is_gone_from_the_shards(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "app")
    (folder / "planted.py").write_text(MODULE.replace("area", "surface") + PROBLEM)
    write_wheel(tmp_path, "solids", {"solids/planted.py": MODULE.replace("area", "volume") + PROBLEM})
    packages = [Package("app", "", "train", "folder", folder), Package("solids", "1.0", "train")]
    (tmp_path / "clean.py").write_text(MODULE)
    reports = build_corpus(packages, tmp_path, tmp_path / "corpus", NgramFilter([PROBLEM]))
    assert sum(report.num_contaminated for report in reports) == 2
    texts = list(TextShard(tmp_path / "corpus" / "train.safetensors"))
    assert texts
    assert not any("below_zero" in text for text in texts)


def test_a_build_that_was_stopped_goes_on_where_it_was(tmp_path: Path) -> None:
    wheel = write_wheel(tmp_path, "shapes", {"shapes/area.py": MODULE})
    packages = [Package("shapes", "1.0", "held_out"), Package("solids", "1.0", "train")]
    (tmp_path / "solids-1.0-py3-none-any.whl").write_bytes(b"half a download")
    with pytest.raises(ValueError, match="not a readable archive"):
        build_corpus(packages, tmp_path, tmp_path / "corpus", NO_PROBLEMS)
    assert not (tmp_path / "corpus").exists()
    wheel.unlink()
    write_wheel(tmp_path, "solids", {"solids/surface.py": MODULE.replace("area", "surface")})
    build_corpus(packages, tmp_path, tmp_path / "corpus", NO_PROBLEMS)
    assert list(TextShard(tmp_path / "corpus" / "held_out.safetensors")) == [MODULE]


def test_other_problems_are_looked_for_again(tmp_path: Path) -> None:
    write_wheel(tmp_path, "shapes", {"shapes/area.py": MODULE, "shapes/planted.py": MODULE + PROBLEM})
    packages = [Package("shapes", "1.0", "train")]
    before = build_corpus(packages, tmp_path, tmp_path / "corpus", NO_PROBLEMS)
    after = build_corpus(packages, tmp_path, tmp_path / "corpus", NgramFilter([PROBLEM]))
    assert (before[0].num_contaminated, after[0].num_contaminated) == (0, 1)


def test_reading_side_by_side_gives_the_same_shards(tmp_path: Path) -> None:
    for name in ("shapes", "solids"):
        write_wheel(tmp_path, name, {f"{name}/area.py": MODULE.replace("area", name)})
    packages = [Package("shapes", "1.0", "train"), Package("solids", "1.0", "held_out")]
    for count in (1, 2):
        downloads = tmp_path / f"downloads{count}"
        downloads.mkdir()
        for wheel in tmp_path.glob("*.whl"):
            (downloads / wheel.name).write_bytes(wheel.read_bytes())
        build_corpus(packages, downloads, tmp_path / f"corpus{count}", NO_PROBLEMS, num_workers=count)
    for name in ("train.safetensors", "held_out.safetensors", REPORT_FILE):
        assert (tmp_path / "corpus1" / name).read_bytes() == (tmp_path / "corpus2" / name).read_bytes()


def test_a_full_disk_leaves_no_half_shard(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_folder(tmp_path / "app")
    (folder / "long.py").write_text(MODULE.replace("area", "surface") * 9)
    (tmp_path / "packages.toml").write_text('train.folder.app = "app"\n')
    arguments = ["corpus", tmp_path / "corpus", "--manifest", tmp_path / "packages.toml", "--downloads", tmp_path]
    with full_disk():
        assert run_stage([*map(str, arguments)], "training") == 3
    error = capsys.readouterr().err
    assert ".safetensors.partial cannot be written" in error
    assert error.count("\n") == 1
    assert list((tmp_path / "corpus").iterdir()) == []


def test_a_full_disk_leaves_no_half_start(
    tmp_path: Path, resizing_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with full_disk():
        assert run_stage(["initialize", str(resizing_folder), str(tmp_path / "start")], "training") == 3
    assert capsys.readouterr().err.startswith("training: ")
    assert list(tmp_path.iterdir()) == []


def test_code_that_does_not_parse_teaches_nothing() -> None:
    assert not find_flaw(C_SOURCE, "c")
    assert find_flaw(C_SOURCE + "int broken( {\n", "c") == "that do not parse"


def test_a_header_of_cpp_and_a_macro_among_much_code_are_learned_from(tmp_path: Path) -> None:
    folder = tmp_path / "app"
    folder.mkdir()
    (folder / "shapes.h").write_text(CPP_HEADER)
    (folder / "plain.h").write_text(C_SOURCE)
    (folder / "macro.c").write_text(C_SOURCE * 12 + "EXPORT_SYMBOL int area() MAYBE_UNUSED { return 1; }\n")
    content = read_package(Package("app", "", "train", "folder", folder, "own"), tmp_path)
    assert [file.path for file in content.files] == ["macro.c", "plain.h", "shapes.h"]
