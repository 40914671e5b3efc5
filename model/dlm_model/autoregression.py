"""The other way to write: from left to right, one token per forward, blind to the suffix. For comparison only.

A model with a causal prompt has learned this too, so the same weights can race themselves.
"""

import math
import time
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from dlm_model.guides.causal_reader import CausalReader
from dlm_model.guides.own_prompt import end_token_ids
from dlm_model.network.kv_cache import KVCache
from dlm_model.network.transformer import Memory, Recorder
from dlm_model.request import CancelToken, Draft, FinishReason, Piece
from dlm_model.tokens.vocabulary import Vocabulary


class LeftToRight:
    """Writes the most probable token, then the one after that.

    Args:
        reader: The causal model, with its prefix cache.
        vocabulary: What the tokens spell.
    """

    def __init__(self, reader: CausalReader, vocabulary: Vocabulary) -> None:
        self._reader = reader
        self._vocabulary = vocabulary
        config = reader.network.config
        self._begin = [] if config.bos_token_id is None else [config.bos_token_id]
        self._ends = [token_id for token_id in end_token_ids(config) if token_id < len(vocabulary.token_bytes)]

    def drafts(self, prefix_ids: list[int], limit: int, cancel: CancelToken, *, single_line: bool) -> Iterator[Draft]:
        """One draft per token, until the text (or the only line) ends, or `limit` tokens are written."""
        started = time.perf_counter()
        written: list[bytes] = []
        certainty = 0.0
        for token_id, probability in self._tokens([*self._begin, *prefix_ids]):
            written.append(b"" if token_id in self._ends else self._vocabulary.token_bytes[token_id])
            certainty += math.log(max(probability, 1e-9))
            text = b"".join(written).decode(errors="replace")
            is_over = token_id in self._ends or (single_line and "\n" in text)
            reason = self._finish_reason(len(written) == limit, cancel, is_over=is_over)
            shown = text.partition("\n")[0] if single_line else text
            piece = Piece(shown, "committed", math.exp(certainty / len(written)), len(written))
            elapsed_ms = (time.perf_counter() - started) * 1000
            yield Draft(
                pieces=(piece,),
                step=len(written),
                num_steps=limit,
                num_forwards=len(written),
                elapsed_ms=elapsed_ms,
                finish_reason=reason,
            )
            if reason:
                return

    @torch.inference_mode()
    def _tokens(self, prefix_ids: list[int]) -> Iterator[tuple[int, float]]:
        """Token ids and their probabilities, for ever; the prefix has one token at least."""
        network = self._reader.network
        banned = self._banned().to(network.device)
        position, token_id = len(prefix_ids) - 1, prefix_ids[-1]
        known = self._reader.read_prefix(torch.tensor(prefix_ids[:-1])) if position else KVCache()
        while True:
            memory = Memory(known, torch.arange(position, device=network.device)[None]) if position else None
            token = torch.tensor([[token_id]], device=network.device)
            recorder = Recorder()
            hidden = network(token, torch.full_like(token, position), memory=memory, recorder=recorder)
            probabilities = network.logits(hidden[0, 0]).float().masked_fill(banned, -torch.inf).softmax(dim=-1)
            token_id = int(probabilities.argmax())
            yield token_id, float(probabilities[token_id])
            known = known.followed_by(recorder.cache)
            position += 1

    def _banned(self) -> Tensor:
        """[V] of the causal model, true for control tokens except those that end a text."""
        is_allowed = self._vocabulary.is_text.clone()
        is_allowed[self._ends] = True
        # Rows that the causal model has beyond the vocabulary spell nothing; where it has fewer, padding cuts.
        return ~F.pad(is_allowed, (0, self._reader.network.config.vocab_size - len(is_allowed)))

    @staticmethod
    def _finish_reason(is_full: bool, cancel: CancelToken, *, is_over: bool) -> FinishReason | None:
        if cancel.is_cancelled:
            return "cancelled"
        if is_over:
            return "stop"
        return "length" if is_full else None
