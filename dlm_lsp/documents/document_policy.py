"""Which documents of a session may be read into a prompt, by the settings and by each document's project.

A project is the workspace folders and the repository that contain a document. Its options and ignore files can only
exclude, and only its own documents. No setting can undo that.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from dlm_lsp.config_files import project_config_path, read_project_config
from dlm_lsp.documents.exclusions import exclusion_reason
from dlm_lsp.documents.ignore_rules import IgnoreRules
from dlm_lsp.options import Settings, resolve


class _ProjectOptions(NamedTuple):
    """What a root's file said when it was last read.

    Attributes:
        file: The file that was read.
        stamp: Its modification time and size; None if there is no file.
        settings: The defaults, but for what the file wants left alone.
    """

    file: Path
    stamp: tuple[int, int] | None
    settings: Settings


class DocumentPolicy:
    """The documents that the projects of a session exclude, read again when their files change. For one thread."""

    def __init__(
        self, roots: Iterable[Path] = (), report: Callable[[Iterable[str]], object] = lambda _problems: None
    ) -> None:
        """Read the options of the workspace folders, so that mistakes in them are reported at once.

        Args:
            roots: Workspace folders. A file outside of all belongs to the repository around it, or to its own folder.
            report: Takes the mistakes in options, whenever some are read.
        """
        self._roots = tuple(root.absolute() for root in roots)
        self._ignore_rules = IgnoreRules()
        self._report = report
        self._options: dict[Path, _ProjectOptions] = {}
        for root in self._roots:
            self._options_of(root)

    @property
    def is_all_off(self) -> bool:
        """Whether there are workspace folders, and each switches completions off."""
        return bool(self._roots) and not any(self._options_of(root).settings.enabled for root in self._roots)

    def reason(self, path: str | None, language_id: str, num_chars: int, settings: Settings) -> str | None:
        """Why this document is kept out of prompts; None if it is not.

        Args:
            path: Of the file; None for a document that is none, which may be of any workspace folder.
            language_id: As `languages` names it.
            num_chars: Length of the document.
            settings: In force now.
        """
        if reason := exclusion_reason(path, language_id, num_chars, settings):
            return reason
        folders = self._folders(path)
        reason = self._reason_by_options(path, language_id, folders)
        if reason or path is None:
            return reason
        return self._ignore_rules.reason(Path(path).absolute(), folders[-1])

    def are_together(self, path: str | None, other: str | None) -> bool:
        """Whether two documents are of one project; one that is no file may be of any workspace folder.

        Two documents that are no files are of one project, with or without workspace folders.
        """
        return path == other or not set(self._folders(path)).isdisjoint(self._folders(other))

    def _folders(self, path: str | None) -> Sequence[Path]:
        return self._roots if path is None else _roots_above(Path(path).absolute(), self._roots)

    def _reason_by_options(self, path: str | None, language_id: str, folders: Iterable[Path]) -> str | None:
        for root in folders:
            options = self._options_of(root)
            if reason := exclusion_reason(path, language_id, 0, options.settings):
                return f"{reason}, by {options.file}"
        return None

    def _options_of(self, root: Path) -> _ProjectOptions:
        file = project_config_path(root)
        stamp = _stamp(file)
        known = self._options.get(root)
        if known is None or (known.file, known.stamp) != (file, stamp):
            parsed = read_project_config(root)
            self._report(parsed.problems)
            known = self._options[root] = _ProjectOptions(file, stamp, resolve(parsed.options))
        return known


def _roots_above(file: Path, roots: Collection[Path]) -> list[Path]:
    """The workspace folders and the repository that a file lies in, the innermost first, or else its own folder."""
    repository = next(filter(_is_repository, file.parents), None)
    return [folder for folder in file.parents if folder in roots or folder == repository] or [file.parent]


def _is_repository(folder: Path) -> bool:
    try:
        return (folder / ".git").exists()
    except OSError:  # in a folder that is closed to us, whose ignore files cannot be read either
        return False


def _stamp(file: Path) -> tuple[int, int] | None:
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size
