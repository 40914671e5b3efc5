"""package.json agrees with the server on every option: type, limits, default and meaning."""

import json
from pathlib import Path
from typing import Any

import pytest

from dlm_lsp import __version__
from dlm_lsp.options import OPTIONS, SETTING_NAMES
from dlm_model.option import Option
from tests.option_tables import camel_case

SETTINGS = tuple(option for name, option in OPTIONS.items() if name in SETTING_NAMES)
JSON_TYPES = {bool: "boolean", int: "integer", float: "number", str: "string", tuple: "array"}
LARGEST_INTEGER = 2**53 - 1  # of JavaScript
ASKED_FOR = {"drafts": True}
"""The extension draws drafts, so it asks for them; all other defaults are the server's."""

Schema = dict[str, Any]


@pytest.fixture(scope="module")
def manifest(extension: Path) -> dict[str, Any]:
    return json.loads((extension / "package.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def settings(manifest: dict[str, Any]) -> dict[str, Schema]:
    """Schemas of the server's options; a name with a dot is the extension's own."""
    properties = manifest["contributes"]["configuration"]["properties"]
    names = {key.removeprefix("dlm-lsp."): schema for key, schema in properties.items()}
    return {name: schema for name, schema in names.items() if "." not in name}


def schema_of(option: Option) -> Schema:
    """The schema of a setting without its scope."""
    kind = JSON_TYPES[option.kind]
    schema: Schema = {
        "type": [kind, "null"] if option.is_optional else kind,
        "default": ASKED_FOR.get(option.name, json.loads(json.dumps(option.default))),
        "markdownDescription": f"{option.meaning[0].upper()}{option.meaning[1:]}.",
    }
    if option.kind is tuple:
        schema["items"] = {"type": "string"}
    if option.choices:
        schema["enum"] = [*option.choices, *([None] if option.is_optional else [])]
    if option.range:
        low = 0 if option.range.includes_zero else option.range.low
        schema["exclusiveMinimum" if option.range.excludes_low else "minimum"] = low
        if option.range.high <= LARGEST_INTEGER:
            schema["maximum"] = option.range.high
    return schema


def test_there_is_a_setting_for_every_option_and_no_other(settings: dict[str, Schema]) -> None:
    assert list(settings) == [camel_case(option.name) for option in SETTINGS]


@pytest.mark.parametrize("option", SETTINGS, ids=lambda option: option.name)
def test_a_setting_says_what_its_option_says(option: Option, settings: dict[str, Schema]) -> None:
    schema = dict(settings[camel_case(option.name)])
    schema.pop("scope", None)
    assert schema == schema_of(option)


def test_a_workspace_cannot_name_a_command_a_model_or_a_device(manifest: dict[str, Any]) -> None:
    properties = manifest["contributes"]["configuration"]["properties"]
    guarded = {f"dlm-lsp.{name}" for name in ("server.command", "server.args", "model", "device", "precision", "guide")}
    assert {name for name, schema in properties.items() if schema.get("scope") == "machine"} == guarded
    assert set(manifest["capabilities"]["untrustedWorkspaces"]["restrictedConfigurations"]) == guarded
    assert manifest["extensionKind"] == ["workspace"]


def test_a_key_of_a_draft_is_first_one_of_the_completion_list(manifest: dict[str, Any]) -> None:
    conditions = {each["command"]: each["when"].split(" && ") for each in manifest["contributes"]["keybindings"]}
    for command in ("dlm-lsp.acceptDraft", "dlm-lsp.unacceptDraft"):
        assert "!suggestWidgetVisible" in conditions[command]


def test_the_extension_is_released_with_the_server(manifest: dict[str, Any], extension: Path) -> None:
    assert manifest["version"] == __version__
    assert (extension / "LICENSE").read_text() == (extension / "../../LICENSE").read_text()
