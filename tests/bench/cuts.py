"""Holes cut into real files of any language: one statement of up to three lines out of functions.

In place of its lines there is a blank one, indented as they were, with the cursor in it: the document of somebody who
is about to write the statement. The same folders, number and seed give the same holes.
"""

import random
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import tree_sitter

from dlm_lsp.documents.document import Snapshot
from dlm_lsp.holes.cursor_holes import find_hole
from dlm_lsp.holes.hole import Hole
from dlm_lsp.holes.scopes import functions_in
from dlm_lsp.languages import LANGUAGES, Language

MAX_LINES = 3
INSTALLED = "site-packages"  # beside Python's own library, and partly trained on
FILE_CHARS = range(400, 60_000)

# Where sources of a language usually lie; folders that do not exist are left out.
USUAL_FOLDERS: dict[str, tuple[str, ...]] = {
    "python": (sysconfig.get_path("stdlib"),),
    "javascript": ("/usr/lib/node_modules", "/usr/local/lib/node_modules", "/usr/share/nodejs"),
    "typescript": ("/usr/lib/node_modules", "/usr/local/lib/node_modules", "/usr/share/nodejs"),
    "go": ("/usr/lib/go/src", "/usr/local/go/src"),
    "c": ("/usr/src", "/usr/include"),
    "cpp": ("/usr/include/c++",),
    "php": ("/usr/share/php",),
}


@dataclass(frozen=True, slots=True)
class Cut:
    """A hole in a real file, and the text that was cut out there."""

    name: str
    hole: Hole
    truth: str


def cut_holes(language: Language, folders: tuple[Path, ...], num_holes: int, seed: int = 0) -> list[Cut]:
    """At most one hole a file, in files that parse; fewer than asked for if there are too few of them."""
    draw = random.Random(seed)
    files = sorted(
        file
        for folder in folders
        for suffix in language.suffixes
        for file in folder.rglob(f"*{suffix}")
        if file.is_file() and INSTALLED not in file.relative_to(folder).parts
    )
    draw.shuffle(files)
    cuts: list[Cut] = []
    for file in files:
        if len(cuts) == num_holes:
            break
        cuts.extend(_cut(language, file, draw))
    return cuts


def usual_folders(language: Language) -> tuple[Path, ...]:
    """Existing folders that may hold sources of a language."""
    return tuple(folder for name in USUAL_FOLDERS.get(language.id, ()) if (folder := Path(name)).is_dir())


def language_named(name: str) -> Language:
    """A row of the language table.

    Raises:
        KeyError: there is none of that name.
    """
    return {language.id: language for language in LANGUAGES}[name]


def _cut(language: Language, file: Path, draw: random.Random) -> list[Cut]:
    try:
        text = file.read_text(encoding="utf-8")
    except (UnicodeDecodeError, OSError):
        return []
    if len(text) not in FILE_CHARS or "\r" in text:
        return []
    snapshot = Snapshot.parse(file.as_uri(), language, text)
    statements = [] if snapshot.tree.root_node.has_error else list(_statements(snapshot))
    if not statements:
        return []
    node = draw.choice(statements)
    start, end = snapshot.to_offset(node.start_byte), snapshot.to_offset(node.end_byte)
    left = Snapshot.parse(file.as_uri(), language, text[:start] + text[end:])
    return [Cut(file.name, find_hole(left, start), text[start:end])]


def _statements(snapshot: Snapshot) -> Iterator[tree_sitter.Node]:
    """Statements of functions that share their lines with nothing else, and have few of them."""
    for function in functions_in(snapshot.language, snapshot.tree.root_node):
        for node in function.statements:
            first, last = node.start_point.row, node.end_point.row
            line = snapshot.text[snapshot.lines.line_start(first) : snapshot.lines.line_end(last)]
            statement = snapshot.text[snapshot.to_offset(node.start_byte) : snapshot.to_offset(node.end_byte)]
            if line.strip() == statement and last - first < MAX_LINES:
                yield node
