import codecs
import os
import stat
from pathlib import Path

import pytest

from dlm_lsp.commands.sources import read_source, write_in_place
from dlm_lsp.errors import UnreadableDocumentError, UsageError

PLENTY = 1000


@pytest.mark.parametrize(
    "raw", [b"", b"a = 1\n", b"a = 1\r\nb = 2\r\n", codecs.BOM_UTF8 + b"a = 1\n", "é = '😀\u2028'\r".encode()]
)
def test_what_is_read_and_written_back_is_the_same_bytes(tmp_path: Path, raw: bytes) -> None:
    file = tmp_path / "a.py"
    file.write_bytes(raw)
    source = read_source(str(file), max_chars=PLENTY)
    write_in_place(source, source.text)
    assert file.read_bytes() == raw


def test_the_byte_order_mark_is_no_part_of_the_text(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_bytes(codecs.BOM_UTF8 + b"a")
    assert read_source(str(tmp_path / "a.py"), max_chars=PLENTY).text == "a"


def test_writing_keeps_the_mode_and_leaves_no_other_file(tmp_path: Path) -> None:
    file = tmp_path / "a.py"
    file.write_text("old")
    file.chmod(0o750)
    write_in_place(read_source(str(file), max_chars=PLENTY), "new")
    assert file.read_text() == "new"
    assert stat.S_IMODE(file.stat().st_mode) == 0o750
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("is_allowed", [True, False])
def test_writing_keeps_the_owner_where_that_is_allowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_allowed: bool
) -> None:
    file = tmp_path / "a.py"
    file.write_text("old")
    owners = []

    def chown(_file: Path, user: int, group: int) -> None:
        owners.append((user, group))
        if not is_allowed:
            raise PermissionError

    monkeypatch.setattr(os, "chown", chown)
    write_in_place(read_source(str(file), max_chars=PLENTY), "new")
    assert owners == [(file.stat().st_uid, file.stat().st_gid)]
    assert file.read_text() == "new"


def test_a_symbolic_link_stays_one(tmp_path: Path) -> None:
    target, link = tmp_path / "target.py", tmp_path / "link.py"
    target.write_text("old")
    link.symlink_to(target.name)
    write_in_place(read_source(str(link), max_chars=PLENTY), "new")
    assert link.is_symlink()
    assert target.read_text() == "new"


def test_a_file_that_changed_meanwhile_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "a.py"
    file.write_text("old")
    source = read_source(str(file), max_chars=PLENTY)
    file.write_text("edited by somebody else")
    with pytest.raises(UsageError, match="changed while"):
        write_in_place(source, "new")
    assert file.read_text() == "edited by somebody else"


def test_a_failed_write_leaves_the_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "a.py"
    file.write_text("old")
    source = read_source(str(file), max_chars=PLENTY)

    def no_space(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(UsageError, match="No space left on device"):
        write_in_place(source, "new")
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]


def test_a_write_protected_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "a.py"
    file.write_text("old")
    # The superuser may write to any file, whatever its mode, so the test replaces the answer instead.
    monkeypatch.setattr(os, "access", lambda _path, _mode: False)
    with pytest.raises(UsageError, match="Permission denied"):
        write_in_place(read_source(str(file), max_chars=PLENTY), "new")


def test_a_file_without_permission_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.py").write_text("old")

    def denied(*_args: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", denied)
    with pytest.raises(UsageError, match=r"Cannot read .*a\.py: Permission denied"):
        read_source(str(tmp_path / "a.py"), max_chars=PLENTY)


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.py")
    with pytest.raises(UsageError, match="not a regular file"):
        read_source(str(tmp_path / "pipe.py"), max_chars=PLENTY)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"a\0b", "is binary"),
        (codecs.BOM_UTF8 + b"a\n\xe9\n", r"is not UTF-8 \(byte 0xe9 in line 2\)"),
        (b"a" * (4 * PLENTY + 10), "more than 1000 characters"),
    ],
)
def test_what_is_no_source_text_is_refused(tmp_path: Path, raw: bytes, message: str) -> None:
    (tmp_path / "a.py").write_bytes(raw)
    with pytest.raises(UnreadableDocumentError, match=message):
        read_source(str(tmp_path / "a.py"), max_chars=PLENTY)


def test_no_setting_is_named_where_none_allows_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "large.py").write_text("a" * 20)
    monkeypatch.setattr("dlm_lsp.commands.sources.LARGEST_DOCUMENT_CHARS", 10)
    with pytest.raises(UnreadableDocumentError, match=r"has more than 10 characters\.$"):
        read_source(str(tmp_path / "large.py"), max_chars=10)
