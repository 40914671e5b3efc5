"""The other way to write: from left to right, one token per forward, blind to the suffix. For comparison only.

A model with a causal prompt has learned this too, so the same weights can race themselves.
"""

import math
import time
from collections.abc import Collection, Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from dlm_model.guides.causal_reader import CausalReader
from dlm_model.guides.own_prompt import text_end_ids
from dlm_model.network.transformer import Memory, Recorder
from dlm_model.request import CancelToken, Draft, FinishReason, Piece
from dlm_model.tokens.vocabulary import Vocabulary


def continue_prefix(
    reader: CausalReader,
    vocabulary: Vocabulary,
    prefix_ids: Sequence[int],
    limit: int,
    cancel: CancelToken,
    *,
    single_line: bool,
) -> Iterator[Draft]:
    """Write the most probable token after a prefix, then the one after that; one draft for each.

    Args:
        reader: The causal model, with its prefix cache.
        vocabulary: What the tokens spell.
        prefix_ids: Text alone, one token at least; what the model does not see of it besides `limit` tokens is cut off.
        limit: Tokens that are written at most, one at least.
        cancel: Polled once per token.
        single_line: Whether the text ends before its first line break.
    """
    started = time.perf_counter()
    config = reader.network.config
    ends = {token_id for token_id in text_end_ids(config) if token_id < len(vocabulary.token_bytes)}
    limit = min(limit, config.context_length)
    begin = [] if config.bos_token_id is None else [config.bos_token_id]
    own_prefix_ids = reader.own_prefix(torch.tensor([*begin, *prefix_ids]), limit)
    written: list[bytes] = []
    log_probability = 0.0
    for token_id, probability in _tokens(reader, own_prefix_ids, limit, _banned(reader, vocabulary, ends)):
        written.append(b"" if token_id in ends else vocabulary.token_bytes[token_id])
        log_probability += math.log(max(probability, 1e-9))
        text = b"".join(written).decode(errors="replace")
        is_over = token_id in ends or (single_line and "\n" in text)
        reason = _finish_reason(len(written) == limit, cancel, is_over=is_over)
        shown = text.partition("\n")[0] if single_line else text
        yield Draft(
            pieces=(Piece(shown, "committed", math.exp(log_probability / len(written)), len(written)),),
            step=len(written),
            num_steps=limit,
            num_forwards=len(written),
            elapsed_ms=(time.perf_counter() - started) * 1000,
            num_final=1,
            finish_reason=reason,
        )
        if reason:
            return


@torch.inference_mode()
def _tokens(reader: CausalReader, prefix_ids: Tensor, limit: int, banned: Tensor) -> Iterator[tuple[int, float]]:
    """The ids of `limit` tokens after a prefix [P], none of them `banned` [V], and their probabilities."""
    network, num_before = reader.network, len(prefix_ids) - 1
    known = reader.read_prefix(prefix_ids[:-1]).with_room(limit)
    positions = torch.arange(num_before + limit, device=network.device)[None]
    banned = banned.to(network.device)
    token_id = int(prefix_ids[-1])
    for position in range(num_before, num_before + limit):
        recorder, column = Recorder(), positions[:, position : position + 1]
        hidden = network(
            torch.tensor([[token_id]], device=network.device),
            column,
            memory=Memory(known.first(position), positions[:, :position]),
            recorder=recorder,
        )
        known.write(recorder.cache, column)
        probabilities = network.logits(hidden[0, 0]).float().masked_fill(banned, -torch.inf).softmax(dim=-1)
        token_id = int(probabilities.argmax())
        yield token_id, float(probabilities[token_id])


def _banned(reader: CausalReader, vocabulary: Vocabulary, ends: Collection[int]) -> Tensor:
    """[V] of the causal model, true for control tokens except those that end a text."""
    is_allowed = vocabulary.is_text.clone()
    is_allowed[list(ends)] = True
    # Rows that the causal model has beyond the vocabulary spell nothing; where it has fewer, padding cuts.
    return ~F.pad(is_allowed, (0, reader.network.config.vocab_size - len(is_allowed)))


def _finish_reason(is_full: bool, cancel: CancelToken, *, is_over: bool) -> FinishReason | None:
    if cancel.is_cancelled:
        return "cancelled"
    if is_over:
        return "stop"
    return "length" if is_full else None
