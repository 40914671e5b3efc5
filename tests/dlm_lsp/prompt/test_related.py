"""Signatures of other files: their choice, order and share of the prompt; none of files that are excluded."""

from itertools import count
from pathlib import Path

import pytest

from dlm_lsp.documents.document import Snapshot
from dlm_lsp.documents.document_policy import DocumentPolicy
from dlm_lsp.hole_request import HoleRequest
from dlm_lsp.holes.cursor_holes import find_hole
from dlm_lsp.infilling import RELATED_SHARE, infill
from dlm_lsp.languages import language_for
from dlm_lsp.languages.cells import PYTHON_CELL
from dlm_lsp.options import Settings
from dlm_lsp.prompt.related import TIME_BOX_SECONDS, RelatedFiles
from dlm_model.decode_options import DecodeOptions
from dlm_model.request import CancelToken
from tests.dlm_lsp.scripted_engine import ScriptedEngine

STORE = (
    "class Store:\n    def find(\n        self, key: str\n    ) -> int:\n        def inner(): pass\n        return 1\n"
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "pkg").mkdir()
    (tmp_path / "pkg" / "__init__.py").write_text("def top(): pass\n")
    (tmp_path / "pkg" / "store.py").write_text(STORE)
    return tmp_path


def _snapshot(path: Path, text: str) -> Snapshot:
    return Snapshot.parse(path.as_uri(), language_for(path.name, None), text)


def _files(root: Path, *opened: Snapshot, settings: Settings | None = None) -> RelatedFiles:
    return RelatedFiles((root,), opened, settings or Settings(), DocumentPolicy([root]))


@pytest.mark.parametrize(
    "statement",
    ["import pkg.store", "import pkg.store as s", "from pkg.store import Store", "from pkg import store"],
)
def test_what_is_imported_comes_by_its_signatures(root: Path, statement: str) -> None:
    lines = _files(root).comments(_snapshot(root / "a.py", f"{statement}\nx = \n"))
    assert lines[-2:] == ("# store.py:\n", "# Store: def find( self, key: str ) -> int\n")


@pytest.mark.parametrize("statement", [f"import {'a' * 300}", "import pkg..store", "from . import (,)", "import a\0b"])
def test_an_import_that_names_no_file_is_passed_over(root: Path, statement: str) -> None:
    snapshot = _snapshot(root / "a.py", f"import pkg.store\n{statement}\nx = \n")
    assert "# store.py:\n" in _files(root).comments(snapshot)


def test_a_document_in_the_root_folder_imports_nothing_from_beside_it(root: Path) -> None:
    assert _files(root).comments(_snapshot(Path("/a.py"), "from . import (,)\nx = \n")) == ()


