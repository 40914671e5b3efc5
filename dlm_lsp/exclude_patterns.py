"""The patterns of the option `exclude`: those of a `.gitignore`, except that `!` cannot undo another pattern."""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

_TAKES_BACK = "!"


def excluding(patterns: Sequence[str]) -> tuple[str, ...]:
    """Those of the patterns that exclude something."""
    return tuple(each for each in patterns if each.strip().strip("/") and not each.startswith(_TAKES_BACK))


@lru_cache(maxsize=8)  # those of the settings, and of the projects that are worked on
def compiled(patterns: tuple[str, ...]) -> "GitIgnoreSpec":
    """What matches lower-case paths without a slash in front, at any depth.

    Raises:
        ValueError: a pattern is broken.
    """
    # Imported late: no file is excluded before a document is open, and a server should answer early.
    from pathspec import GitIgnoreSpec  # noqa: PLC0415

    try:
        GitIgnoreSpec.from_lines(patterns)  # an error names the pattern as it was written
        return GitIgnoreSpec.from_lines(_anywhere(each.lower()) for each in patterns)
    except re.error as error:
        raise ValueError(str(error)) from error


def _anywhere(pattern: str) -> str:
    return pattern if pattern.startswith("#") else f"**/{pattern.removeprefix('/')}"


def problems_with(patterns: Sequence[str]) -> Iterator[str]:
    """What is wrong with some of the patterns, as the rest of a sentence that begins with a name."""
    for pattern in patterns:
        if pattern.startswith(_TAKES_BACK):
            yield f"has {pattern}, but no pattern takes back another"
    for pattern in excluding(patterns):
        try:
            compiled((pattern,))
        except ValueError as error:
            yield f"has a broken pattern, so that no file is read into a prompt: {error}"
