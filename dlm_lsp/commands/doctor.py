"""`dlm-lsp doctor`: run every check, print what was found."""

import json
from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import attrgetter

from rich.console import Console
from rich.text import Text

from dlm_lsp.commands import checks
from dlm_lsp.commands.checks import Check
from dlm_lsp.commands.loading import load_engine
from dlm_lsp.commands.sources import writing_stdout
from dlm_lsp.config_files import read_user_config
from dlm_lsp.errors import ModelUnavailableError, UsageError
from dlm_lsp.options import ClientOptions, Settings, resolve
from dlm_model.errors import ModelError

_STYLES = {"ok": "green", "warning": "yellow", "failed": "bold red"}
"""From what is read last to what is read first."""


def run_doctor(flags: ClientOptions, *, as_json: bool, is_verbose: bool = False) -> int:
    """Print what was found, problems first, or all of it as one JSON object.

    Args:
        flags: They overrule the config file.
        as_json: Print JSON.
        is_verbose: Print a line for each grammar and each file of weights.

    Returns:
        0 when nothing failed, 2 when only the config file did, 3 otherwise.
    """
    findings = list(find(flags, Console(stderr=True)))
    failed = {finding.name for finding in findings if finding.status == "failed"}
    with writing_stdout() as stdout:
        if as_json:
            told = [{"name": each.name, "status": each.status, "detail": each.detail} for each in findings]
            stdout.write(json.dumps({"ok": not failed, "checks": told}) + "\n")
        else:
            _print(findings, is_verbose=is_verbose)
    if not failed:
        return 0
    return UsageError.exit_code if failed == {checks.CONFIG} else ModelUnavailableError.exit_code


def find(flags: ClientOptions, console: Console) -> Iterator[Check]:
    """All findings, cheap ones first.

    Args:
        flags: They overrule the config file.
        console: Shows a spinner if it is a terminal.
    """
    parsed = read_user_config()
    settings = resolve(parsed.options, flags)
    with console.status("checking what is installed"):
        yield from _completed("system", checks.check_system())
        yield from _completed("packages", checks.check_packages())
        yield from _completed("grammars", checks.check_grammars())
        yield from _completed("files", checks.check_files(parsed.problems))
        yield from _completed("devices", checks.check_devices())
        yield from _completed("precision", checks.check_precision(settings))
        yield from _completed("model", checks.check_model_files(settings.model))
        yield from _completed("guide", checks.check_guide_files(settings.decode.guide))
    yield from _completed("dry run", _check_engine(settings, console))


def _completed(name: str, findings: Iterator[Check]) -> Iterator[Check]:
    """The findings of one check; if it breaks off, the last says why."""
    try:
        yield from findings
    except ModelError as error:
        yield Check(name, "failed", str(error))
    except Exception as error:  # noqa: BLE001 - a broken torch is what this command is there to find
        yield Check(name, "failed", f"{type(error).__name__}: {error}")


def _check_engine(settings: Settings, console: Console) -> Iterator[Check]:
    engine = load_engine(settings, console)
    yield from checks.check_dry_run(engine, settings)
    yield from checks.check_peak_memory()


def _print(findings: Sequence[Check], *, is_verbose: bool) -> None:
    """One line each, what failed first, and a last one that sums up."""
    console = Console(soft_wrap=True)
    shown = findings if is_verbose else list(_in_short(findings))
    for finding in sorted(shown, key=lambda finding: -list(_STYLES).index(finding.status)):
        console.print(_line(finding))
    console.print(_summary(findings), style="bold", highlight=False)


def _in_short(findings: Sequence[Check]) -> Iterator[Check]:
    """The findings, of which those of one group with one verdict are one."""
    for (group, status, verdict), found in groupby(findings, key=attrgetter("group", "status", "verdict")):
        alike = list(found)
        if group and len(alike) > 1:
            yield Check(group, status, f"{len(alike)} {verdict} (--verbose names them)")
        else:
            yield from alike


def _summary(findings: Sequence[Check]) -> str:
    names = {each: [finding.name for finding in findings if finding.status == each] for each in _STYLES}
    failed, warned = names["failed"], names["warning"]
    if failed:
        return f"{len(failed)} problem{'s' * (len(failed) != 1)}: {', '.join(dict.fromkeys(failed))}."
    if warned:
        return f"Nothing failed; warnings: {', '.join(dict.fromkeys(warned))}."
    return f"All is well: {len(findings)} checks, and a fill."


def _line(finding: Check) -> Text:
    return Text.assemble((f"{finding.status:9}", _STYLES[finding.status]), f"{finding.name:20}", finding.detail)
