"""Reads a diffusion model's draft with a causal model: its predictions, and how probable it finds the draft.

`dlm_model.guides.guide` decides which model reads; `blend` and `check` use its predictions.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from dlm_model.cache.layout import pick
from dlm_model.cache.prefix_cache import PrefixCache
from dlm_model.canvas import Canvas
from dlm_model.device import send
from dlm_model.guides.own_prompt import OwnPrompt, text_end_ids
from dlm_model.network.kv_cache import KVCache
from dlm_model.network.transformer import Memory, Recorder, Transformer
from dlm_model.network.visibility import up_to_own_block

NUM_JUDGED_TOKENS = 48
"""Tokens of the suffix that are read: its beginning shows whether a middle leads to it, and what follows is equally
likely after any middle."""


class Reading:
    """A text after a prefix, already read: texts that begin like it are read only from where they differ.

    Attributes:
        token_ids: [L], the last token of the prefix and the text after it.
        num_before: Tokens of the prefix before these.
        cache: Keys and values of both together, in one row; none before the first reading.
    """

    def __init__(self) -> None:
        """Nothing is read yet."""
        self.token_ids = torch.empty(0, dtype=torch.long)
        self.num_before = 0
        self.cache = KVCache()

    def num_shared(self, token_ids: Tensor, num_before: int) -> Tensor:
        """How many of the tokens that rows [B, T] begin with are read already, [B]."""
        length = min(len(self.token_ids), token_ids.shape[1]) if num_before == self.num_before else 0
        is_same = token_ids[:, :length] == self.token_ids[:length]
        return is_same.long().cumprod(dim=1).sum(dim=1)


class CausalReader:
    """A network used as an autoregressive language model: its predictions after a prefix, position by position.

    Attributes:
        network: The causal model.
        num_forwards: Network calls so far, without those over the prefix.
    """

    def __init__(
        self,
        network: Transformer,
        prefix_cache: PrefixCache,
        control_ids: Sequence[int],
        prompt: OwnPrompt,
        *,
        document: str,
    ) -> None:
        """Wrap a network.

        Args:
            network: The causal model.
            prefix_cache: Its keys and values of prefixes.
            control_ids: Tokens of the diffusion model that are no text; the causal model neither reads nor predicts
                any.
            prompt: Makes its own prefixes of the diffusion model's.
            document: The document of the prefixes.
        """
        self.network = network
        self._prefix_cache, self._document = prefix_cache, document
        self.num_forwards = 0
        self._control_ids = torch.tensor(control_ids, dtype=torch.long)
        self._prompt = prompt
        self._end = next(iter(text_end_ids(network.config)), 0)

    def own_prefix(self, prefix_ids: Tensor, num_columns: int) -> Tensor:
        """A prefix as this model begins its own texts, cut to what it can see: see `OwnPrompt.prefix`."""
        return self._prompt.prefix(prefix_ids, num_columns)

    def read_prefix(self, token_ids: Tensor) -> KVCache:
        """Keys and values of a prefix [P], in one row."""
        return self._prefix_cache.read(token_ids, self._document)

    @torch.inference_mode()
    def logits(self, prefix_ids: Tensor, token_ids: Tensor, is_asked: Tensor, reading: Reading | None = None) -> Tensor:
        """Predictions for positions after a prefix, each from the tokens left of it.

        Args:
            prefix_ids: [P], one token at least.
            token_ids: [B, T], the text after it, row by row.
            is_asked: [B, T], the positions to predict: N in all.
            reading: A text that the rows may begin like; the shared part is not read again. An empty one is filled with
                the text of this call, which has to be a single row.

        Returns:
            [N, V] of the causal model's vocabulary, row by row.
        """
        num_rows, num_columns = token_ids.shape
        prefix_ids = self.own_prefix(prefix_ids, num_columns)
        num_before = len(prefix_ids) - 1
        # Tokens that it does not know, masks and control tokens, are read as the end of a text.
        is_unknown = (token_ids >= self.network.config.vocab_size) | torch.isin(token_ids, self._control_ids)
        token_ids = token_ids.masked_fill(is_unknown, self._end)
        # One column further left: a causal model reads position i's prediction off position i-1.
        read_ids = torch.cat((prefix_ids[-1:].expand(num_rows, -1), token_ids[:, :-1]), dim=1)
        starts = torch.zeros(num_rows, dtype=torch.long)
        if reading and reading.cache.layers:
            starts = torch.minimum(reading.num_shared(read_ids, num_before), is_asked.long().argmax(dim=1))
        recorder = Recorder() if reading and not reading.cache.layers else None
        known = reading.cache if reading and starts.any() else KVCache()
        if not known.layers and num_before:
            known = self.read_prefix(prefix_ids[:-1])
        width = int((is_asked * torch.arange(1, num_columns + 1)).amax(dim=1).sub(starts).amax())
        hidden = self._read(read_ids, starts, width, num_before=num_before, known=known, recorder=recorder)
        if reading and recorder:
            reading.cache = known.followed_by(recorder.cache)
            reading.token_ids, reading.num_before = read_ids[0, :width], num_before
        rows, columns = is_asked.nonzero(as_tuple=True)
        logits = self.network.logits(pick(hidden, rows, columns - starts[rows]))
        known_ids = send(self._control_ids[self._control_ids < logits.shape[1]], logits.device)
        return logits.index_fill(1, known_ids, -torch.inf)

    def _read(
        self,
        read_ids: Tensor,
        starts: Tensor,
        width: int,
        *,
        num_before: int,
        known: KVCache,
        recorder: Recorder | None,
    ) -> Tensor:
        """Hidden states [B, W, C] of rows [B, T], each from its own start [B] on.

        Args:
            read_ids: The rows.
            starts: Columns of each that are known.
            width: W, how many more are read.
            num_before: Tokens before all of them.
            known: Cache of the prefix and the shared columns, in one row; must cover the largest of `starts`.
            recorder: Receives this pass's keys and values.
        """
        device, (num_rows, num_columns) = self.network.device, read_ids.shape
        columns = starts[:, None] + torch.arange(width)
        positions = send(num_before + columns, device)
        places = torch.arange(known.num_tokens, device=device).expand(num_rows, -1)
        may_attend = torch.cat((torch.ones_like(positions).bool(), places < positions[:, :1]), dim=1)
        hidden: Tensor = self.network(
            send(read_ids.gather(1, columns.clamp_max(num_columns - 1)), device),
            positions,
            may_attend=up_to_own_block(positions, 1, may_attend),
            memory=Memory(known.for_rows(num_rows), places) if known.layers else None,
            recorder=recorder,
        )
        self.num_forwards += 1
        return hidden

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
