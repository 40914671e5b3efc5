"""Commands whose help shows no type for switches: typer writes `--json <bool>`, as if a value came next."""

from typing import Any

from typer.core import TyperCommand, TyperGroup, TyperOption


class _BareSwitches:
    """Goes before a command's class."""

    def get_params(self, ctx: Any) -> list[Any]:  # noqa: ANN401 - of a class that typer keeps to itself
        """As typer has them, switches without a type."""
        parameters: list[Any] = super().get_params(ctx)  # type: ignore[misc]
        for each in parameters:
            if isinstance(each, TyperOption) and (each.is_flag or each.count):
                each.metavar = ""
        return parameters


class Command(_BareSwitches, TyperCommand):
    """One command."""


class Group(_BareSwitches, TyperGroup):
    """A command with subcommands."""
