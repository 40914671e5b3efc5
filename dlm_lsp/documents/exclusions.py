"""Which documents never reach a prompt, and the sentence that says why.

It excludes files whose names suggest secrets, files that match the user's own patterns, languages that are switched
off, and large files. A file is judged by its name as given, and by its name with symbolic links resolved. Secrets
inside ordinary source files are not found.
"""

import os
from collections.abc import Collection
from contextlib import suppress
from fnmatch import fnmatchcase
from pathlib import Path

from dlm_lsp.exclude_patterns import compiled, excluding
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
"""Names of data that holds secrets. Code about secrets is code, and so is what a shell reads when it starts.

`auth.json` is where Composer and others keep their tokens. Of the settings of .NET, those of one environment or machine
hold passwords; `appsettings.json` is what all share.

Names are matched at any depth and in any case; a pattern with a slash also asks for the folder.
"""

_LANGUAGES = {name: language.id for language in LANGUAGES for name in (language.id, *language.lsp_ids)}
"""Our name of a language, by that name and by those that editors have for it: `typescriptreact` is `tsx`."""


def secret_reason(path: str | None) -> str | None:
    """Why this path is taken to hold secrets; None if it is not, or if the document has no path."""
    names = _names(path)
    pattern = next((each for each in SECRET_PATTERNS if any(fnmatchcase(name, f"*/{each}") for name in names)), None)
    return f"files named like {pattern} may hold secrets and are never read into a prompt" if pattern else None


def exclusion_reason(path: str | None, language_id: str, num_chars: int, settings: Settings) -> str | None:
    """Why this document is not completed in an editor, nor read for another one's completion; None if it may be.

    Args:
        path: Of the file, relative or absolute; None for a document that was never saved.
        language_id: As `languages` names it.
        num_chars: Length of the document.
        settings: In force now.
    """
    if not settings.enabled:
        return "completions are switched off (enabled = false)"
    return language_reason(language_id, settings) or file_reason(path, num_chars, settings)


def language_reason(language_id: str, settings: Settings) -> str | None:
    """Why documents of this language are left alone; None if they are not."""
    if language_id in {_LANGUAGES.get(each.lower(), each) for each in settings.disabled_languages}:
        return f"completions are switched off for {language_id} (disabled_languages)"
    return None


def file_reason(path: str | None, num_chars: int, settings: Settings) -> str | None:
    """Why a file never reaches a prompt, whoever asks; None if it may."""
    if reason := secret_reason(path):
        return reason
    if path and settings.exclude and (reason := _reason_by_patterns(path, settings.exclude)):
        return f"{reason} (exclude)"
    if num_chars > settings.max_document_chars:
        return f"the document has {num_chars} characters, more than {settings.max_document_chars} (max_document_chars)"
    return None


def _reason_by_patterns(path: str, patterns: tuple[str, ...]) -> str | None:
    """Why patterns keep a file out; None if they do not. Unlike in a `.gitignore`, none takes back another's."""
    candidates = excluding(patterns)
    try:
        spec = compiled(candidates)
    except ValueError as error:
        return f"a pattern is broken, so that no file is read into a prompt: {error}"
    numbers = [spec.check_file(name.lstrip("/")).index for name in _names(path)]
    return next((f"this file matches {candidates[each]}" for each in numbers if each is not None), None)


def _names(path: str | None) -> Collection[str]:
    """The absolute path of a file, and the one with symbolic links resolved, in lower case."""
    if path is None:
        return ()
    names = [Path(os.path.abspath(path))]  # noqa: PTH100 - Path.absolute leaves `..` standing
    with suppress(OSError, RuntimeError, ValueError):  # a loop of links, or a name that no file can have
        names.append(Path(path).resolve())
    return dict.fromkeys(name.as_posix().lower() for name in names)
