"""Signatures from other files, for the prompt: files that the document imports, and files that are open.

Aider's repository map shows that signatures alone help a lot. Here they are few, in a fixed order, and found within a
time limit. Files that are excluded, ignored or secret are never shown. Open files of other projects are not shown
either. Runs on the worker's thread.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from time import perf_counter

from tree_sitter import Node

from dlm_lsp.documents.cells import NO_CELLS, Cells
from dlm_lsp.documents.document import Snapshot
from dlm_lsp.documents.document_policy import DocumentPolicy
from dlm_lsp.documents.document_store import path_of
from dlm_lsp.holes.definitions import ancestors
from dlm_lsp.holes.scopes import Function, functions_in
from dlm_lsp.languages import Language
from dlm_lsp.languages.cells import foreign_magic
from dlm_lsp.languages.python import PYTHON
from dlm_lsp.options import Settings

TIME_BOX_SECONDS = 0.03
"""How long related files are looked for while a fill waits for them."""

_MAX_FILE_BYTES = 200_000
_MAX_SIGNATURE_CHARS = 200


@dataclass(frozen=True)
class RelatedFiles:
    """Where related files of one session may be found.

    Attributes:
        roots: Workspace folders; imports are resolved inside them and nowhere else.
        open_snapshots: Every document that is open, the last one opened first.
        settings: What they exclude.
        policy: What else is left alone; for the worker's thread alone.
    """

    roots: tuple[Path, ...]
    open_snapshots: tuple[Snapshot, ...]
    settings: Settings
    policy: DocumentPolicy

    def comments(
        self, snapshot: Snapshot, cells: Cells = NO_CELLS, clock: Callable[[], float] = perf_counter
    ) -> tuple[str, ...]:
        """Signatures of related files as comment lines of the document's language, the most important first.

        Args:
            snapshot: The document that is filled.
            cells: The rest of its notebook, which may import files as well.
            clock: In seconds; after `TIME_BOX_SECONDS` no further file is read.
        """
        end = clock() + TIME_BOX_SECONDS
        found: dict[str, dict[str, None]] = {}  # cells of one notebook have one name, and so may files of two folders
        for name, other in self._others(snapshot, cells):
            if signatures := dict.fromkeys(_signatures(other)):
                found.setdefault(name, {}).update(signatures)
            if clock() > end:
                break
        lines = chain.from_iterable((f"{name}:", *signatures) for name, signatures in found.items())
        return tuple(f"{snapshot.language.line_comment} {line}\n" for line in lines)

    def _others(self, snapshot: Snapshot, cells: Cells) -> Iterator[tuple[str, Snapshot]]:
        """Imported files, then the project's open ones of the same language; each once, under its name."""
        seen = {snapshot.uri}
        opened = {other.uri: other for other in self.open_snapshots}
        for file in chain.from_iterable(map(self._imported_files, (*cells.before, snapshot, *cells.after))):
            uri = file.as_uri()
            if uri in seen:
                continue
            seen.add(uri)
            other = self._allowed(opened[uri]) if uri in opened else self._read(file, snapshot)
            if other:
                yield file.name, other
        for uri, other in opened.items():
            if uri not in seen and self._is_beside(snapshot, other) and self._allowed(other):
                yield Path(path_of(other.home) or uri).name, other

    def _is_beside(self, snapshot: Snapshot, other: Snapshot) -> bool:
        """Whether a document is of the same language and project, and is not the same file."""
        is_elsewhere = other.language.id == snapshot.language.id and other.home != snapshot.home
        if not is_elsewhere or foreign_magic(other.language, other.text):
            return False
        return self.policy.are_together(path_of(snapshot.home), path_of(other.home))

    def _imported_files(self, snapshot: Snapshot) -> Iterator[Path]:
        """Files of the workspace that a Python document imports; of other languages none are resolved."""
        path = path_of(snapshot.home)
        if snapshot.language.id != PYTHON.id or path is None:
            return
        # The document's own project first: a server may have many.
        roots = sorted(self.roots, key=lambda root: not Path(path).is_relative_to(root))
        for node in snapshot.top_level:
            if node.type in snapshot.language.imports:
                for level, parts in _modules(snapshot, node):
                    bases = (Path(path).parents[level - 1],) if 0 < level <= len(Path(path).parents) else roots
                    for base in bases:
                        yield from _existing(base.joinpath(*parts))

    def _read(self, file: Path, snapshot: Snapshot) -> Snapshot | None:
        """A file of the workspace, if it is certain that it may be read."""
        try:
            resolved = file.resolve(strict=True)
            is_inside = any(resolved.is_relative_to(root.resolve()) for root in self.roots)
            is_small = resolved.stat().st_size <= _MAX_FILE_BYTES
            if not (is_inside and is_small and self._may_enter(str(file), snapshot.language)):
                return None
            text = resolved.read_text(encoding="utf-8")
        except (OSError, ValueError):
            return None
        return Snapshot.unparsed(file.as_uri(), snapshot.language, text)

    def _allowed(self, opened: Snapshot) -> Snapshot | None:
        """An open document, if it may be shown to the model beside another one."""
        is_small = len(opened.text) <= _MAX_FILE_BYTES
        return opened if is_small and self._may_enter(path_of(opened.home), opened.language) else None

    def _may_enter(self, path: str | None, language: Language) -> bool:
        """Whether a file is left alone neither by its own name nor by the one that its symbolic links lead to."""
        return not any(self.policy.reason(name, language.id, 0, self.settings) for name in _names(path))


