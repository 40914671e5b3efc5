"""From wheels to shards: licences, filters, duplicates, evaluation problems, and the same result every time."""

import errno
import gzip
import json
from collections.abc import Iterator
from concurrent.futures import Executor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from pathlib import Path

import pytest

from dlm_model.errors import ModelError
from dlm_model.training.archives import read_licence
from dlm_model.training.corpus import (
    PARTS_FOLDER,
    REPORT_FILE,
    Part,
    build_corpus,
    drop_duplicates,
    sample_package,
)
from dlm_model.training.decontamination import NgramFilter, read_problems
from dlm_model.training.licences import LicenceError
from dlm_model.training.manifest import Package, Split, load_manifest
from dlm_model.training.shards import TextShard, write_shard
from dlm_model.training.sources import SourceFile, find_flaw, read_package
from dlm_model.training.terminal import print_reports
from tests.model.training.packages import MODULE, NO_PROBLEMS, PROBLEM, write_wheel


@pytest.mark.parametrize(
    ("metadata", "licence"),
    [
        ("License-Expression: MIT", "MIT"),
        ("License-Expression: Apache-2.0 AND (MIT OR BSD-3-Clause)", "Apache-2.0 AND (MIT OR BSD-3-Clause)"),
        ("License: Apache 2.0", "Apache-2.0"),
        ("License: Apache 2.0 License", "Apache-2.0"),
        ("License-Expression: MIT AND Apache-2.0 WITH LLVM-exception", "MIT AND Apache-2.0 WITH LLVM-exception"),
        ("Classifier: License :: OSI Approved :: BSD License", "BSD"),
    ],
)
def test_permissive_licences_are_read(tmp_path: Path, metadata: str, licence: str) -> None:
    assert read_licence(write_wheel(tmp_path, "shapes", {}, metadata)) == licence


@pytest.mark.parametrize(
    "metadata",
    [
        "License-Expression: GPL-3.0-or-later",
        "License-Expression: MIT AND LGPL-2.1-only",
        "License: Proprietary",
        "License: MIT\nClassifier: License :: OSI Approved :: GNU Affero General Public License v3",
        "Classifier: License :: OSI Approved :: GNU General Public License v3 (GPLv3)",
        "Summary: no licence at all",
    ],
)
def test_any_other_licence_is_refused(tmp_path: Path, metadata: str) -> None:
    with pytest.raises(LicenceError, match="not known to be permissive"):
        read_licence(write_wheel(tmp_path, "shapes", {}, metadata))


