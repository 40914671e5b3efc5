"""Reads a diffusion model's draft with a causal model, from left to right: what it expects, how probable the draft is.

Which model reads is decided in `dlm_model.guide`; `dlm_model.blend` and `dlm_model.supervisor` use its predictions.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from dlm_model.canvas import Canvas
from dlm_model.device import send
from dlm_model.layout import pick
from dlm_model.prefix_cache import PrefixCache
from dlm_model.transformer import Memory, Transformer

NUM_JUDGED_TOKENS = 48
"""Tokens of the suffix that are read: its beginning shows whether a middle leads to it, and what follows is equally
likely after any middle."""


class CausalReader:
    """A network used as an autoregressive language model: what it expects after a prefix, position by position.

    Attributes:
        network: The causal model.
        prefix_cache: Its keys and values of prefixes.
        num_forwards: Network calls so far, without those over the prefix.
    """

    def __init__(self, network: Transformer, prefix_cache: PrefixCache, control_ids: Sequence[int] = ()) -> None:
        """Wrap a network.

        Args:
            network: The causal model.
            prefix_cache: Its keys and values of prefixes.
            control_ids: Tokens of the diffusion model that are no text; the causal model neither reads nor expects any.
        """
        self.network = network
        self.prefix_cache = prefix_cache
        self.num_forwards = 0
        self._control_ids = torch.tensor(control_ids, dtype=torch.long)

    @torch.inference_mode()
    def logits(self, prefix_ids: Tensor, token_ids: Tensor, is_asked: Tensor) -> Tensor:
        """Predictions for positions after a prefix, each from the tokens left of it.

        Args:
            prefix_ids: [P], one token at least.
            token_ids: [B, T], what follows it, row by row.
            is_asked: [B, T], the positions to predict: N in all.

        Returns:
            [N, V] of the causal model's vocabulary, row by row.
        """
        num_rows, num_columns = token_ids.shape
        prefix_ids = prefix_ids[-max(1, self.network.config.context_length - num_columns) :]
        num_before = len(prefix_ids) - 1
        device = self.network.device
        memory = None
        if num_before:
            layers = [layer.for_rows(num_rows) for layer in self.prefix_cache.read(prefix_ids[:-1])]
            memory = Memory(layers, torch.arange(num_before, device=device).expand(num_rows, -1))
        own = torch.ones(num_columns, num_columns, dtype=torch.bool, device=device).tril()
        sees = torch.cat((own, torch.ones(num_columns, num_before, dtype=torch.bool, device=device)), dim=1)
        # One column further left: a causal model reads position i's prediction off position i-1.
        read_ids = torch.cat((prefix_ids[-1:].expand(num_rows, -1), token_ids[:, :-1]), dim=1)
        # Tokens that it does not know, masks and control tokens, are read as its first: the end of a text.
        is_unknown = (read_ids >= self.network.config.vocab_size) | torch.isin(read_ids, self._control_ids)
        hidden = self.network(
            send(read_ids.masked_fill(is_unknown, 0), device),
            (num_before + torch.arange(num_columns, device=device)).expand(num_rows, -1),
            is_valid=sees.expand(num_rows, -1, -1),
            memory=memory,
        )
        self.num_forwards += 1
        logits = self.network.logits(pick(hidden, *is_asked.nonzero(as_tuple=True)))
        known_ids = send(self._control_ids[self._control_ids < logits.shape[1]], device)
        return logits.index_fill(1, known_ids, -torch.inf)

    def log_likelihoods(self, canvas: Canvas) -> Tensor:
        """How probable each row is between its prompts, in nats, [B]: log P(draft, beginning of the suffix | prefix).

        A causal model can check that a middle fits both sides: if it does not lead to the suffix, the suffix becomes
        improbable (left-to-right reranking, InCoder, arXiv 2204.05999). One forward.
        """
        judged, draft = canvas.suffix_ids[:NUM_JUDGED_TOKENS], canvas.as_draft()
        rows = [torch.cat((row[:length], judged)) for row, length in zip(draft.token_ids, draft.lengths, strict=True)]
        # Masks and control tokens that a deadline has left there spell nothing.
        texts = [row[~torch.isin(row, self._control_ids) & (row < self.network.config.vocab_size)] for row in rows]
        token_ids = torch.nn.utils.rnn.pad_sequence(texts, batch_first=True)
        if not token_ids.numel():  # nothing was written, and nothing follows
            return torch.zeros(len(texts))
        is_text = torch.arange(token_ids.shape[1]) < torch.tensor([len(text) for text in texts])[:, None]
        logits = self.logits(canvas.prefix_ids, token_ids, is_text).float()
        own_ids = send(token_ids[is_text], logits.device)
        own = logits.gather(1, own_ids[:, None]).squeeze(1) - logits.logsumexp(dim=-1)
        return torch.zeros(token_ids.shape).masked_scatter(is_text, own.cpu()).sum(dim=1)
