"""Notebooks over the protocol: a cell is filled as a document that stands among the others of its notebook."""

from pathlib import Path

import pytest
from lsprotocol import types

from tests.dlm_lsp.handlers.conftest import Connect
from tests.dlm_lsp.handlers.keystrokes import IMMEDIATE, INVOKED
from tests.dlm_lsp.scripted_engine import ScriptedEngine
from tests.editor_client import CAPABILITIES, URI, EditorClient

NOTEBOOK = "file:///project/analysis.ipynb"
WITH_NOTEBOOKS = types.ClientCapabilities(
    general=CAPABILITIES.general,
    text_document=CAPABILITIES.text_document,
    notebook_document=types.NotebookDocumentClientCapabilities(types.NotebookDocumentSyncClientCapabilities()),
)
RADIUS = "radius = 2"
AREA = "area = "


class _Notebook:
    """One in an editor. Cell `n` is `vscode-notebook-cell:…#Wn`, as VS Code has it."""

    def __init__(self, editor: EditorClient, uri: str = NOTEBOOK) -> None:
        self._editor, self.uri = editor, uri
        self._identifier = types.VersionedNotebookDocumentIdentifier(2, uri)

    def cell(self, number: int) -> str:
        return f"vscode-notebook-cell:{self.uri.removeprefix('file://')}#W{number}sZmlsZQ%3D%3D"

    def open(self, *texts: str, language_ids: dict[int, str] | None = None) -> None:
        named = language_ids or {}
        items = [self._item(number, text, named.get(number, "python")) for number, text in enumerate(texts)]
        notebook = types.NotebookDocument(self.uri, "jupyter-notebook", 1, self._cells(*range(len(texts))))
        self._editor.notebook_document_did_open(types.DidOpenNotebookDocumentParams(notebook, items))

    def type(self, number: int, line: int, character: int, text: str) -> None:
        at = types.Position(line, character)
        self.edit(number, types.TextDocumentContentChangePartial(types.Range(at, at), text), version=2)

    def edit(self, number: int, edit: types.TextDocumentContentChangeEvent, version: int) -> None:
        cell = types.VersionedTextDocumentIdentifier(version, self.cell(number))
        self._change(
            types.NotebookDocumentCellChanges(text_content=[types.NotebookDocumentCellContentChanges(cell, [edit])])
        )

    def put(
        self,
        start: int,
        num_removed: int,
        *numbers: int,
        opened: dict[int, str] | None = None,
        closed: tuple[int, ...] = (),
    ) -> None:
        self._change(
            types.NotebookDocumentCellChanges(
                structure=types.NotebookDocumentCellChangeStructure(
                    types.NotebookCellArrayChange(start, num_removed, self._cells(*numbers)),
                    [self._item(number, text, "python") for number, text in (opened or {}).items()],
                    [types.TextDocumentIdentifier(self.cell(number)) for number in closed],
                )
            )
        )

    def run(self, number: int) -> None:
        summary = types.ExecutionSummary(1, success=True)
        cell = types.NotebookCell(types.NotebookCellKind.Code, self.cell(number), execution_summary=summary)
        self._change(types.NotebookDocumentCellChanges(data=[cell]))

    def close(self) -> None:
        params = types.DidCloseNotebookDocumentParams(types.NotebookDocumentIdentifier(self.uri), [])
        self._editor.notebook_document_did_close(params)

    async def complete(self, number: int, line: int, character: int) -> list[types.InlineCompletionItem]:
        return await self._editor.complete(line, character, uri=self.cell(number), trigger=INVOKED)

    def _change(self, cells: types.NotebookDocumentCellChanges) -> None:
        change = types.NotebookDocumentChangeEvent(cells=cells)
        self._editor.notebook_document_did_change(types.DidChangeNotebookDocumentParams(self._identifier, change))

    def _cells(self, *numbers: int) -> list[types.NotebookCell]:
        return [types.NotebookCell(types.NotebookCellKind.Code, self.cell(number)) for number in numbers]

    def _item(self, number: int, text: str, language_id: str) -> types.TextDocumentItem:
        return types.TextDocumentItem(self.cell(number), language_id, 1, text)


@pytest.fixture
def engine() -> ScriptedEngine:
    return ScriptedEngine("3 * radius")


async def _notebook(connect: Connect, engine: ScriptedEngine, *texts: str, uri: str = NOTEBOOK) -> _Notebook:
    editor = connect(lambda _settings: engine)
    await editor.start(WITH_NOTEBOOKS, options=IMMEDIATE)
    notebook = _Notebook(editor, uri)
    notebook.open(*texts)
    return notebook


