"""Several projects in one session: the file of each applies to its own documents, also when it changes or goes."""

import errno
import os
from pathlib import Path

import pytest
from lsprotocol import types

from tests.dlm_lsp.handlers.conftest import Connect
from tests.dlm_lsp.handlers.keystrokes import EMPTY_BODY
from tests.dlm_lsp.scripted_engine import ScriptedEngine
from tests.editor_client import EditorClient


@pytest.fixture
def on(tmp_path: Path) -> Path:
    folder = tmp_path / "on"
    folder.mkdir()
    return folder


@pytest.fixture
def off(tmp_path: Path) -> Path:
    folder = tmp_path / "off"
    folder.mkdir()
    (folder / ".dlm-lsp.toml").write_text("enabled = false\n")
    return folder


def _folder(path: Path) -> types.WorkspaceFolder:
    return types.WorkspaceFolder(path.as_uri(), path.name)


def _change_folders(editor: EditorClient, *, added: tuple[Path, ...] = (), removed: tuple[Path, ...] = ()) -> None:
    event = types.WorkspaceFoldersChangeEvent([*map(_folder, added)], [*map(_folder, removed)])
    editor.workspace_did_change_workspace_folders(types.DidChangeWorkspaceFoldersParams(event))


async def _is_filled(editor: EditorClient, folder: Path) -> bool:
    uri = (folder / "a.py").as_uri()
    editor.open(EMPTY_BODY, uri=uri)
    items = await editor.complete(1, 4, uri=uri)
    editor.close(uri)
    return bool(items)


async def test_one_that_is_off_silences_no_other_and_is_named(
    connect: Connect, engine: ScriptedEngine, on: Path, off: Path
) -> None:
    editor = connect(lambda _settings: engine)
    await editor.start(workspace_folders=[_folder(on), _folder(off)])
    assert await _is_filled(editor, on)
    assert not await _is_filled(editor, off)
    assert str(off / ".dlm-lsp.toml") in (await editor.status("inactive")).message


async def test_a_buffer_without_a_name_belongs_to_the_projects_not_to_the_folder_of_the_server(
    connect: Connect, engine: ScriptedEngine, on: Path, off: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(on)
    editor = connect(lambda _settings: engine)
    await editor.start(workspace_folders=[_folder(on), _folder(off)])
    editor.open(EMPTY_BODY, uri="file://")
    assert await editor.complete(1, 4, uri="file://") == []
    assert str(off / ".dlm-lsp.toml") in (await editor.status("inactive")).message


async def test_folders_come_and_go(connect: Connect, engine: ScriptedEngine, on: Path, off: Path) -> None:
    editor = connect(lambda _settings: engine)
    await editor.start(workspace_folders=[_folder(on)])
    inner = off / "src"
    inner.mkdir()
    assert await _is_filled(editor, inner)
    _change_folders(editor, added=(off,))
    assert not await _is_filled(editor, inner)
    _change_folders(editor, removed=(off,))
    assert await _is_filled(editor, inner)
    assert await _is_filled(editor, on)
    assert editor.popups == []


async def test_changes_to_an_open_projects_options_count_and_mistakes_are_reported(
    connect: Connect, engine: ScriptedEngine, on: Path
) -> None:
    editor = connect(lambda _settings: engine)
    await editor.start(root_uri=on.as_uri())
    assert await _is_filled(editor, on)
    (on / ".dlm-lsp.toml").write_text("exclude = ['a.py']\nmodel = '/tmp/evil'\n")
    assert not await _is_filled(editor, on)
    [message] = editor.log_messages
    assert message == f"options ignored: {on / '.dlm-lsp.toml'}:2: model cannot be set here"


async def test_no_model_is_preloaded_for_projects_that_are_off(connect: Connect, off: Path, on: Path) -> None:
    loads: list[object] = []
    editor = connect(lambda settings: loads.append(settings) or ScriptedEngine("return 1"))
    await editor.start(options={"preload": True}, workspace_folders=[_folder(off)])
    assert not await _is_filled(editor, off)
    assert loads == []
    assert await _is_filled(editor, on)
    assert len(loads) == 1


async def test_one_that_cannot_be_looked_into_is_told_and_silences_no_other(
    connect: Connect, engine: ScriptedEngine, on: Path, tmp_path: Path
) -> None:
    """A name that is too long fails as an unreadable folder does, which a test that runs as root cannot make."""
    closed = tmp_path / ("long" * 100)
    editor = connect(lambda _settings: engine)
    await editor.start(workspace_folders=[_folder(on), _folder(closed)])
    assert os.strerror(errno.ENAMETOOLONG) in (await editor.status("warning")).message
    assert await _is_filled(editor, on)
    assert not await _is_filled(editor, closed)
    assert "internal error" not in editor.statuses[-1].message
