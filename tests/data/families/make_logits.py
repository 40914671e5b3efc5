"""Record what the publishers' own modeling code answers for the tiny checkpoints of `published_checkpoints`.

    python tests/data/families/make_logits.py CODE

`CODE` is a folder with these files, which are under their own licences and no part of this repository:

    modeling_llada.py, configuration_llada.py        github.com/NVlabs/Fast-dLLM, llada/model
    modeling_dream.py, configuration_dream.py,
        generation_utils.py                          github.com/NVlabs/Fast-dLLM, dream/model
    modeling_lladamoe.py, configuration_lladamoe.py  github.com/ZHZisZZ/dllm, dllm/pipelines/llada/models

They need transformers 4.46.3; the numbers here came from torch 2.13.0 on a CPU, in fp32.
"""

import importlib
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parents[2])]

from tests.model.families import published_checkpoints as published  # noqa: E402

CODE = {
    "llada": ("modeling_llada", "LLaDAModelLM", "configuration_llada", "LLaDAConfig"),
    "dream": ("modeling_dream", "DreamModel", "configuration_dream", "DreamConfig"),
    "llada-moe": ("modeling_lladamoe", "LLaDAMoEModelLM", "configuration_lladamoe", "LLaDAMoEConfig"),
}
TOKENS = torch.randint(0, published.VOCAB_SIZE, (1, 8), generator=torch.Generator().manual_seed(1))


def answer(package: str, family: str, folder: Path) -> torch.Tensor:
    """Logits [T, V] of the publishers' model with this checkpoint's weights."""
    module, model_class, config_module, config_class = CODE[family]
    folder.mkdir()
    published.PUBLISHED[family](folder)
    config = getattr(importlib.import_module(f"{package}.{config_module}"), config_class).from_pretrained(folder)
    model = getattr(importlib.import_module(f"{package}.{module}"), model_class)(config)
    missing = model.load_state_dict(load_file(folder / "model.safetensors"), strict=True)
    assert not missing.missing_keys
    with torch.inference_mode():
        return model.eval()(TOKENS).logits[0].float()


def main(code: Path, scratch: Path) -> None:
    sys.path.insert(0, str(code.parent))
    for family in CODE:
        logits = answer(code.name, family, scratch / family)
        save_file({"token_ids": TOKENS[0], "logits": logits.contiguous()}, HERE / f"{family}.safetensors")


if __name__ == "__main__":
    import tempfile

    with tempfile.TemporaryDirectory() as scratch:
        main(Path(sys.argv[1]).resolve(), Path(scratch))
