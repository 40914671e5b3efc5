"""Which documents never reach a prompt, and the sentence that says why.

Covered are files whose names suggest secrets, the user's own patterns, languages that are switched off, and large
files. A file is judged by the name it is called by, and by the one it has once symbolic links are resolved. Secrets
inside ordinary source files are not covered.
"""

import os
from collections.abc import Iterator
from contextlib import suppress
from fnmatch import fnmatchcase
from pathlib import Path, PurePath

from dlm_lsp.languages import LANGUAGES
from dlm_lsp.options import Settings

SECRET_PATTERNS = (
    *(".env", ".env.*", "*.env", ".envrc", ".netrc", "_netrc", ".npmrc", ".pypirc", ".htpasswd", ".git-credentials"),
    *("*.key", "*.pem", "*.p12", "*.pfx", "*.jks", "*.keystore", "*.kdbx", "*.gpg", "*.asc"),
    *("id_rsa", "id_dsa", "id_ecdsa", "id_ed25519", ".ssh/*", ".gnupg/*", ".aws/*", ".kube/*", ".docker/config.json"),
    *("credentials", "*.credentials", "*credential*.json", "*credential*.toml", "*credential*.y*ml", "secrets/*"),
    *("*secret*.json", "*secret*.toml", "*secret*.y*ml", "*service[-_]account*.json", "kubeconfig*", "gh/hosts.y*ml"),
    *("auth.json", "local.settings.json", "appsettings.*.json"),
)
"""Code about secrets is code, and so is what a shell reads when it starts; data that is named so holds them.

`auth.json` is where Composer and others keep their tokens. Of the settings of .NET, those of one environment or machine
hold passwords; `appsettings.json` is what all share.

Names are matched at any depth and in any case; a pattern with a slash also asks for the folder.
"""

_LANGUAGES = {name: language.id for language in LANGUAGES for name in (language.id, *language.lsp_ids)}
"""By their names here and in editors: `typescriptreact` is `tsx`."""


def secret_reason(path: str | None) -> str | None:
    """Why this path is taken to hold secrets; None if it is not, or if the document has no path."""
    pattern = _first_match(path, SECRET_PATTERNS)
    return f"files named like {pattern} may hold secrets and are never read into a prompt" if pattern else None


def exclusion_reason(path: str | None, language_id: str, num_chars: int, settings: Settings) -> str | None:
    """Why its name or the settings keep this document out of prompts; None if they do not.

    Args:
        path: Of the file, relative or absolute; None for a document that was never saved.
        language_id: As `languages` names it.
        num_chars: Length of the document.
        settings: In force now.
    """
    if not settings.enabled:
        return "completions are switched off (enabled = false)"
    if language_id in {_LANGUAGES.get(each.lower(), each) for each in settings.disabled_languages}:
        return f"completions are switched off for {language_id} (disabled_languages)"
    if reason := secret_reason(path):
        return reason
    if pattern := _first_match(path, settings.exclude):
        return f"this file matches {pattern} (exclude)"
    if num_chars > settings.max_document_chars:
        return f"the document has {num_chars} characters, more than {settings.max_document_chars} (max_document_chars)"
    return None


def _first_match(path: str | None, patterns: tuple[str, ...]) -> str | None:
    if path is None:
        return None
    tails = {tail for name in _names(path) for tail in _tails(name)}
    return next((each for each in patterns if any(fnmatchcase(tail, each.lower()) for tail in tails)), None)


def _names(path: str) -> Iterator[PurePath]:
    """The absolute path of a file, and the one with symbolic links resolved."""
    yield Path(os.path.abspath(path))  # noqa: PTH100 - Path.absolute leaves `..` standing
    with suppress(OSError, RuntimeError, ValueError):  # a loop of links, or a name that no file can have
        yield Path(path).resolve()


def _tails(path: PurePath) -> Iterator[str]:
    """The path, and all ends of it: `.ssh/*` matches below any home, and `*.pem` at any depth."""
    yield path.as_posix().lower()
    yield from ("/".join(path.parts[start:]).lower() for start in range(1, len(path.parts)))