def take_within(lines: Sequence[str], budget: int, count_tokens: Callable[[str], int]) -> tuple[str, int]:
    """The first lines, as many as fit, and the tokens that they take."""
    kept, spent = [], 0
    for line in lines:
        cost = count_tokens(line)
        if spent + cost > budget:
            break
        kept.append(line)
        spent += cost
    return "".join(kept), spent


def _names(path: str | None) -> set[str | None]:
    names = {path}
    if path is not None:
        with suppress(OSError, RuntimeError, ValueError):  # a loop of links, or a name that no file can have
            names.add(str(Path(path).resolve()))
    return names


def _signatures(snapshot: Snapshot) -> Iterator[str]:
    for function in functions_in(snapshot.language, snapshot.tree.root_node):
        names = function.qualified_name(snapshot)
        if names and not _is_nested(function):
            signature = snapshot.text_between(function.node.start_byte, function.opened)
            outer = ".".join(names[:-1])
            line = " ".join(signature.rstrip(" {:=\r\n").split())
            yield (f"{outer}: {line}" if outer else line)[:_MAX_SIGNATURE_CHARS]


def _is_nested(function: Function) -> bool:
    return any(ancestors(function.node.parent, function.language.functions))


def _modules(snapshot: Snapshot, node: Node) -> Iterator[tuple[int, list[str]]]:
    """What a Python import names: how many folders up (0 is absolute), and the parts of the dotted name."""
    names = [name.child_by_field_name("name") or name for name in node.children_by_field_name("name")]
    module = node.child_by_field_name("module_name")
    if module is None:
        yield from ((0, snapshot.text_of(name).split(".")) for name in names)
        return
    dotted = snapshot.text_of(module)
    level = len(dotted) - len(dotted.lstrip("."))
    parts = [part for part in dotted[level:].split(".") if part]
    if parts:
        yield level, parts
    yield from ((level, [*parts, *snapshot.text_of(name).split(".")]) for name in names)


def _existing(module: Path) -> Iterator[Path]:
    yield from filter(_is_file, (module.parent / f"{module.name}.py", module / "__init__.py"))


def _is_file(file: Path) -> bool:
    try:
        return file.is_file()
    except OSError:  # in a folder that is closed to us, or under a name that is too long for any file
        return False
