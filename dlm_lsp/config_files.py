"""Options from TOML files: the user's own, and what a project is trusted to say. Every problem names file and line.

Knows nothing of what an option means; see `options`.
"""

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import platformdirs

from dlm_lsp.options import PROJECT_OPTION_NAMES, SETTING_NAMES, ClientOptions, ParsedOptions, parse_options

PROJECT_FILE = ".dlm-lsp.toml"
_TOOL_TABLE = ("tool", "dlm-lsp")
_TOOL_LINE = re.compile(r"""^\s*(?:\[?\s*tool\s*\.\s*)?(["']?)dlm-lsp\1\s*[].=]""", re.MULTILINE)
_MAX_FILE_BYTES = 1_000_000


def user_config_path() -> Path:
    """Where the user's own options are read from, whether the file exists or not."""
    return Path(platformdirs.user_config_dir("dlm-lsp", appauthor=False)) / "config.toml"


def read_user_config() -> ParsedOptions:
    """The user's own options, which may set anything."""
    return _read(user_config_path(), table=(), allowed=SETTING_NAMES)


def project_config_path(root: Path) -> Path:
    """Where a project's own options are: `.dlm-lsp.toml`, or else its pyproject.toml, whether that exists or not."""
    own_file = root / PROJECT_FILE
    try:
        is_there = own_file.is_file()
    except OSError:  # in a folder that is closed to us: reading it says why
        is_there = True
    return own_file if is_there else root / "pyproject.toml"


def read_project_config(root: Path) -> ParsedOptions:
    """A project's own options; in a pyproject.toml, the table `[tool.dlm-lsp]`.

    A project may come from anybody, so it may switch completions off but never on, and cannot name a model. If its file
    cannot be read, or an option has an invalid value, what it wants left alone is unknown, and everything is. An
    unknown option, or one that a project may not set, is only reported.
    """
    path = project_config_path(root)
    table = () if path.name == PROJECT_FILE else _TOOL_TABLE
    parsed = _read(path, table=table, allowed=PROJECT_OPTION_NAMES, unreadable={"enabled": False})
    if parsed.options.get("enabled"):
        return parsed._replace(options={name: value for name, value in parsed.options.items() if name != "enabled"})
    return parsed


class _Source(NamedTuple):
    text: str
    problem: str | None


def _read(
    path: Path, *, table: tuple[str, ...], allowed: frozenset[str], unreadable: ClientOptions = MappingProxyType({})
) -> ParsedOptions:
    """The options in a table of a file; `unreadable` if the table cannot be read and the file is ours or has it."""
    source = _load(path)
    is_ours = not table or _TOOL_LINE.search(source.text) is not None
    if source.problem:
        return ParsedOptions(dict(unreadable) if is_ours else {}, (source.problem,))
    try:
        content: object = tomllib.loads(source.text)
    except tomllib.TOMLDecodeError as error:
        return ParsedOptions(dict(unreadable) if is_ours else {}, (_syntax_problem(path, error),))
    for key in table:
        content = content.get(key) if isinstance(content, Mapping) else None

    def located(spelling: str) -> str:
        return f"{path}:{_line_of(spelling, source.text, table)}: {spelling}"

    parsed = parse_options(content, allowed=allowed, shown=located)
    return parsed._replace(options={**parsed.options, **unreadable}) if parsed.has_invalid_value else parsed


def _load(path: Path) -> _Source:
    try:
        if path.stat().st_size > _MAX_FILE_BYTES:
            return _Source("", f"{path}: larger than {_MAX_FILE_BYTES} bytes")
        content = path.read_bytes()
    except FileNotFoundError:
        return _Source("", None)
    except OSError as error:
        return _Source("", f"{path}: {error.strerror or error}")
    try:
        return _Source(content.decode(), None)
    except UnicodeDecodeError:
        return _Source(content.decode(errors="replace"), f"{path}: not UTF-8 text")


def _syntax_problem(path: Path, error: tomllib.TOMLDecodeError) -> str:
    """The error, with its line in front as in every other problem; tomllib names no line at the end of a document."""
    line = re.search(r"\(at line (\d+)", str(error))
    place = f"{path}:{line[1]}" if line else path
    return f"{place}: this is not TOML: {error}"


def _line_of(key: str, text: str, table: tuple[str, ...]) -> int:
    """The 1-based line that sets an option, or opens a table of that name; the table's own where there is none."""
    within, first = "", 0
    if table:
        within = rf"(?:\[?\s*(?:tool\s*\.\s*)?{_key(table[-1], 'outer')}\s*\.\s*)?"
        header = _TOOL_LINE.search(text)
        first = text.count("\n", 0, header.end()) if header else 0
    sets_key = re.compile(rf"\s*{within}\[*\s*{_key(key, 'inner')}\s*[].=]")
    for number, line in enumerate(text.split("\n")[first:], start=first + 1):
        if sets_key.match(line):
            return number
    return first + 1


def _key(name: str, group: str) -> str:
    """A regular expression for a TOML key, with or without quotes."""
    return rf"""(?P<{group}>["']?){re.escape(name)}(?P={group})"""
