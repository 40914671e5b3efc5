"""`dlm-lsp doctor`: run every check, print what was found."""

import json
from collections.abc import Iterator
from dataclasses import asdict

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


def run_doctor(flags: ClientOptions, *, as_json: bool) -> int:
    """Print every finding as it comes, or all of them as one JSON object.

    Args:
        flags: They overrule the config file.
        as_json: Print JSON.

    Returns:
        0 when nothing failed, 2 when only the config file did, 3 otherwise.
    """
    console = Console(soft_wrap=True)
    findings = []
    for finding in find(flags):
        findings.append(finding)
        if not as_json:
            with writing_stdout():
                console.print(_line(finding))
    failed = {finding.name for finding in findings if finding.status == "failed"}
    if as_json:
        with writing_stdout() as stdout:
            stdout.write(json.dumps({"ok": not failed, "checks": [asdict(finding) for finding in findings]}) + "\n")
    if not failed:
        return 0
    return UsageError.exit_code if failed == {checks.CONFIG} else ModelUnavailableError.exit_code


def find(flags: ClientOptions) -> Iterator[Check]:
    """All findings, cheap ones first."""
    parsed = read_user_config()
    settings = resolve(parsed.options, flags)
    yield from _completed("system", checks.check_system())
    yield from _completed("packages", checks.check_packages())
    yield from _completed("grammars", checks.check_grammars())
    yield from _completed("files", checks.check_files(parsed.problems))
    yield from _completed("devices", checks.check_devices())
    yield from _completed("precision", checks.check_precision(settings))
    yield from _completed("model", checks.check_model_files(settings.model))
    yield from _completed("guide", checks.check_guide_files(settings.decode.guide))
    yield from _completed("dry run", _check_engine(settings))


def _completed(name: str, findings: Iterator[Check]) -> Iterator[Check]:
    """The findings of one check; if it breaks off, the last says why."""
    try:
        yield from findings
    except ModelError as error:
        yield Check(name, "failed", str(error))
    except Exception as error:  # noqa: BLE001 - a broken torch is what this command is there to find
        yield Check(name, "failed", f"{type(error).__name__}: {error}")


def _check_engine(settings: Settings) -> Iterator[Check]:
    engine = load_engine(settings, Console(stderr=True))
    yield from checks.check_dry_run(engine, settings)
    yield from checks.check_peak_memory()


def _line(finding: Check) -> Text:
    return Text.assemble((f"{finding.status:9}", _STYLES[finding.status]), f"{finding.name:20}", finding.detail)
