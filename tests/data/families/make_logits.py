"""Record what the publishers' own modeling code answers for the tiny checkpoints of `published_checkpoints`.

    python tests/data/families/make_logits.py CODE [FAMILY ...]

`CODE` is a folder with these files, which are under their own licences and no part of this repository:

    modeling_llada.py, configuration_llada.py        github.com/NVlabs/Fast-dLLM, llada/model
    modeling_dream.py, configuration_dream.py,
        generation_utils.py                          github.com/NVlabs/Fast-dLLM, dream/model
    modeling_lladamoe.py, configuration_lladamoe.py  github.com/ZHZisZZ/dllm, dllm/pipelines/llada/models
    modeling_llada2_moe.py,
        configuration_llada2_moe.py                  github.com/ZHZisZZ/dllm, dllm/pipelines/llada2/models

They need transformers 4.46.3, LLaDA2 transformers 4.54.1; the numbers came from torch 2.13.0 on a CPU, in fp32. LLaDA2
gets the attention mask that its `generate` makes for blocks, and 44 tokens, which are two blocks.
"""

import importlib
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parents[2])]

from tests.model.families.block_causal_checkpoints import LLADA2_MASK  # noqa: E402
from tests.model.families.checkpoint_parts import NUM_TRAINED, VOCAB_SIZE  # noqa: E402
from tests.model.families.published_checkpoints import PUBLISHED  # noqa: E402

CODE = {
    "llada": ("modeling_llada", "LLaDAModelLM", "configuration_llada", "LLaDAConfig"),
    "dream": ("modeling_dream", "DreamModel", "configuration_dream", "DreamConfig"),
    "llada-moe": ("modeling_lladamoe", "LLaDAMoEModelLM", "configuration_lladamoe", "LLaDAMoEConfig"),
    "llada2": ("modeling_llada2_moe", "LLaDA2MoeModelLM", "configuration_llada2_moe", "LLaDA2MoeConfig"),
}
BLOCK_LENGTHS = {"llada2": 32}


def tokens(family: str) -> torch.Tensor:
    """The input of the model, [1, T]; for models that write in blocks, it ends with masks."""
    generator = torch.Generator().manual_seed(1)
    if family not in BLOCK_LENGTHS:
        return torch.randint(0, VOCAB_SIZE, (1, 8), generator=generator)
    prefix = torch.randint(0, NUM_TRAINED, (1, 36), generator=generator)
    return torch.cat((prefix, torch.full((1, 8), LLADA2_MASK)), dim=1)


def seen(family: str, length: int) -> dict[str, torch.Tensor]:
    """The attention mask of models that would be causal without one."""
    if family not in BLOCK_LENGTHS:
        return {}
    block = torch.arange(length) // BLOCK_LENGTHS[family]
    return {"attention_mask": block[None, None, None, :] <= block[None, None, :, None]}


def answer(package: str, family: str, folder: Path) -> torch.Tensor:
    """Logits [T, V] of the publishers' model with this checkpoint's weights."""
    module, model_class, config_module, config_class = CODE[family]
    folder.mkdir()
    PUBLISHED[family](folder)
    config = getattr(importlib.import_module(f"{package}.{config_module}"), config_class).from_pretrained(folder)
    model = getattr(importlib.import_module(f"{package}.{module}"), model_class)(config)
    missing = model.load_state_dict(load_file(folder / "model.safetensors"), strict=True)
    assert not missing.missing_keys
    with torch.inference_mode():
        asked = tokens(family)
        return model.eval()(asked, **seen(family, asked.shape[1])).logits[0].float()


def main(code: Path, families: list[str], scratch: Path) -> None:
    sys.path.insert(0, str(code.parent))
    for family in families:
        logits = answer(code.name, family, scratch / family)
        save_file({"token_ids": tokens(family)[0], "logits": logits.contiguous()}, HERE / f"{family}.safetensors")


if __name__ == "__main__":
    import tempfile

    with tempfile.TemporaryDirectory() as scratch:
        main(Path(sys.argv[1]).resolve(), sys.argv[2:] or list(CODE), Path(scratch))
