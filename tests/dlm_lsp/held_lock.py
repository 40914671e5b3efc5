"""A lock that another process holds."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

HELD_SECONDS = 5.0
"""At most: whoever waits for the lock without end gets it then, and fails the test."""


@contextmanager
def held(lock_file: Path) -> Iterator[None]:
    """Hold a lock, as another process would. Nothing within may wait for it."""
    is_held, is_over = threading.Event(), threading.Event()

    def hold() -> None:
        with FileLock(lock_file):
            is_held.set()
            is_over.wait(HELD_SECONDS)

    with ThreadPoolExecutor(1) as pool:
        holding = pool.submit(hold)
        assert is_held.wait(HELD_SECONDS)
        yield
        assert not holding.done(), "the lock was waited for until it was free"
        is_over.set()
        holding.result()
