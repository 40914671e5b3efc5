"""Python's own parsers, asked by several threads at once."""

import sys
import warnings
from concurrent.futures import ThreadPoolExecutor

from dlm_lsp.languages.own_parsers import parses_as_python


def test_what_is_warned_of_is_the_same_afterwards() -> None:
    before, interval = list(warnings.filters), sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        with ThreadPoolExecutor(2) as pool:
            assert all(pool.map(lambda _: all(map(parses_as_python, [r"x = '\d'"] * 1000)), range(2)))
    finally:
        sys.setswitchinterval(interval)
    assert list(warnings.filters) == before
