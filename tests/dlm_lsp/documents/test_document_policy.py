"""Files that a project excludes: its own and no others', as soon as its files say so, and with the right source."""

import os
from pathlib import Path

import pytest

from dlm_lsp.documents.document_policy import DocumentPolicy
from dlm_lsp.options import Settings

OFF = "enabled = false\n"


@pytest.fixture
def roots(tmp_path: Path) -> tuple[Path, Path]:
    folders = tmp_path / "one", tmp_path / "other"
    for folder in folders:
        folder.mkdir()
    return folders


def _reason(policy: DocumentPolicy, file: Path | None, settings: Settings | None = None) -> str | None:
    return policy.reason(None if file is None else str(file), "python", 1, settings or Settings())


@pytest.mark.parametrize(
    ("options", "option"),
    [
        (OFF, "enabled"),
        ("disabled_languages = ['python']\n", "disabled_languages"),
        ("exclude = ['a.py']\n", "exclude"),
    ],
)
def test_a_project_has_a_say_in_its_own_files_alone(roots: tuple[Path, Path], options: str, option: str) -> None:
    one, other = roots
    (one / ".dlm-lsp.toml").write_text(options)
    policy = DocumentPolicy(roots)
    reason = str(_reason(policy, one / "a.py"))
    assert option in reason
    assert reason.endswith(f", by {one / '.dlm-lsp.toml'}")
    assert _reason(policy, other / "a.py") is None


def test_a_pyproject_is_named_where_it_is_what_says_so(roots: tuple[Path, Path]) -> None:
    file = roots[0] / "pyproject.toml"
    file.write_text(f"[tool.dlm-lsp]\n{OFF}")
    assert str(_reason(DocumentPolicy(roots), roots[0] / "a.py")).endswith(f", by {file}")


def test_no_setting_takes_back_what_a_project_wants(roots: tuple[Path, Path]) -> None:
    (roots[0] / ".dlm-lsp.toml").write_text(OFF)
    assert _reason(DocumentPolicy(roots), roots[0] / "a.py", Settings(enabled=True)) is not None


def test_a_project_switches_nothing_on_and_the_settings_are_to_blame_where_they_say_the_same(
    roots: tuple[Path, Path],
) -> None:
    (roots[0] / ".dlm-lsp.toml").write_text("enabled = true\nmodel = '/tmp/evil'\n")
    reason = _reason(DocumentPolicy(roots), roots[0] / "a.py", Settings(enabled=False))
    assert reason == "completions are switched off (enabled = false)"


def test_every_folder_around_a_document_has_a_say(roots: tuple[Path, Path]) -> None:
    inner = roots[0] / "inner"
    inner.mkdir()
    (roots[0] / ".dlm-lsp.toml").write_text("exclude = ['a.py']\n")
    (inner / ".dlm-lsp.toml").write_text("exclude = ['b.py']\n")
    policy = DocumentPolicy([roots[0], inner])
    assert [_reason(policy, inner / name) is None for name in ("a.py", "b.py", "c.py")] == [False, False, True]
    assert _reason(policy, roots[0] / "b.py") is None


def test_changes_are_seen(roots: tuple[Path, Path]) -> None:
    policy, file, document = DocumentPolicy(roots), roots[0] / ".dlm-lsp.toml", roots[0] / "a.py"
    assert _reason(policy, document) is None
    file.write_text("exclude = ['a.py']\n")
    assert _reason(policy, document) is not None
    file.write_text("exclude = ['b.py']\n")
    os.utime(file, ns=(1, 1))
    assert _reason(policy, document) is None
    file.unlink()
    (roots[0] / "pyproject.toml").write_text(f"[tool.dlm-lsp]\n{OFF}")
    assert _reason(policy, document) is not None


def test_mistakes_are_reported_once_each_time_they_are_read(roots: tuple[Path, Path]) -> None:
    problems: list[str] = []
    file = roots[0] / ".dlm-lsp.toml"
    file.write_text("model = '/tmp/evil'\n")
    policy = DocumentPolicy(roots, problems.extend)
    for _ in range(2):
        _reason(policy, roots[0] / "a.py")
    assert problems == [f"{file}:1: model cannot be set here"]
    file.write_text("exclude = 'a.py'\n")
    _reason(policy, roots[0] / "a.py")
    assert len(problems) == 2


@pytest.mark.parametrize("says", [".dlm-lsp.toml", ".gitignore"])
def test_outside_of_the_workspace_the_repository_has_a_say(roots: tuple[Path, Path], says: str) -> None:
    package = roots[0] / "package"
    package.mkdir()
    (roots[0] / says).write_text(OFF if says == ".dlm-lsp.toml" else "*.py\n")
    policy = DocumentPolicy([roots[1]])
    assert _reason(policy, package / "a.py") is None
    (roots[0] / ".git").mkdir()
    assert _reason(policy, package / "a.py") is not None


def test_what_is_no_file_may_be_of_any_workspace_folder(roots: tuple[Path, Path]) -> None:
    policy = DocumentPolicy(roots)
    assert _reason(policy, None) is None
    (roots[1] / ".dlm-lsp.toml").write_text(OFF)
    assert _reason(policy, None) is not None


def test_documents_of_one_folder_or_repository_are_together(roots: tuple[Path, Path], tmp_path: Path) -> None:
    policy, (one, other) = DocumentPolicy(roots), roots
    assert policy.are_together(str(one / "a.py"), str(one / "deep" / "b.py"))
    assert not policy.are_together(str(one / "a.py"), str(other / "b.py"))
    assert policy.are_together(None, str(other / "b.py"))
    assert policy.are_together(None, None)
    assert not policy.are_together(str(one / "a.py"), "/usr/lib/b.py")
    (tmp_path / ".git").mkdir()
    assert policy.are_together(str(one / "a.py"), str(other / "b.py"))


def test_all_is_off_where_each_folder_says_so(roots: tuple[Path, Path]) -> None:
    assert not DocumentPolicy().is_all_off
    policy = DocumentPolicy(roots)
    for folder, is_all_off in zip(roots, (False, True), strict=True):
        (folder / ".dlm-lsp.toml").write_text(OFF)
        assert policy.is_all_off == is_all_off


def test_ignore_files_count_beside_options(roots: tuple[Path, Path]) -> None:
    (roots[0] / ".gitignore").write_text("a.py\n")
    assert "ignored by" in str(_reason(DocumentPolicy(roots), roots[0] / "a.py"))


def test_documents_that_are_no_files_are_together_without_a_workspace(tmp_path: Path) -> None:
    policy = DocumentPolicy()
    assert policy.are_together(None, None)
    assert not policy.are_together(None, str(tmp_path / "a.py"))