async def test_editors_that_can_are_asked_for_notebooks_of_any_kind_and_others_are_not(connect: Connect) -> None:
    results = [await connect(lambda _: ScriptedEngine()).start(each) for each in (WITH_NOTEBOOKS, CAPABILITIES)]
    with_notebooks, without = (result.capabilities.notebook_document_sync for result in results)
    assert with_notebooks
    assert [each.notebook for each in with_notebooks.notebook_selector] == ["*"]
    assert without is None


async def test_a_cell_is_filled_by_what_stands_in_the_others(connect: Connect, engine: ScriptedEngine) -> None:
    notebook = await _notebook(connect, engine, "%matplotlib inline", RADIUS, AREA, "print(area)")
    [item] = await notebook.complete(2, 0, 7)
    assert item.insert_text == f"{AREA}3 * radius"
    [request] = engine.requests
    assert (request.prefix, request.suffix) == (f"%matplotlib inline\n\n{RADIUS}\n\n{AREA}", "\n\nprint(area)")
    assert request.document == notebook.cell(2)


async def test_an_empty_cell_is_filled_below_others_and_not_alone(connect: Connect, engine: ScriptedEngine) -> None:
    notebook = await _notebook(connect, engine, RADIUS, "")
    assert await notebook.complete(1, 0, 0)
    assert engine.requests[0].prefix == f"{RADIUS}\n\n"
    alone = await _notebook(connect, engine, "", " \n")
    assert await alone.complete(0, 0, 0) == []


async def test_drafts_name_the_cell(connect: Connect, engine: ScriptedEngine) -> None:
    editor = connect(lambda _settings: engine)
    await editor.start(WITH_NOTEBOOKS, options=IMMEDIATE)
    notebook = _Notebook(editor)
    notebook.open(RADIUS, AREA)
    await notebook.complete(1, 0, 7)
    await editor.until(lambda: bool(editor.drafts))
    assert {draft.uri for draft in editor.drafts} == {notebook.cell(1)}


@pytest.mark.parametrize("uri", [NOTEBOOK, "file:///project/analysis.py"])
async def test_cells_of_other_languages_and_those_for_other_programs_are_not_in_it(
    connect: Connect, engine: ScriptedEngine, uri: str
) -> None:
    """Whatever the notebook is saved as."""
    editor = connect(lambda _settings: engine)
    await editor.start(WITH_NOTEBOOKS, options=IMMEDIATE)
    notebook = _Notebook(editor, uri)
    notebook.open("# Area", "%%bash\nls", "fn f() {}", "", RADIUS, AREA, language_ids={0: "markdown", 2: "rust"})
    await notebook.complete(5, 0, 7)
    assert engine.requests[0].prefix == f"{RADIUS}\n\n{AREA}"
    assert await notebook.complete(1, 1, 2) == []
    assert "%%bash" in (await editor.status("inactive")).message
    assert await notebook.complete(0, 0, 6) == []
    assert "No grammar for markdown" in (await editor.status("inactive")).message


async def test_edits_of_cells_are_followed(connect: Connect, engine: ScriptedEngine) -> None:
    notebook = await _notebook(connect, engine, RADIUS, "area")
    notebook.type(0, 0, 10, "0")
    notebook.type(1, 0, 4, " = ")
    notebook.run(0)
    await notebook.complete(1, 0, 7)
    assert engine.requests[0].prefix == f"{RADIUS}0\n\n{AREA}"


async def test_cells_come_go_and_move(connect: Connect, engine: ScriptedEngine) -> None:
    notebook = await _notebook(connect, engine, RADIUS, AREA)
    notebook.put(1, 0, 2, opened={2: "pi = 3"})
    await notebook.complete(1, 0, 7)
    notebook.put(0, 2, 2, 0)  # the same two, the other way round
    await notebook.complete(1, 0, 7)
    notebook.put(0, 1, closed=(2,))
    await notebook.complete(1, 0, 7)
    prefixes = [request.prefix.removesuffix(AREA).split() for request in engine.requests]
    pi = ["pi", "=", "3"]
    assert prefixes == [[*RADIUS.split(), *pi], [*pi, *RADIUS.split()], RADIUS.split()]


