"""Which documents never reach a prompt, and the sentence that says why.

Covered: files that hold secrets by their name, the user's own patterns, languages switched off, and size.
Not covered: secrets inside ordinary source files.
"""

from fnmatch import fnmatchcase
from pathlib import PurePath

from dlm_lsp.options import Settings

SECRET_PATTERNS = (
    *(".env", ".env.*", "*.env", ".envrc", ".netrc", "_netrc", ".npmrc", ".pypirc", ".htpasswd", ".git-credentials"),
    *("*.key", "*.pem", "*.p12", "*.pfx", "*.jks", "*.keystore", "*.kdbx", "*.gpg", "*.asc"),
    *("id_rsa", "id_dsa", "id_ecdsa", "id_ed25519", ".ssh/*", ".gnupg/*", ".aws/*"),
    *("credentials", "credentials.json", "*.credentials", "secrets.json", "secrets.toml", "secrets.y*ml", "secrets/*"),
)
"""Names are matched at any depth and in any case; a pattern with a slash also asks for the folder."""


def secret_reason(path: str | None) -> str | None:
    """Why this path is taken to hold secrets; None where it is not, or where the document has no path."""
    pattern = _first_match(path, SECRET_PATTERNS)
    return f"files named like {pattern} may hold secrets and are never read into a prompt" if pattern else None


def exclusion_reason(path: str | None, language_id: str, num_chars: int, settings: Settings) -> str | None:
    """Why the settings keep this document out of prompts; None where they do not.

    Args:
        path: Of the file; None for a document that was never saved.
        language_id: As `languages` names it.
        num_chars: Length of the document.
        settings: In force now.
    """
    if not settings.enabled:
        return "completions are switched off (enabled = false)"
    if language_id in settings.disabled_languages:
        return f"completions are switched off for {language_id} (disabled_languages)"
    pattern = _first_match(path, settings.exclude)
    if pattern:
        return f"this file matches {pattern} (exclude)"
    if num_chars > settings.max_document_chars:
        return f"the document has {num_chars} characters, more than {settings.max_document_chars} (max_document_chars)"
    return None


def _first_match(path: str | None, patterns: tuple[str, ...]) -> str | None:
    if path is None:
        return None
    parts = PurePath(path.lower()).parts
    # Every tail of the path, so that `.ssh/*` matches below any home and `*.pem` at any depth.
    tails = ["/".join(parts[start:]) for start in range(len(parts))]
    return next((each for each in patterns if any(fnmatchcase(tail, each.lower()) for tail in tails)), None)
