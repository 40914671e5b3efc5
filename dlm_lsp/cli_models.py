"""`dlm-lsp models …`: which arguments and flags each of its commands takes."""

from pathlib import Path
from typing import Annotated

import typer

from dlm_lsp.commands import flags
from dlm_lsp.commands.completions import complete_published_model, complete_stored_model, complete_verifiable_model

models_app = typer.Typer(help="Manage the models on this machine.", no_args_is_help=True)

_Yes = Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")]
_Name = Annotated[
    str,
    typer.Argument(
        metavar="NAME",
        help="A short name of a model.",
        show_default=False,
        autocompletion=complete_stored_model,
    ),
]


@models_app.command("list")
def list_models(*, as_json: flags.AsJson = False) -> None:
    """List the models on this machine, and those that can be pulled."""
    from dlm_lsp.commands.models import run_list  # noqa: PLC0415

    run_list(as_json=as_json)


@models_app.command()
def pull(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help="A short name, or owner/name\\[@revision] on the hub.",
            show_default=False,
            autocompletion=complete_published_model,
        ),
    ],
    *,
    short_name: Annotated[
        str | None,
        typer.Option("--name", metavar="NAME", help="Short name for the model. Default: the name of the repository."),
    ] = None,
    yes: _Yes = False,
) -> None:
    """Download a published model, after showing its licence and size."""
    from dlm_lsp.commands.models import run_pull  # noqa: PLC0415

    run_pull(name, short_name, is_agreed=yes)


@models_app.command()
def add(
    path: Annotated[Path, typer.Argument(metavar="FOLDER", help="A checkpoint folder.", show_default=False)],
    *,
    name: Annotated[
        str | None,
        typer.Option("--name", metavar="NAME", help="Short name for the model. Default: the name of the folder."),
    ] = None,
) -> None:
    """Give a checkpoint folder a short name; its files stay where they are."""
    from dlm_lsp.commands.models import run_add  # noqa: PLC0415

    run_add(path, name)


@models_app.command()
def verify(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME",
            help="A short name. Default: all models, including the packaged one.",
            show_default=False,
            autocompletion=complete_verifiable_model,
        ),
    ] = None,
) -> int:
    """Compare every file with its recorded SHA-256."""
    from dlm_lsp.commands.models import run_verify  # noqa: PLC0415

    return run_verify(name)


@models_app.command()
def remove(name: _Name, *, yes: _Yes = False) -> None:
    """Remove a model; files that were pulled, even in part, are deleted."""
    from dlm_lsp.commands.models import run_remove  # noqa: PLC0415

    run_remove(name, is_agreed=yes)


@models_app.command()
def recommend(
    *, device: flags.Device = None, precision: flags.PrecisionFlag = None, as_json: flags.AsJson = False
) -> None:
    """Compare the memory that each published model needs with what the device has."""
    from dlm_lsp.commands.models import run_recommend  # noqa: PLC0415

    run_recommend(device or "auto", precision or "auto", as_json=as_json)
