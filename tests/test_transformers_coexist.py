"""transformers looks for a top-level package named `kernels`; our folder of that name must not be taken for it."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

SCRIPT = """
import torch
from transformers import Qwen2Config, Qwen2ForCausalLM

config = Qwen2Config(
    vocab_size=32, hidden_size=16, intermediate_size=16,
    num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=1,
)
print(tuple(Qwen2ForCausalLM(config)(torch.zeros(1, 3, dtype=torch.long)).logits.shape))
"""


def test_transformers_works_from_the_repository_root(
    repository_root: Path, child_environment: Mapping[str, str]
) -> None:
    ending = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        cwd=repository_root,
        env=child_environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ending.stdout == "(1, 3, 32)\n", ending.stderr
