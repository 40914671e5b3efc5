"""What a misspelled command, flag or name may have been meant for."""

from difflib import get_close_matches

import typer


def without_far_off_flags(error: typer.TyperException) -> typer.TyperException:
    """An error that proposes only flags that are alike without their dashes, which make all short flags alike."""
    possibilities = getattr(error, "possibilities", None)
    if possibilities:
        by_word = {flag.strip("-"): flag for flag in possibilities}
        alike = get_close_matches(error.option_name.strip("-"), by_word)  # type: ignore[attr-defined]
        error.possibilities = [by_word[word] for word in alike]  # type: ignore[attr-defined]
    return error
