"""`dlm-lsp doctor`: run every check, print what was found."""

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict

from rich.console import Console
from rich.text import Text

from dlm_lsp.commands import checks
from dlm_lsp.commands.checks import Check
from dlm_lsp.commands.loading import load_engine
from dlm_lsp.config_files import read_user_config
from dlm_lsp.errors import ModelUnavailableError
from dlm_lsp.options import Settings, resolve
from dlm_model.errors import ModelError

_STYLES = {"ok": "green", "warning": "yellow", "failed": "bold red"}


def run_doctor(*, model: str | None, device: str | None, as_json: bool) -> int:
    """Print every finding as it comes, or all of them as one JSON object.

    Returns:
        0 when nothing failed, 3 otherwise.
    """
    console = Console(soft_wrap=True)
    findings = []
    for finding in find(model, device):
        findings.append(finding)
        if not as_json:
            console.print(_line(finding))
    is_ok = all(finding.status != "failed" for finding in findings)
    if as_json:
        sys.stdout.write(json.dumps({"ok": is_ok, "checks": [asdict(finding) for finding in findings]}) + "\n")
    return 0 if is_ok else ModelUnavailableError.exit_code


def find(model: str | None, device: str | None) -> Iterator[Check]:
    """All findings, cheap ones first."""
    options, problems = read_user_config()
    settings = resolve(options)
    yield from checks.check_system()
    yield from checks.check_packages()
    yield from checks.check_grammars()
    yield from checks.check_files(problems)
    yield from checks.check_devices()
    yield from checks.check_model_files(model or settings.model)
    yield from _check_engine(model or settings.model, device or settings.device, settings)


def _check_engine(model: str | None, device: str, settings: Settings) -> Iterator[Check]:
    try:
        engine = load_engine(model, device, Console(stderr=True))
        yield from checks.check_dry_run(engine, settings)
    except ModelError as error:
        yield Check("dry run", "failed", str(error))


def _line(finding: Check) -> Text:
    return Text.assemble((f"{finding.status:9}", _STYLES[finding.status]), f"{finding.name:20}", finding.detail)