def test_only_readable_python_that_people_wrote_is_kept(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {
        "shapes/area.py": MODULE.replace("\n", "\r\n"),
        "shapes/latin1.py": MODULE.replace("rectangle", "Fläche").encode("latin-1"),
        "shapes/broken.py": MODULE + "def (:\n",
        "shapes/generated.py": MODULE + f"x = '{'y' * 300}'\n",
        "shapes/numbers.py": MODULE + "table = [\n" + "    123456, 123456,\n" * 40 + "]\n",
        "shapes/_vendor/other.py": MODULE,
        "shapes/tests/test_area.py": MODULE,
        "shapes/readme.txt": MODULE,
    }
    write_wheel(tmp_path, "shapes", files)
    content = read_package(Package("shapes", "1.0", "train"), tmp_path)
    assert [source.path for source in content.files] == ["shapes/area.py"]
    assert content.files[0].text == MODULE
    assert content.left_out == {
        "not UTF-8": 1,
        "that do not parse": 1,
        "with a line over 250 characters": 1,
        "mostly digits": 1,
    }


def test_a_file_without_functions_teaches_nothing() -> None:
    assert not find_flaw(MODULE, "python")
    assert find_flaw("x = y\n" * 20, "python") == "without a function"


def test_a_corrupt_wheel_is_one_clear_error(tmp_path: Path) -> None:
    wheel = tmp_path / "shapes-1.0-py3-none-any.whl"
    wheel.write_bytes(b"PK but not really")
    with pytest.raises(ValueError, match="not a readable archive"):
        read_licence(wheel)


def test_a_planted_problem_is_found_whatever_its_layout() -> None:
    problems = NgramFilter([PROBLEM])
    planted = MODULE + "\n\n" + PROBLEM.replace("    ", "\t").replace("balance < 0", "balance   <   0")
    assert problems.is_contaminated(planted)
    assert not problems.is_contaminated(MODULE)


@pytest.mark.parametrize(
    ("planted", "is_found"),
    [
        ("def truncate(number: float) -> float:\n    return number % 1.0\n", True),
        ("def truncate(number):\n    whole, rest = divmod(number, 1)\n    return rest\n", True),
        ("def truncate(text):\n    return text[:10]\n", False),
        ("def rest(number):\n    return number % 1.0\n", False),
    ],
    ids=["without-docstring", "name", "other-function", "common-body"],
)
def test_a_short_solution_is_found_without_its_docstring_and_by_its_name(planted: str, *, is_found: bool) -> None:
    docstring = '"""The decimal part of a number, which is smaller than 1.\n    >>> truncate(3.5)\n    0.5\n    """'
    problem = f"def truncate(number: float) -> float:\n    {docstring}\n    return number % 1.0\n"
    assert NgramFilter([problem]).is_contaminated(MODULE + planted) == is_found


def test_problems_are_read_whole_and_once(tmp_path: Path) -> None:
    head, middle, tail = PROBLEM[:40], PROBLEM[40:60], PROBLEM[60:]
    records = [
        {"prompt": head, "canonical_solution": middle, "suffix": tail},
        {"prompt": head + middle, "canonical_solution": tail, "suffix": ""},
    ]
    path = tmp_path / "problems.jsonl.gz"
    path.write_bytes(gzip.compress("\n".join(map(json.dumps, records)).encode()))
    assert read_problems(path) == [PROBLEM]


def test_a_truncated_problem_file_is_one_clear_error(tmp_path: Path) -> None:
    path = tmp_path / "problems.jsonl.gz"
    path.write_bytes(gzip.compress(b'{"prompt": ""}')[:-6])
    with pytest.raises(ValueError, match="cannot read evaluation problems"):
        read_problems(path)


def test_files_that_differ_in_white_space_alone_are_duplicates() -> None:
    one, two = SourceFile("a", "one.py", MODULE), SourceFile("b", "two.py", MODULE.replace("\n\n\n", "\n\n"))
    assert drop_duplicates([one, two], set()) == [one]


def test_a_large_package_is_sampled_the_same_way_every_time() -> None:
    sources = [SourceFile("a", f"{index}.py", "x" * 100) for index in range(20)]
    sample = sample_package(sources, 450)
    assert len(sample) == 4
    assert sample == sample_package(sources[::-1], 450)


def test_a_large_package_is_sampled_and_says_so_but_not_ones_own_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "app").mkdir()
    for index in range(6):
        (tmp_path / "app" / f"{index}.py").write_text(MODULE.replace("area", f"own_{index}"))
    write_wheel(tmp_path, "solids", {f"solids/{index}.py": MODULE.replace("area", f"v_{index}") for index in range(6)})
    app = Package("app", "", "train", "folder", tmp_path / "app", "own")
    packages = [app, Package("solids", "1.0", "held_out")]
    reports = build_corpus(packages, tmp_path, tmp_path / "corpus", NO_PROBLEMS, max_characters=2 * len(MODULE) + 99)
    assert [(report.num_files, report.num_over_limit) for report in reports] == [(2, 4), (6, 0)]
    print_reports(reports)
    assert "solids 1.0: 2 files held out, MIT; left out: 4 over the limit of one package\n" in capsys.readouterr().out


def test_a_process_that_is_killed_while_it_reads_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(Executor):
        def map(self, *_: object, **__: object) -> Iterator[Part]:  # type: ignore[override]
            raise BrokenProcessPool("A process in the process pool was terminated abruptly")
            yield

    monkeypatch.setattr("dlm_model.training.corpus._executor", lambda _: Killed())
    with pytest.raises(ModelError, match="for lack of memory"):
        build_corpus([Package("shapes", "1.0", "train")], tmp_path, tmp_path / "corpus", NO_PROBLEMS, num_workers=2)


def test_the_same_manifest_gives_the_same_shards_split_by_package(tmp_path: Path) -> None:
    other = MODULE.replace("area", "surface")
    write_wheel(tmp_path, "shapes", {"shapes/area.py": MODULE, "shapes/problem.py": MODULE + PROBLEM})
    write_wheel(tmp_path, "solids", {"solids/surface.py": other, "solids/copy.py": MODULE})
    packages = [Package("shapes", "1.0", "held_out"), Package("solids", "1.0", "train")]
    for folder in ("first", "second"):
        reports = build_corpus(packages, tmp_path, tmp_path / folder, NgramFilter([PROBLEM]))
    assert list(TextShard(tmp_path / "first" / "held_out.safetensors")) == [MODULE]
    assert list(TextShard(tmp_path / "first" / "train.safetensors")) == [other]
    assert [(report.num_contaminated, report.num_duplicates) for report in reports] == [(1, 0), (0, 1)]
    for name in ("train.safetensors", "held_out.safetensors", REPORT_FILE):
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes()


