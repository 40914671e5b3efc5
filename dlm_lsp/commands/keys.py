"""Single keys from the terminal, without waiting for a line: arrows by name, everything else as it is typed.

Of keys that arrive together, only the first counts.
"""

import os
import select
import sys
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager

_ARROWS = {b"\x1b[C": "right", b"\x1b[D": "left", b"\x1bOC": "right", b"\x1bOD": "left"}
_LONGEST_KEY_BYTES = 8


@contextmanager
def unbuffered_keys() -> Iterator[None]:
    """Make standard input deliver keys at once, without echo; Ctrl-C still interrupts."""
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    try:
        tty.setcbreak(descriptor)
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def read_key(timeout_seconds: float) -> str | None:
    """The next key, `left` and `right` by name; None if there is none in time, an empty text at the end of input."""
    descriptor = sys.stdin.fileno()
    if not select.select([descriptor], [], [], timeout_seconds)[0]:
        return None
    typed = os.read(descriptor, _LONGEST_KEY_BYTES)
    arrow = next((name for sequence, name in _ARROWS.items() if typed.startswith(sequence)), None)
    return arrow or typed[:1].decode(errors="replace")
