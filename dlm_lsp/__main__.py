"""The `dlm-lsp` command. `--version` answers before anything heavier than this package is imported."""

import io
import os
import sys
from pathlib import Path

from dlm_lsp import __version__
from dlm_lsp.errors import INTERRUPTED_EXIT_CODE


def main() -> None:
    """Run the command line on this process's arguments and exit with its code."""
    arguments = sys.argv[1:]
    if arguments == ["--version"]:
        sys.stdout.write(f"dlm-lsp {__version__}\n")
        return
    # By default torch's threads spin while they wait for each other. Beside any other busy process (an editor is one)
    # each then holds the core that the other needs: on two cores shared with such a process, a fill of 6 steps took
    # 19 s spinning and 1.1 s sleeping.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    _open_closed_streams()
    _write_what_documents_hold()
    try:
        # Imported late: typer alone takes longer than the whole answer to --version.
        from dlm_lsp.process import importing  # noqa: PLC0415

        with importing():
            from dlm_lsp.cli import run  # noqa: PLC0415

        sys.exit(run(arguments))
    except KeyboardInterrupt:
        from dlm_lsp.process import end_terminal_line  # noqa: PLC0415

        end_terminal_line()
        sys.exit(INTERRUPTED_EXIT_CODE)


def _open_closed_streams() -> None:
    # `>&-` leaves no stream at all, and the next file that is opened would become descriptor 1.
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("r" if name == "stdin" else "w"))  # noqa: SIM115 - for good


def _write_what_documents_hold() -> None:
    # They are UTF-8, whatever the locale: a fill must not fail at one character, nor reach a file in another encoding.
    stdout = sys.stdout
    if not isinstance(stdout, io.TextIOWrapper):
        return
    if stdout.isatty():
        stdout.reconfigure(errors="replace")
    elif not os.environ.get("PYTHONIOENCODING"):
        stdout.reconfigure(encoding="utf-8")


if __name__ == "__main__":
    main()
