"""Record what the publishers' own modeling code answers for the tiny checkpoints of `published_checkpoints`.

    python tests/data/families/make_logits.py CODE [FAMILY ...]

`CODE` is a folder with these files, which are under their own licences and no part of this repository:

    modeling_llada.py, configuration_llada.py        github.com/NVlabs/Fast-dLLM, llada/model
    modeling_dream.py, configuration_dream.py,
        generation_utils.py                          github.com/NVlabs/Fast-dLLM, dream/model
    modeling_lladamoe.py, configuration_lladamoe.py  github.com/ZHZisZZ/dllm, dllm/pipelines/llada/models
    modeling_llada2_moe.py,
        configuration_llada2_moe.py                  github.com/ZHZisZZ/dllm, dllm/pipelines/llada2/models
    modeling_sdar.py, configuration_sdar.py          github.com/JetAstra/SDAR, training/model/SDAR-4B-Chat
    generate.py                                      github.com/JetAstra/SDAR
    modeling.py, configuration.py                    github.com/Satgoy152/DualDiffusion,
                                                     FastDLLM_inferencing/Fast_dLLM_v2_7B
    modeling_stable_diffcoder.py                     huggingface.co/ByteDance-Seed/Stable-DiffCoder-8B-Base

They need transformers 4.46.3, SDAR 4.52.4, Fast-dLLM v2 and Stable-DiffCoder 4.53.3, LLaDA2 4.54.1. SDAR also imports
flash-attn, which no CPU runs, and a loss for its training: the norm and the attention of these names were plain torch,
the loss nothing. The numbers came from torch 2.13.0 on a CPU, in fp32.

Models that write block by block get the mask that their code makes for blocks, and a prompt that ends within a block.
Except for LLaDA2, whose loop has no cache, `*-blocks.safetensors` has what each pass of their own loop predicted from
the keys and values that it had kept of the blocks before.
"""

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors.torch import load_file, save_file

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parents[2])]

from tests.model.families.block_causal_checkpoints import LLADA2_MASK  # noqa: E402
from tests.model.families.checkpoint_parts import NUM_TRAINED, VOCAB_SIZE  # noqa: E402
from tests.model.families.published_checkpoints import PUBLISHED  # noqa: E402

CODE = {
    "llada": ("modeling_llada", "LLaDAModelLM"),
    "dream": ("modeling_dream", "DreamModel"),
    "llada-moe": ("modeling_lladamoe", "LLaDAMoEModelLM"),
    "llada2": ("modeling_llada2_moe", "LLaDA2MoeModelLM"),
    "sdar": ("modeling_sdar", "SDARForCausalLM"),
    "fast-dllm": ("modeling", "Fast_dLLM_QwenForCausalLM"),
    "stable-diffcoder": ("modeling_stable_diffcoder", "StableDiffcoderForCausalLM"),
}


class Blocks(NamedTuple):
    """How a family writes blocks: their length, the mask, and the tokens of the prompt here."""

    length: int
    mask: int
    num_prompt: int


BLOCKS = {
    "llada2": Blocks(32, LLADA2_MASK, num_prompt=36),
    "sdar": Blocks(4, NUM_TRAINED + 3, num_prompt=10),
    "fast-dllm": Blocks(8, NUM_TRAINED + 2, num_prompt=19),
    "stable-diffcoder": Blocks(4, 5, num_prompt=10),
}
NUM_MASKS = 8


def tokens(family: str) -> torch.Tensor:
    """The input of the model, [1, T]; for models that write in blocks, it ends with masks."""
    generator = torch.Generator().manual_seed(1)
    if family not in BLOCKS:
        return torch.randint(0, VOCAB_SIZE, (1, 8), generator=generator)
    _, mask, num_prompt = BLOCKS[family]
    prompt = torch.randint(0, NUM_TRAINED, (1, num_prompt), generator=generator)
    return torch.cat((prompt, torch.full((1, NUM_MASKS), mask)), dim=1)


def seen(family: str, length: int) -> dict[str, object]:
    """What models need that would be causal, or see blocks of another length, without it."""
    if family not in BLOCKS:
        return {}
    if family == "fast-dllm":
        return {"block_size": BLOCKS[family].length}
    block = torch.arange(length) // BLOCKS[family].length
    is_visible = block[None, None, None, :] <= block[None, None, :, None]
    if family == "stable-diffcoder":
        return {"attention_mask": torch.zeros(is_visible.shape).masked_fill(~is_visible, -torch.inf)}
    return {"attention_mask": is_visible}


def published(package: str, family: str, folder: Path) -> Any:  # noqa: ANN401
    """The publishers' model with this checkpoint's weights."""
    module, name = CODE[family]
    folder.mkdir()
    PUBLISHED[family](folder)
    model_class = getattr(importlib.import_module(f"{package}.{module}"), name)
    config = model_class.config_class.from_pretrained(folder)
    if family == "stable-diffcoder":  # its masks are in bfloat16, whatever its weights are
        config._attn_implementation = "eager"
    model = model_class(config)
    missing, unexpected = model.load_state_dict(load_file(folder / "model.safetensors"), strict=False)
    assert set(missing) <= ({"lm_head.weight"} if config.tie_word_embeddings else set())
    assert not unexpected
    model.tie_weights()
    return model.eval()


