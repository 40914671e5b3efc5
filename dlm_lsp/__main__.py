"""The `dlm-lsp` command. `--version` answers before anything heavier than this package is imported."""

import sys

from dlm_lsp import __version__


def main() -> None:
    """Run the command line on this process's arguments and exit with its code."""
    arguments = sys.argv[1:]
    if arguments == ["--version"]:
        sys.stdout.write(f"dlm-lsp {__version__}\n")
        return
    # Imported late: typer alone takes longer than the whole answer to --version.
    from dlm_lsp.cli import run  # noqa: PLC0415

    sys.exit(run(arguments))


if __name__ == "__main__":
    main()
