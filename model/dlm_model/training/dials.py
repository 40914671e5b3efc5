"""The flags that several stages have, and the dials that they and a recipe set together."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from dlm_model.training.options import TrainingOptions
from dlm_model.training.recipe import TrainSection, load_recipe
from dlm_model.training.stretch import DECAY_SHARE


def above_zero(minutes: float | None) -> float | None:
    """Refuse minutes in which nothing can happen, and those without an end; None is no limit.

    Raises:
        BadParameter: not above 0, or not finite.
    """
    if minutes is not None and not (minutes > 0 and math.isfinite(minutes)):
        raise typer.BadParameter("a run needs more than 0, and an end")
    return minutes


Device = Annotated[str, typer.Option(help="`auto` takes the first CUDA GPU, and otherwise the CPU.")]
RecipeFile = Annotated[Path | None, typer.Option(help="A TOML file with a section \\[train].")]
MaxSteps = Annotated[int | None, typer.Option(min=1, help="Ends the run, decay included.")]
_MINUTES = typer.Option(
    callback=above_zero, help="Stops after this time, measuring not counted; the next call resumes."
)
Minutes = Annotated[float, _MINUTES]
MinutesOrNone = Annotated[float | None, _MINUTES]
Final = Annotated[bool, typer.Option("--final", help="Of these minutes, the last half is the decay.")]


def read_dials(
    recipe: Path | None, max_steps: int | None, minutes: float | None, *, final: bool
) -> tuple[TrainSection, TrainingOptions]:
    """The dials of a recipe, with those of the command line in their place.

    Raises:
        BadParameter: the last stretch has no end.
        ValueError: the recipe is not one.
    """
    if final and minutes is None:
        raise typer.BadParameter("--final needs --minutes")
    section = load_recipe(recipe).train if recipe else TrainSection()
    seconds = None if minutes is None else 60 * minutes
    options = section.options(seconds, seconds * DECAY_SHARE if final and seconds is not None else None)
    return section, replace(options, max_steps=max_steps or options.max_steps)
