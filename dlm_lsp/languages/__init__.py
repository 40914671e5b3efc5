"""The languages whose documents can be filled, and how to tell which one a document is in."""

import re
from pathlib import PurePath

from dlm_lsp.errors import UnsupportedLanguageError
from dlm_lsp.languages.braces import CPP, GO, JAVA, JAVASCRIPT, RUST, TSX, TYPESCRIPT, C
from dlm_lsp.languages.language import Language
from dlm_lsp.languages.more_braces import CSHARP, KOTLIN, PHP, SCALA, SWIFT
from dlm_lsp.languages.others import OTHERS
from dlm_lsp.languages.python import PYTHON

__all__ = ["LANGUAGES", "Language", "language_for"]

LANGUAGES: tuple[Language, ...] = (
    *(PYTHON, JAVASCRIPT, TYPESCRIPT, TSX, GO, RUST, JAVA, C, CPP),
    *(CSHARP, KOTLIN, PHP, SCALA, SWIFT, *OTHERS),
)

_BY_ID = {lsp_id: language for language in LANGUAGES for lsp_id in language.lsp_ids}
_BY_SUFFIX = {suffix: language for language in LANGUAGES for suffix in language.suffixes}
_BY_NAME = {name: language for language in LANGUAGES for name in language.file_names}
_BY_INTERPRETER = {name: language for language in LANGUAGES for name in language.interpreters}

_INTERPRETER = re.compile(r"#!\s*\S*?(?:\benv\s+(?:-S\s+)?\S*?)?([a-z]+)[\d.]*(?=\s|\Z)")
"""Matches the first line of a script, with the name of what runs it, whatever its folder and version."""


def language_for(path: str | None, language_id: str | None, text: str = "") -> Language:
    """The language that an editor names, or else the one that the file's name, suffix or first line stands for.

    Args:
        path: File name or path; the folder means nothing.
        language_id: What LSP calls `languageId`.
        text: Of the file; a script may begin with the name of its interpreter.

    Raises:
        UnsupportedLanguageError: neither is known.
    """
    file = PurePath(path or "")
    language = _BY_ID.get(language_id or "") or _BY_NAME.get(file.name) or _BY_SUFFIX.get(file.suffix.lower())
    if language is None and not file.suffix and (interpreter := _INTERPRETER.match(text)):
        language = _BY_INTERPRETER.get(interpreter[1])
    if language is None:
        name = language_id or file.suffix or file.name or "this kind of file"
        known = ", ".join(language.id for language in LANGUAGES)
        raise UnsupportedLanguageError(f"No grammar for {name}; dlm-lsp fills {known}.")
    return language
