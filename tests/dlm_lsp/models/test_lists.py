"""`dlm-lsp models list` and `models recommend`: what they say, in pipes and in terminals."""

import json
import re
import shutil
from itertools import pairwise
from pathlib import Path

import pytest

from dlm_lsp.cli import run
from dlm_lsp.models.catalogue import CATALOGUE
from tests.dlm_lsp.models.conftest import NAME
from tests.dlm_lsp.models.hub_stand_in import COMMIT
from tests.dlm_lsp.models.tables import assert_one_line_each

OK = 0


def test_the_list_has_what_is_on_disk_and_what_is_not(checkpoint: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(["models", "add", str(checkpoint), "--name", "mine"])
    run(["models", "list"])
    table = capsys.readouterr().out
    assert "mine" in table
    assert_one_line_each(table, {entry.name: entry.repository for entry in CATALOGUE.values()})
    run(["models", "list", "--json"])
    listed = json.loads(capsys.readouterr().out)
    assert [record["name"] for record in listed["on_disk"]] == ["mine"]
    assert NAME in [entry["name"] for entry in listed["to_pull"]]


def test_in_a_narrow_terminal_no_name_is_broken(
    checkpoint: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dlm_lsp.commands.models.is_narrow", lambda: True)
    run(["models", "add", str(checkpoint), "--name", "mine"])
    run(["models", "list"])
    lines = capsys.readouterr().out.splitlines()
    below = {line.partition(" ")[0]: following for line, following in pairwise(lines)}
    assert str(checkpoint) in below["mine"]
    assert all(entry.repository in below[name] for name, entry in CATALOGUE.items())


def test_a_folder_is_listed_as_it_is_named(checkpoint: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = checkpoint.with_name("[old] :bug:")
    checkpoint.rename(folder)
    run(["models", "add", str(folder), "--name", "mine"])
    assert f"mine is {folder}, " in capsys.readouterr().err
    run(["models", "list"])
    assert str(folder) in capsys.readouterr().out


def test_a_recommendation_has_one_line_a_model(capsys: pytest.CaptureFixture[str]) -> None:
    run(["models", "recommend", "--device", "cpu"])
    models = {entry.name: entry.note for entry in CATALOGUE.values() if "model" in entry.roles}
    assert_one_line_each(capsys.readouterr().out, models)


def test_a_guide_that_came_with_a_model_takes_memory_too(checkpoint: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def needed() -> int:
        assert run(["models", "recommend", "--device", "cpu", "--json"]) == OK
        models = json.loads(capsys.readouterr().out)["models"]
        return next(each["needed"] for each in models if each["name"] == "mine")

    assert run(["models", "add", str(checkpoint), "--name", "mine"]) == OK
    alone = needed()
    guide = checkpoint / "guide"
    guide.mkdir()
    (guide / "adapter_config.json").write_text("{}")
    with_adapter = needed()
    (guide / "adapter_config.json").unlink()
    shutil.copy(checkpoint / "config.json", guide)
    assert alone < with_adapter < needed()


def test_every_short_name_means_one_commit() -> None:
    assert [name for name, entry in CATALOGUE.items() if not re.fullmatch(r"[0-9a-f]{40}", entry.revision)] == []


def test_the_list_says_which_revision(capsys: pytest.CaptureFixture[str]) -> None:
    run(["models", "list"])
    table = capsys.readouterr().out
    assert_one_line_each(table, {"llada-8b": " 08b83a6f ", "diffucoder-7b": " 98bc42bf "})
    assert CATALOGUE["llada-8b"].revision not in table


@pytest.mark.usefixtures("hub")
def test_the_list_says_which_commit_was_pulled(capsys: pytest.CaptureFixture[str]) -> None:
    run(["models", "pull", NAME, "--yes"])
    run(["models", "list"])
    assert_one_line_each(capsys.readouterr().out, {NAME: f" {COMMIT[:8]} "})