class Watched:
    """A model whose passes with a cache are noted: the text before each, the masks that it is for, and their logits.

    Args:
        model: Answers for one block at a time.
        blocks: Of its family.
        shift: How far left of a mask it is read.
        length: Of the whole text.
    """

    def __init__(self, model: Any, blocks: Blocks, shift: int, length: int) -> None:  # noqa: ANN401
        self.token_ids: list[torch.Tensor] = []
        self.is_asked: list[torch.Tensor] = []
        self.logits: list[torch.Tensor] = []
        self._text = torch.full((length,), blocks.mask)
        self._forward: Callable[..., Any] = model.forward
        self._mask, self._shift = blocks.mask, shift
        model.forward = self._answer

    def _answer(self, input_ids: torch.Tensor, past_key_values: Any = None, **options: Any) -> Any:  # noqa: ANN401
        start = past_key_values.get_seq_length() if past_key_values else 0
        answer = self._forward(input_ids=input_ids, past_key_values=past_key_values, **options)
        stop = start + input_ids.shape[1]
        self._text[start:stop] = input_ids[0]
        is_finished = not (input_ids == self._mask).any()
        columns = torch.arange(start, stop) + self._shift
        # The block after one that is finished is begun from its last token, if logits are shifted.
        is_for = (columns == stop if is_finished else columns < stop) & (columns < len(self._text))
        is_for[is_for.clone()] &= self._text[columns[is_for]] == self._mask
        if is_for.any():
            self.token_ids.append(self._text.clone())
            self.is_asked.append(torch.zeros(len(self._text), dtype=torch.bool).index_fill(0, columns[is_for], True))
            self.logits.append(answer.logits[0][is_for].float())
        return answer

    def recorded(self) -> dict[str, torch.Tensor]:
        """Texts [S, T], which of their masks each pass was for [S, T], and all logits in that order [N, V]."""
        texts, asked = torch.stack(self.token_ids), torch.stack(self.is_asked)
        return {"token_ids": texts, "is_asked": asked, "logits": torch.cat(self.logits)}


def written_by_sdar(package: str, model: Any, prompt: torch.Tensor) -> dict[str, torch.Tensor]:  # noqa: ANN401
    blocks = BLOCKS["sdar"]
    watched = Watched(model, blocks, shift=0, length=20)
    importlib.import_module(f"{package}.generate").block_diffusion_generate(
        model,
        {"input_ids": prompt},
        blocks.mask,
        gen_length=20 - prompt.shape[1],
        block_length=blocks.length,
        denoising_steps=blocks.length,
        top_k=1,
        remasking_strategy="low_confidence_static",
    )
    return watched.recorded()


def written_by_fast_dllm(_: str, model: Any, prompt: torch.Tensor) -> dict[str, torch.Tensor]:  # noqa: ANN401
    blocks = BLOCKS["fast-dllm"]
    watched = Watched(model, blocks, shift=1, length=32)
    model.generate(
        prompt,
        max_new_tokens=2 * blocks.length,
        mask_id=blocks.mask,
        small_block_size=blocks.length // 2,
        block_size=blocks.length,
        stop_token=-1,
    )
    return watched.recorded()


def written_by_stable_diffcoder(_: str, model: Any, prompt: torch.Tensor) -> dict[str, torch.Tensor]:  # noqa: ANN401
    blocks = BLOCKS["stable-diffcoder"]
    watched = Watched(model, blocks, shift=0, length=prompt.shape[1] + 2 * blocks.length)
    model.generate_block(prompt, steps=2 * blocks.length, gen_length=2 * blocks.length, threshold=None)
    return watched.recorded()


WRITTEN = {
    "sdar": written_by_sdar,
    "fast-dllm": written_by_fast_dllm,
    "stable-diffcoder": written_by_stable_diffcoder,
}


def main(code: Path, families: list[str], scratch: Path) -> None:
    sys.path.insert(0, str(code.parent))
    for family in families:
        model, asked = published(code.name, family, scratch / family), tokens(family)
        with torch.inference_mode():
            logits = model(asked, **seen(family, asked.shape[1])).logits[0].float()
            save_file({"token_ids": asked[0], "logits": logits.contiguous()}, HERE / f"{family}.safetensors")
            if write := WRITTEN.get(family):
                prompt = asked[:, : BLOCKS[family].num_prompt]
                save_file(write(code.name, model, prompt), HERE / f"{family}-blocks.safetensors")


if __name__ == "__main__":
    import tempfile

    with tempfile.TemporaryDirectory() as scratch:
        main(Path(sys.argv[1]).resolve(), sys.argv[2:] or list(CODE), Path(scratch))