def test_a_corpus_is_replaced_as_a_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_wheel(tmp_path, "shapes", {"shapes/area.py": MODULE})
    write_wheel(tmp_path, "solids", {"solids/surface.py": MODULE.replace("area", "surface")})
    splits: list[Split] = ["held_out", "train"]
    packages = [Package(name, "1.0", split) for name, split in zip(("shapes", "solids"), splits, strict=True)]
    folder = tmp_path / "corpus"
    build_corpus(packages, tmp_path, folder, NO_PROBLEMS)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    swapped = [replace(package, split=split) for package, split in zip(packages, splits[::-1], strict=True)]

    def fill_the_disk(path: Path, files: list[SourceFile]) -> None:
        if path.name.startswith("train"):
            raise OSError(errno.ENOSPC, "No space left on device")
        write_shard(path, files)

    monkeypatch.setattr("dlm_model.training.corpus.write_shard", fill_the_disk)
    with pytest.raises(OSError, match="No space left"):
        build_corpus(swapped, tmp_path, folder, NO_PROBLEMS)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_what_was_read_of_a_package_is_read_anew_if_it_is_damaged_or_the_rules_have_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_wheel(tmp_path, "shapes", {"shapes/area.py": MODULE})
    packages = [Package("shapes", "1.0", "train")]
    build_corpus(packages, tmp_path, tmp_path / "corpus", NO_PROBLEMS)
    (part,) = (tmp_path / PARTS_FOLDER).iterdir()
    for content in (b"{", b"[]", b'{"files": [{}]}'):
        part.write_bytes(content)
        (report,) = build_corpus(packages, tmp_path, tmp_path / "corpus", NO_PROBLEMS)
        assert report.num_files == 1
    monkeypatch.setattr("dlm_model.training.corpus._rules", lambda: "others")
    build_corpus(packages, tmp_path, tmp_path / "corpus", NO_PROBLEMS)
    assert len(list((tmp_path / PARTS_FOLDER).iterdir())) == 2


def test_an_empty_corpus_is_refused_by_reason_and_nothing_is_written(tmp_path: Path) -> None:
    files = {"tiny.py": "x = 1\n", "latin.py": "é".encode("latin-1"), "wide.py": MODULE + f"x = '{'y' * 300}'\n"}
    write_wheel(tmp_path, "shapes", {f"shapes/{name}": text for name, text in files.items()})
    told = "left out were 1 not UTF-8, 1 under 10 lines, 1 with a line over 250 characters"
    with pytest.raises(ValueError, match=f"no file of the train packages was kept; {told}"):
        build_corpus([Package("shapes", "1.0", "train")], tmp_path, tmp_path / "corpus", NO_PROBLEMS)
    assert not (tmp_path / "corpus").exists()


def test_a_manifest_is_packages_by_split(tmp_path: Path) -> None:
    path = tmp_path / "packages.toml"
    path.write_text('[train]\nsolids = "1.0"\n[held_out]\nshapes = "2.0"\n')
    assert load_manifest(path) == (Package("solids", "1.0", "train"), Package("shapes", "2.0", "held_out"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[train\n", "cannot read"),
        ("[test]\na = '1'\n", "unknown split 'test'"),
        ("", "names no package"),
        ("[train]\na = '1'\n[held_out]\na = '1'\n", "named more than once"),
        ("[train]\nScikit_learn = '1'\n[held_out]\nscikit-learn = '1'\n", "named more than once"),
    ],
)
def test_a_bad_manifest_is_one_clear_error(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "packages.toml"
    path.write_text(content)
    with pytest.raises(ValueError, match=message):
        load_manifest(path)


def test_a_shard_gives_its_texts_back(tmp_path: Path) -> None:
    texts = ["über\n", "", "x = '😀'\n"]
    write_shard(tmp_path / "some.safetensors", [SourceFile("a", f"{i}.py", text) for i, text in enumerate(texts)])
    shard = TextShard(tmp_path / "some.safetensors")
    assert list(shard) == texts
    assert shard[1:] == texts[1:]
    assert shard.names == ["a/0.py", "a/1.py", "a/2.py"]
    with pytest.raises(IndexError):
        shard[3]


def test_a_file_that_is_no_shard_is_refused(tmp_path: Path) -> None:
    (tmp_path / "some.safetensors").write_bytes(b"nothing of the kind")
    with pytest.raises(ValueError, match="not a text shard"):
        TextShard(tmp_path / "some.safetensors")