async def test_a_fill_holds_until_another_cell_changes(connect: Connect, engine: ScriptedEngine) -> None:
    notebook = await _notebook(connect, engine, RADIUS, AREA)
    for _ in range(2):
        assert await notebook.complete(1, 0, 7)
    notebook.run(0)
    assert await notebook.complete(1, 0, 7)
    assert len(engine.requests) == 1
    notebook.type(1, 0, 7, "3")
    [item] = await notebook.complete(1, 0, 8)
    assert item.insert_text.endswith(" * radius")
    assert len(engine.requests) == 1
    notebook.type(0, 0, 10, "0")
    assert await notebook.complete(1, 0, 8)
    assert len(engine.requests) == 2


async def test_a_closed_notebook_is_forgotten_with_its_cells(connect: Connect, engine: ScriptedEngine) -> None:
    editor = connect(lambda _settings: engine)
    await editor.start(WITH_NOTEBOOKS, options=IMMEDIATE)
    notebook = _Notebook(editor)
    notebook.open(RADIUS, AREA)
    await notebook.complete(1, 0, 7)
    notebook.close()
    assert await notebook.complete(1, 0, 7) == []
    assert "is not open" in (await editor.status("inactive")).message
    notebook.open(AREA)
    await notebook.complete(0, 0, 7)
    assert engine.requests[1].prefix == AREA
    assert engine.forgotten == [notebook.cell(0), notebook.cell(1)]


@pytest.mark.parametrize("how", ["ignored", "excluded by its project", "secret"])
async def test_what_is_said_of_a_notebooks_file_is_said_of_its_cells(
    connect: Connect, engine: ScriptedEngine, tmp_path: Path, how: str
) -> None:
    (tmp_path / ".git").mkdir()
    name = "a.ipynb"
    if how == "ignored":
        (tmp_path / ".gitignore").write_text("*.ipynb\n")
    elif how == "excluded by its project":
        (tmp_path / ".dlm-lsp.toml").write_text("exclude = ['a.ipynb']\n")
    else:
        name = ".env.ipynb"
    notebook = await _notebook(connect, engine, RADIUS, AREA, uri=(tmp_path / name).as_uri())
    assert await notebook.complete(1, 0, 7) == []
    assert engine.requests == []
    beside = await _notebook(connect, engine, RADIUS, AREA, uri=(tmp_path.parent / "a.ipynb").as_uri())
    assert await beside.complete(1, 0, 7)


async def test_a_cell_that_grew_too_large_is_taken_in_again_as_a_cell(
    connect: Connect, engine: ScriptedEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dlm_lsp.documents.document_store.LARGEST_DOCUMENT_CHARS", 12)
    notebook = await _notebook(connect, engine, RADIUS, AREA)
    notebook.type(1, 0, 0, "x" * 12)
    assert await notebook.complete(1, 0, 7) == []
    notebook.edit(1, types.TextDocumentContentChangeWholeDocument(AREA), version=3)
    assert await notebook.complete(1, 0, 7)
    assert engine.requests[0].prefix == f"{RADIUS}\n\n{AREA}"


async def test_a_file_sees_the_functions_of_a_notebook_beside_it_and_a_cell_those_of_what_any_cell_imports(
    connect: Connect, engine: ScriptedEngine, tmp_path: Path
) -> None:
    (tmp_path / "store.py").write_text("def find(key): pass\n")
    editor = connect(lambda _settings: engine)
    await editor.start(WITH_NOTEBOOKS, options=IMMEDIATE, root_uri=tmp_path.as_uri())
    notebook = _Notebook(editor, (tmp_path / "a.ipynb").as_uri())
    notebook.open("import store\ndef double(x): return 2 * x", AREA)
    await notebook.complete(1, 0, 7)
    file = (tmp_path / "b.py").as_uri()
    editor.open(AREA, uri=file)
    await editor.complete(0, 7, uri=file)
    of_cell, of_file = (request.prefix for request in engine.requests)
    assert of_cell.startswith("# store.py:\n# def find(key)\nimport store\n")
    assert of_file == f"# a.ipynb:\n# def double(x)\n{AREA}"


async def test_what_cannot_be_is_no_error(connect: Connect, engine: ScriptedEngine) -> None:
    """Changes of a notebook that is not open, and of a cell that is none."""
    editor = connect(lambda _settings: engine)
    await editor.start(WITH_NOTEBOOKS, options=IMMEDIATE)
    notebook = _Notebook(editor)
    notebook.put(0, 0, 1)
    notebook.type(7, 0, 0, "x")
    notebook.close()
    editor.open(AREA)
    assert await editor.complete(0, 7, uri=URI, trigger=INVOKED)
    assert editor.popups == []
    assert [status for status in editor.statuses if status.state == "error"] == []
