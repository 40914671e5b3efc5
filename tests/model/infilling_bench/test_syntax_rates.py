"""The bench of valid fills, on a tiny random checkpoint."""

import json
import sys
from pathlib import Path

import pytest

from dlm_model.engine import Engine
from tests.bench import syntax

SOURCE = "package a\n\nfunc add(x int) int {\n\ty := x + 1\n\treturn y\n}\n" * 9


@pytest.fixture
def command(causal_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for index in range(2):
        (tmp_path / f"{index}.go").write_text(SOURCE)
    monkeypatch.setitem(syntax.GUIDE, "syntax_tries", 1)
    monkeypatch.setattr(syntax, "usual_folders", lambda _language: ())
    monkeypatch.setattr(syntax, "git_revision", lambda: "the same")
    given = ["--language", "go", "--folder", str(tmp_path), "--num-holes", "2", "--variant", "guided"]
    named = ["--model", str(causal_folder), "--device", "cpu", "--out", str(tmp_path / "fills.jsonl")]
    monkeypatch.setattr(sys, "argv", ["syntax", *given, *named])


@pytest.mark.usefixtures("command")
def test_a_run_that_was_stopped_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    syntax.main()
    whole, fills = capsys.readouterr().out, tmp_path / "fills.jsonl"
    assert [row["variant"] for row in json.loads(whole.splitlines()[-1])["rows"]] == ["plain", "guided", "required"]

    lines = fills.read_text().splitlines(keepends=True)
    assert len(lines) == 1 + 2 * 2
    fills.write_text("".join(lines[:3]) + lines[3][:9])
    filled = []
    fill = syntax.fill

    def counted(engine: Engine, *arguments: object) -> object:
        filled.append(arguments)
        return fill(engine, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(syntax, "fill", counted)
    syntax.main()
    assert capsys.readouterr().out == whole
    assert 1 <= len(filled) <= 2  # of the second hole alone


@pytest.mark.usefixtures("command")
def test_the_results_of_another_model_are_refused(tmp_path: Path) -> None:
    (tmp_path / "fills.jsonl").write_text('{"model": "another"}\n')
    with pytest.raises(SystemExit, match="belongs to another run"):
        syntax.main()
