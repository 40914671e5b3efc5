"""A prompt of the diffusion model, as a causal model begins and ends its own texts.

The two share a tokenizer, but use its special tokens differently. Dream-Coder begins every prompt with a token that no
Qwen was trained on, and DreamOn's delete token is Qwen's end of text.
"""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from dlm_model.errors import CheckpointError
from dlm_model.network.checkpoint_files import CheckpointFiles
from dlm_model.network.config import ModelConfig


def with_own_ends(config: ModelConfig, files: CheckpointFiles) -> ModelConfig:
    """The config of a causal checkpoint, with the tokens that begin and end its texts by what its files say.

    A checkpoint that is a diffusion model as well names its first token in its `dlm` section, and stays as it is.

    Raises:
        CheckpointError: one of them is not a token id.
    """
    if config.bos_token_id is not None:
        return config
    try:
        return replace(config, bos_token_id=files.token_id("bos"), end_token_ids=files.end_token_ids())
    except TypeError as error:
        raise CheckpointError(f"{files.source} has a value of the wrong kind: {error}.") from None


def text_end_ids(config: ModelConfig) -> tuple[int, ...]:
    """The tokens that end a causal model's texts, the usual one first: those named, and what begins the next text."""
    begins = () if config.bos_token_id is None else (config.bos_token_id,)
    return tuple(dict.fromkeys((*config.end_token_ids, *begins)))


class OwnPrompt:
    """Prefixes of the diffusion model → prefixes of a causal model.

    Args:
        config: The causal model's.
        begins_with: Begins the diffusion model's prompts; None if nothing does.
        token_bytes: What the tokens spell: prefixes are cut between lines.
    """

    def __init__(self, config: ModelConfig, begins_with: int | None, token_bytes: Sequence[bytes]) -> None:
        self._config = config
        self._foreign = None if begins_with == config.bos_token_id else begins_with
        self._end = torch.tensor([next(iter(text_end_ids(config)), 0)])
        self._own = torch.tensor([] if config.bos_token_id is None else [config.bos_token_id], dtype=torch.long)
        self._token_bytes = token_bytes

    def prefix(self, prefix_ids: Tensor, num_columns: int) -> Tensor:
        """A prefix [P], cut to whole lines where the causal model does not see it all.

        Its own first token stands in place of the diffusion model's; without one, an empty prefix is the end of a text.

        Args:
            prefix_ids: One token at least.
            num_columns: Tokens that it has to see besides.
        """
        if self._foreign is not None and int(prefix_ids[0]) == self._foreign:
            text = torch.cat((self._own, prefix_ids[1:]))
            prefix_ids = text if len(text) else self._end
        room = max(1, self._config.context_length - num_columns)
        if len(prefix_ids) <= room:
            return prefix_ids
        is_own = len(self._own) > 0 and room > 1 and bool(prefix_ids[0] == self._own[0])
        kept = self._whole_lines(prefix_ids, room - is_own)
        return torch.cat((self._own, kept)) if is_own else kept

    def _whole_lines(self, prefix_ids: Tensor, room: int) -> Tensor:
        """The last tokens of a longer prefix, from the beginning of a line on if any line begins there."""
        first = len(prefix_ids) - room
        before, *spellings = (self._token_bytes[token_id] for token_id in prefix_ids[first - 1 :].tolist())
        for column, spelling in enumerate(spellings, first):
            # A line break and the indentation after it are often one token.
            if before.endswith(b"\n") or (spelling.startswith(b"\n") and not spelling.endswith(b"\n")):
                return prefix_ids[column:]
            before = spelling
        return prefix_ids[first:]
