"""What a shell offers after Tab, by the variables that Bash's own completion sets."""

import pytest

from dlm_lsp import cli
from dlm_lsp.models.store import PACKAGED, ModelStore, Record


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["inf"], ["infill"]),
        (["infill", "--method", "Credit"], ["CreditDecoding"]),
        (["infill", "--method", "learned"], ["learned-order"]),
        (["infill", "--set", "num_st"], ["num_steps="]),
        (["serve", "--model", "m"], ["mine"]),
        (["serve", "--model", PACKAGED[:4]], [PACKAGED]),
        (["infill", "--schedule", "lin"], ["linear"]),
        (["models", "pull", "llada-8b"], ["llada-8b"]),
        (["models", "verify", ""], [PACKAGED, "guide", "mine"]),
        (["infill", "--guide", ""], ["self", "none", "guide"]),
        (["race", "--against", ""], ["self", "guide"]),
        (["models", "remove", ""], ["guide", "mine"]),
    ],
)
def test_names_are_offered(
    words: list[str], offered: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ModelStore().save(Record("mine", "/weights", None, None, None, ()))
    ModelStore().save(Record("guide", "/guide", None, None, None, (), ("guide",)))
    monkeypatch.setenv("_DLM_LSP_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", " ".join([cli.PROGRAM, *words]))
    monkeypatch.setenv("COMP_CWORD", str(len(words)))
    with pytest.raises(SystemExit) as ending:
        cli.run([])
    assert ending.value.code == 0
    assert capsys.readouterr().out.split() == offered
