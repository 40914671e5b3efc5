"""Commands whose help shows no type for switches: typer writes `--json <bool>`, as if a value came next."""

from typing import Any

from typer.core import TyperCommand, TyperGroup, TyperOption


class Command(TyperCommand):
    """One command."""

    def get_params(self, ctx: Any) -> list[Any]:  # noqa: ANN401 - of a class that typer keeps to itself
        """As typer has them, switches without a type."""
        return _with_bare_switches(super().get_params(ctx))


class Group(TyperGroup):
    """A command with subcommands."""

    def get_params(self, ctx: Any) -> list[Any]:  # noqa: ANN401 - of a class that typer keeps to itself
        """As typer has them, switches without a type."""
        return _with_bare_switches(super().get_params(ctx))


def _with_bare_switches(parameters: list[Any]) -> list[Any]:
    for each in parameters:
        if isinstance(each, TyperOption) and (each.is_flag or each.count):
            each.metavar = ""
    return parameters
