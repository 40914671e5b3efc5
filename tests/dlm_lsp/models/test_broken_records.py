"""A record that cannot be read stands in the way of itself alone."""

import json
import shutil
from pathlib import Path

import pytest

from dlm_lsp.cli import run
from dlm_lsp.models.catalogue import CATALOGUE
from tests.dlm_lsp.models.conftest import NAME
from tests.dlm_lsp.models.tables import assert_one_line_each

OK, USAGE, MODEL = 0, 2, 3


@pytest.fixture
def broken_record(checkpoint: Path, data_folder: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """What is said of a broken record beside one that can be read."""
    run(["models", "add", str(checkpoint), "--name", "mine"])
    (data_folder / "Oops 1.json").write_text("{}")
    capsys.readouterr()
    return f"The record {data_folder / 'Oops 1.json'} cannot be read: 'files'; `dlm-lsp models remove Oops 1` deletes"


def test_the_list_goes_on_past_a_broken_record(broken_record: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["models", "list"]) == OK
    listed = capsys.readouterr()
    assert_one_line_each(listed.out, {"mine": "Tiny-Checkpoint", NAME: "fredzzp"})
    assert broken_record in listed.err
    assert run(["models", "list", "--json"]) == OK
    listed = json.loads(capsys.readouterr().out)
    assert [record["name"] for record in listed["on_disk"]] == ["mine"]
    assert [broken_record in leftover["problem"] for leftover in listed["leftovers"]] == [True]


def test_verify_goes_on_past_a_broken_record_and_fails(broken_record: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["models", "verify"]) == MODEL
    told = capsys.readouterr()
    assert "mine/model.safetensors: ok" in told.out
    assert broken_record in told.err
    assert run(["models", "verify", "mine"]) == OK


def test_recommend_goes_on_past_what_is_broken_or_gone(
    broken_record: str, checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(checkpoint)
    assert run(["models", "recommend", "--device", "cpu"]) == OK
    table = capsys.readouterr().out
    missing = f"{checkpoint / 'config.json'} cannot be read: No such file"
    assert_one_line_each(table, {"Oops": broken_record, "mine": missing, NAME: CATALOGUE[NAME].note})


@pytest.mark.usefixtures("broken_record")
def test_others_are_removed_and_added_beside_a_broken_record(checkpoint: Path) -> None:
    assert run(["models", "remove", "mine"]) == OK
    assert run(["models", "add", str(checkpoint), "--name", "mine"]) == OK


def test_a_broken_record_is_removed_by_its_file_name(
    broken_record: str, data_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["models", "remove", "Oops 1", "--yes"]) == OK
    assert sorted(path.name for path in data_folder.iterdir()) == ["mine.json"]
    run(["models", "list"])
    assert broken_record not in capsys.readouterr().err


@pytest.mark.parametrize("change", [{"name": "other"}, {"folder": 3}, {"files": 3}])
def test_a_record_of_another_model_or_with_wrong_values_is_broken(
    checkpoint: Path, data_folder: Path, change: dict[str, object], capsys: pytest.CaptureFixture[str]
) -> None:
    run(["models", "add", str(checkpoint), "--name", "mine"])
    path = data_folder / "mine.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    capsys.readouterr()
    assert run(["models", "verify", "mine"]) == MODEL
    assert "mine.json cannot be read" in capsys.readouterr().err
