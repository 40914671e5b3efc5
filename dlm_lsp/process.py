"""The process around a server: its standard streams, and the editor that started it. Knows nothing of LSP."""

import gc
import logging
import os
import select
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from typing import BinaryIO, NamedTuple, NoReturn

SECONDS_TO_END_A_STEP = 1.0
"""How long the end of a server waits for its worker's thread."""

_POLL_SECONDS = 1.0


@contextmanager
def importing() -> Iterator[None]:
    """Import with garbage collection off, and keep what is new out of all later collections.

    Modules make objects by the hundred thousand, and keep them all. Collection counts them while it is off: it would
    run as soon as it is on again, for a tenth of the time that a server takes to its first answer.
    """
    num_modules = len(sys.modules)
    gc.disable()
    try:
        yield
    finally:
        if len(sys.modules) > num_modules:  # otherwise this would only keep garbage for good, such as a freed model's
            gc.freeze()
        gc.enable()


class StandardStreams(NamedTuple):
    """The pipes to the client, out of reach of `print` and of child processes."""

    stdin: BinaryIO
    stdout: BinaryIO


def claim_standard_streams() -> StandardStreams:
    """Keep the protocol's pipes to ourselves: whatever else is printed goes to stderr, and reading finds nothing.

    A single line that a library prints between two messages would end the session. It takes file descriptors rather
    than `sys.stdout`, because native code and child processes write to descriptor 1.
    """
    sys.stdout.flush()
    streams = StandardStreams(os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb"))
    os.dup2(2, 1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    return streams


def end_terminal_line() -> None:
    """Make a shell's prompt begin on a new line after Ctrl-C, rather than after `^C` or a spinner.

    Safe in a signal handler: it waits for no lock and goes through no buffer.
    """
    if sys.stderr.isatty():
        os.write(sys.stderr.fileno(), b"\n")


def announce_address(address: str, port: int) -> None:
    """Say on standard error where a server listens, and warn if other machines can reach it."""
    sys.stderr.write(f"dlm-lsp: listening on {address}:{port}\n")
    if not ip_address(address.partition("%")[0]).is_loopback:
        sys.stderr.write("dlm-lsp: other machines can connect, and what an editor sends is not encrypted.\n")
    sys.stderr.flush()


def watch_process(pid: int, on_exit: Callable[[], None]) -> None:
    """Call back once, from a thread of its own, when a process has ended.

    A process that cannot be seen is not watched: an editor outside our container sends a process id of its own world.

    Args:
        pid: The editor's, which may die without closing our stdin when a child of it holds the pipe.
        on_exit: Called on the watching thread.
    """
    if not is_running(pid):
        return

    def watch() -> None:
        _wait_for_exit(pid)
        on_exit()

    threading.Thread(target=watch, name=f"watch-{pid}", daemon=True).start()


def exit_with(pid: int) -> None:
    """End this process, whatever it is doing, when another one ends: nobody is left to answer, and memory is freed."""
    watch_process(pid, lambda: end_process(1))


def end_process(exit_code: int) -> NoReturn:
    """End at once, whatever other threads are in the middle of."""
    logging.shutdown()
    os._exit(exit_code)


def is_running(pid: int) -> bool:
    """Whether there is such a process, as far as this one can see; on Windows it sees none."""
    if pid <= 0 or os.name == "nt":  # os.kill would take it for a process group, or end the process
        return False
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


def _wait_for_exit(pid: int) -> None:
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    except (AttributeError, OSError):
        # Not Linux, or a sandbox without pidfd.
        while is_running(pid):
            time.sleep(_POLL_SECONDS)
        return
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    poll.poll()
    os.close(descriptor)