def test_a_folder_that_is_closed_to_us_is_passed_over(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    is_file = Path.is_file

    def is_allowed_file(path: Path) -> bool:
        if "closed" in path.parts:
            raise PermissionError(13, "Permission denied")
        return is_file(path)

    monkeypatch.setattr(Path, "is_file", is_allowed_file)
    snapshot = _snapshot(root / "a.py", "import closed.keys\nimport pkg.store\nx = \n")
    assert "# store.py:\n" in _files(root).comments(snapshot)


def test_imports_of_a_long_document_are_found_while_edits_wait_to_be_parsed(root: Path) -> None:
    path = root / "long.py"
    text = "import pkg.store\n\n\n" + "def f(a):\n    return a\n\n\n" * 3000
    snapshot = Snapshot.unparsed(path.as_uri(), language_for(path.name, None), text)
    assert snapshot.tree.root_node.child_count == 3001
    snapshot = snapshot.replaced(len(text), len(text), "x = ")
    assert _files(root).comments(snapshot)[0] == "# store.py:\n"


def test_signatures_of_a_long_document_keep_their_class_while_edits_wait_to_be_parsed(root: Path) -> None:
    text = "class Store:\n    def find(self): pass\n" + "x = 1\n" * 12_000
    snapshot = Snapshot.unparsed((root / "long.py").as_uri(), language_for("long.py", None), text)
    assert snapshot.tree.root_node.child_count == 12_001
    snapshot = snapshot.replaced(text.index("self"), text.index("self"), "a, ")
    lines = _files(root, snapshot).comments(_snapshot(root / "a.py", "x = \n"))
    assert lines == ("# long.py:\n", "# Store: def find(a, self)\n")


def test_of_several_projects_a_documents_own_comes_first(root: Path) -> None:
    other, text = root.parent / "other", "import pkg.store\nx = \n"
    (other / "pkg").mkdir(parents=True)
    (other / "pkg" / "store.py").write_text("def elsewhere(): pass\n")
    settings, roots = Settings(), [other, root]
    lines = RelatedFiles(tuple(roots), (), settings, DocumentPolicy(roots)).comments(_snapshot(root / "a.py", text))
    assert [name for line in lines for name in ("Store:", "elsewhere") if name in line] == ["Store:", "elsewhere"]


def test_open_files_of_other_projects_are_not_shown(root: Path) -> None:
    own, other = root / "own", root / "other"
    opened = [_snapshot(folder / f"{folder.name}.py", f"def {folder.name}(): pass\n") for folder in (own, other)]
    opened.append(_snapshot(Path("/usr/lib/library.py"), "def library(): pass\n"))
    policy = DocumentPolicy([own, other])
    files = RelatedFiles((own, other), tuple(opened), Settings(), policy)
    assert files.comments(_snapshot(own / "a.py", "x = \n")) == ("# own.py:\n", "# def own()\n")
    library = _snapshot(Path("/usr/lib/a.py"), "x = \n")
    assert files.comments(library) == ("# library.py:\n", "# def library()\n")


def test_relative_imports_begin_at_the_files_folder(root: Path) -> None:
    lines = _files(root).comments(_snapshot(root / "pkg" / "b.py", "from .store import Store\nfrom . import missing\n"))
    assert lines[0] == "# store.py:\n"


def test_open_files_of_the_same_language_come_after_imports(root: Path) -> None:
    opened = _snapshot(root / "near.py", "def near(): pass\n"), _snapshot(root / "far.rs", "fn far() {}\n")
    document = _snapshot(root / "a.py", "import pkg.store\n")
    lines = _files(root, *opened, document).comments(document)
    assert [line for line in lines if line.endswith(":\n")] == ["# store.py:\n", "# near.py:\n"]
    rust = _snapshot(root / "b.rs", "fn here() {}\n")
    assert _files(root, *opened, rust).comments(rust) == ("// far.rs:\n", "// fn far()\n")


def _cell(root: Path, number: int, text: str) -> Snapshot:
    notebook = (root / "other.ipynb").as_uri()
    return Snapshot.unparsed(f"vscode-notebook-cell:{notebook}#{number}", PYTHON_CELL, text, notebook=notebook)


def test_cells_that_are_for_another_program_are_not_shown(root: Path) -> None:
    cells = [_cell(root, 1, "%%writefile secret.py\ndef secret(): pass\n"), _cell(root, 2, "%%time\ndef f(): pass\n")]
    lines = _files(root, *cells).comments(_snapshot(root / "a.py", "x = \n"))
    assert lines == ("# other.ipynb:\n", "# def f()\n")


def test_signatures_stand_below_the_name_of_their_own_file(root: Path) -> None:
    near = _snapshot(root / "near.py", "def f(): pass\n")
    opened = _cell(root, 1, "def f(): pass\n"), near, _cell(root, 2, "def g(): pass\n")
    lines = _files(root, *opened).comments(_snapshot(root / "a.py", "x = \n"))
    assert lines == ("# other.ipynb:\n", "# def f()\n", "# def g()\n", "# near.py:\n", "# def f()\n")


def test_an_open_file_counts_as_the_editor_has_it(root: Path) -> None:
    opened = _snapshot(root / "pkg" / "store.py", "def new(): pass\n")
    lines = _files(root, opened).comments(_snapshot(root / "a.py", "import pkg.store\n"))
    assert lines == ("# store.py:\n", "# def new()\n")


@pytest.mark.parametrize("is_open", [False, True])
@pytest.mark.parametrize(
    "how", ["ignored", "broken ignore file", "excluded", "by its project", "a link to what is ignored", "too large"]
)
def test_what_is_to_be_left_alone_is(root: Path, how: str, is_open: bool) -> None:
    store, settings = root / "pkg" / "store.py", Settings()
    if how == "ignored":
        (root / ".gitignore").write_text("store.py\n")
    elif how == "broken ignore file":
        (root / ".gitignore").write_bytes(b"\xff")
    elif how == "excluded":
        settings = Settings(exclude=("store.py",))
    elif how == "by its project":
        (root / ".dlm-lsp.toml").write_text("exclude = ['store.py']\n")
    elif how == "a link to what is ignored":
        store.rename(root / "private.py")
        store.symlink_to(root / "private.py")
        (root / ".gitignore").write_text("private.py\n")
    else:
        store.write_text(STORE + "#" * 200_000)
    opened = [_snapshot(store, store.read_text())] if is_open else []
    lines = _files(root, *opened, settings=settings).comments(_snapshot(root / "a.py", "import pkg.store\n"))
    assert lines == ()


@pytest.mark.parametrize("how", ["outside", "not text"])
def test_what_would_be_read_from_elsewhere_or_is_no_text_is_not(
    root: Path, how: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    store = root / "pkg" / "store.py"
    if how == "outside":
        elsewhere = tmp_path_factory.mktemp("elsewhere") / "secret.py"
        elsewhere.write_text(STORE)
        store.unlink()
        store.symlink_to(elsewhere)
    else:
        store.write_bytes(b"\xff\xfe")
    assert _files(root).comments(_snapshot(root / "a.py", "import pkg.store\n")) == ()


@pytest.mark.parametrize("name", [".env.py", "store.py"])
def test_open_files_are_left_alone_too(root: Path, name: str) -> None:
    opened = _snapshot(root / "secrets" / name, "def key(): pass\n")
    assert _files(root, opened).comments(_snapshot(root / "a.py", "x = \n")) == ()


def test_after_the_time_box_no_further_file_is_read(root: Path) -> None:
    opened = [_snapshot(root / f"{number}.py", f"def f{number}(): pass\n") for number in range(20)]
    ticks = count()
    document = _snapshot(root / "a.py", "x = \n")
    lines = _files(root, *opened).comments(document, clock=lambda: next(ticks) * TIME_BOX_SECONDS / 4)
    assert 0 < len(lines) < 2 * 20
    assert lines == _files(root, *opened).comments(document, clock=lambda: 0.0)[: len(lines)]


def test_other_files_get_a_quarter_of_the_prompt_at_most(root: Path) -> None:
    engine, document = ScriptedEngine("1"), _snapshot(root / "a.py", "x = \n")
    related = [f"# word {number}\n" for number in range(100)]
    options, budget = DecodeOptions(), 100
    hole = find_hole(document, 4)
    list(infill(engine, HoleRequest(hole, options, max_prompt_tokens=budget, related=related), CancelToken()))
    [request] = engine.requests
    assert request.prefix.endswith("\nx = ")
    assert 0 < engine.count_tokens(request.prefix.removesuffix("x = ")) <= budget * RELATED_SHARE
    assert request.prefix.startswith("# word 0\n# word 1\n")
