"""Ignore files as git reads them, our own beside them; one that cannot be understood lets no file through."""

import os
from pathlib import Path

import pytest

from dlm_lsp.documents.ignore_rules import IgnoreRules


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "src" / "gen").mkdir(parents=True)
    return tmp_path


@pytest.mark.parametrize(
    ("outer", "inner", "path", "is_ignored"),
    [
        ("*.log\n", "", "src/a.log", True),
        ("*.log\n", "", "src/a.py", False),
        ("/a.py\n", "", "src/a.py", False),
        ("gen/\n", "", "src/gen/a.py", True),
        ("*.py\n!a.py\n", "", "src/a.py", False),
        ("*.py\n", "!a.py\n", "src/a.py", False),
        ("", "a.py\n", "src/a.py", True),
        ("", "a.py\n", "a.py", False),
        ("src/\n", "!a.py\n", "src/a.py", True),
        ("# *.py\n\n", "", "src/a.py", False),
        ("src/**/a.py\n", "", "src/gen/a.py", True),
    ],
)
def test_as_git_reads_them(root: Path, outer: str, inner: str, path: str, is_ignored: bool) -> None:
    (root / ".gitignore").write_text(outer)
    (root / "src" / ".gitignore").write_text(inner)
    reason = IgnoreRules().reason(root / path, root)
    assert (reason is not None) == is_ignored
    assert not is_ignored or ".gitignore" in str(reason)


def test_our_own_file_ignores_more_and_takes_nothing_back(root: Path) -> None:
    (root / ".gitignore").write_text("a.py\n")
    (root / ".dlmignore").write_text("!a.py\nb.py\n")
    rules = IgnoreRules()
    assert str(rules.reason(root / "a.py", root)).endswith(".gitignore")
    assert str(rules.reason(root / "b.py", root)).endswith(".dlmignore")
    assert rules.reason(root / "c.py", root) is None


@pytest.mark.parametrize(
    "content",
    [b"\xff\xfe\x00", b"a\n" * 600_000, b"gen\\\n", b"[z-a]\n"],
    ids=["not text", "too large", "broken escape", "broken range"],
)
def test_a_file_that_cannot_be_understood_closes_its_folder(root: Path, content: bytes) -> None:
    (root / "src" / ".gitignore").write_bytes(content)
    rules = IgnoreRules()
    assert "nothing below it" in str(rules.reason(root / "src" / "a.py", root))
    assert rules.reason(root / "a.py", root) is None


def test_an_ignore_file_that_is_a_folder_closes_its_folder(root: Path) -> None:
    (root / ".dlmignore").mkdir()
    assert "cannot be read" in str(IgnoreRules().reason(root / "a.py", root))


def test_changes_are_seen_and_files_without_one_are_free(root: Path) -> None:
    rules = IgnoreRules()
    assert rules.reason(root / "a.py", root) is None
    (root / ".gitignore").write_text("a.py\n")
    assert rules.reason(root / "a.py", root)
    (root / ".gitignore").write_text("b.py\n")
    os.utime(root / ".gitignore", ns=(1, 1))
    assert rules.reason(root / "a.py", root) is None


def test_no_file_is_looked_for_twice(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "src" / ".gitignore").write_text("*.log\n")
    looked_for: list[Path] = []
    stat = Path.stat
    monkeypatch.setattr(Path, "stat", lambda path: looked_for.append(path) or stat(path))
    assert IgnoreRules().reason(root / "src" / "gen" / "a.py", root) is None
    folders = [root, root / "src", root / "src" / "gen"]
    assert looked_for == [folder / name for name in (".gitignore", ".dlmignore") for folder in folders]


def test_nothing_above_the_project_counts(root: Path) -> None:
    (root / ".gitignore").write_text("*.py\n")
    assert IgnoreRules().reason(root / "src" / "a.py", root / "src") is None
    assert IgnoreRules().reason(root / "src" / "a.py", root)


def test_the_root_of_the_file_system_is_not_ignored() -> None:
    assert IgnoreRules().reason(Path("/"), Path("/")) is None
