"""Errors of the daemon and the command line: one sentence, an exit code, and an LSP error code each."""

from typing import ClassVar

INTERRUPTED_EXIT_CODE = 130
"""The exit code that a shell expects of a process ended by Ctrl-C."""


class DlmLspError(Exception):
    """The base; `str()` is one sentence fit for the user.

    Attributes:
        exit_code: What the command line exits with (0 ok, 1 nothing to show, 2 usage, 3 model or device).
        lsp_code: JSON-RPC error code when it ends a request.
    """

    exit_code: ClassVar[int] = 2
    lsp_code: ClassVar[int] = -32602  # InvalidParams


class UsageError(DlmLspError):
    """The caller named a file, position, option or setting that does not exist."""


class DocumentNotOpenError(DlmLspError):
    """The editor asked about a document that it did not open."""


class UnsupportedLanguageError(DlmLspError):
    """No grammar for this kind of file."""


class UnreadableDocumentError(DlmLspError):
    """Binary, not UTF-8, too large, or excluded from prompts."""


class ModelUnavailableError(DlmLspError):
    """The model could not be loaded, or the device is missing."""

    exit_code = 3
    lsp_code = -32803  # RequestFailed


class NothingToShowError(DlmLspError):
    """The model has nothing for this hole."""

    exit_code = 1
    lsp_code = -32803
