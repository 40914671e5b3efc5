"""package.json says what the server says: every option, with its type, limits, default and meaning."""

import json
import re
from dataclasses import fields
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pytest

from dlm_lsp import __version__
from dlm_lsp.options import ClientOptions, Settings, option_name, parse_options
from dlm_model.request import DecodeOptions

OPTIONS = tuple(field.name for field in fields(ClientOptions))
HINTS = get_type_hints(ClientOptions)
JSON_TYPES = {bool: "boolean", int: "integer", float: "number", str: "string"}
ASKED_FOR = {"drafts": True}
"""The extension draws drafts, so it asks for them; all other defaults are the server's."""

Schema = dict[str, Any]


@pytest.fixture(scope="module")
def manifest(extension: Path) -> dict[str, Any]:
    return json.loads((extension / "package.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def settings(manifest: dict[str, Any]) -> dict[str, Schema]:
    """Schemas of the server's options, by the server's name; a name with a dot is the extension's own."""
    properties = manifest["contributes"]["configuration"]["properties"]
    names = {key.removeprefix("dlm-lsp."): schema for key, schema in properties.items()}
    return {option_name(name): schema for name, schema in names.items() if "." not in name}


def default_of(option: str) -> object:
    server = Settings()
    default = getattr(server if hasattr(server, option) else DecodeOptions(), option)
    return ASKED_FOR.get(option, list(default) if isinstance(default, tuple) else default)


def type_of(option: str) -> Schema:
    hint = HINTS[option]
    if get_origin(hint) is tuple:
        return {"type": "array", "items": {"type": JSON_TYPES[get_args(hint)[0]]}}
    kind = next(each for each in get_args(hint) if each is not type(None))
    is_optional = default_of(option) is None
    name = "string" if get_origin(kind) is Literal else JSON_TYPES[kind]
    choices = {"enum": [*get_args(kind), *([None] if is_optional else [])]} if get_origin(kind) is Literal else {}
    return {"type": [name, "null"] if is_optional else name, **choices}


def test_there_is_a_setting_for_every_option_and_no_other(settings: dict[str, Schema]) -> None:
    assert set(settings) == set(OPTIONS)


@pytest.mark.parametrize("option", OPTIONS)
def test_a_setting_has_the_default_and_the_type_of_its_option(option: str, settings: dict[str, Schema]) -> None:
    schema = settings[option]
    assert schema["default"] == default_of(option)
    assert {name: schema.get(name) for name in type_of(option)} == type_of(option)


@pytest.mark.parametrize("option", OPTIONS)
def test_the_server_takes_what_the_limits_of_a_setting_allow(option: str, settings: dict[str, Schema]) -> None:
    schema = settings[option]
    allowed = [schema[name] for name in ("minimum", "maximum") if name in schema] + schema.get("enum", [])
    refused = [schema["minimum"] - 1] if "minimum" in schema else []
    refused += [schema["maximum"] + 1] if "maximum" in schema else []
    refused += [schema["exclusiveMinimum"]] if "exclusiveMinimum" in schema else []
    assert [value for value in allowed if parse_options({option: value}).problems] == []
    assert [value for value in refused if not parse_options({option: value}).problems] == []


@pytest.mark.parametrize("option", OPTIONS)
def test_a_setting_means_what_the_readme_says(option: str, settings: dict[str, Schema], repository_root: Path) -> None:
    readme = (repository_root / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| `.*?` \| (.*) \|$", readme, re.MULTILINE)
    meaning = {option_name(name): meaning for name, meaning in rows}[option]
    assert settings[option]["markdownDescription"] == f"{meaning[0].upper()}{meaning[1:]}."


def test_a_workspace_cannot_name_a_command_a_model_or_a_device(manifest: dict[str, Any]) -> None:
    properties = manifest["contributes"]["configuration"]["properties"]
    guarded = {f"dlm-lsp.{name}" for name in ("server.command", "model", "device", "precision", "guide")}
    assert {name for name, schema in properties.items() if schema.get("scope") == "machine"} == guarded
    assert set(manifest["capabilities"]["untrustedWorkspaces"]["restrictedConfigurations"]) == guarded
    assert manifest["extensionKind"] == ["workspace"]


def test_the_extension_is_released_with_the_server(manifest: dict[str, Any], extension: Path) -> None:
    assert manifest["version"] == __version__
    assert (extension / "LICENSE").read_text() == (extension / "../../LICENSE").read_text()
