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

_UNREAD = -1

_ROOM = 64
"""Tokens that a reading makes room for at a time, so that it is not copied for every few that come."""


class Reading:
    """Texts after a prefix, already read: what begins like them is read only from where it differs.

    Attributes:
        num_before: Tokens of the prefix but its last.
        token_ids: [R, L], the last token of the prefix and the text after it; `_UNREAD` after the end of that.
        cache: Keys and values of all of these, in R rows, with room for more.
    """

    def __init__(self, *, is_fixed: bool = False) -> None:
        """Nothing is read yet, not even a prefix.

        Args:
            is_fixed: Hold the first text for good, rather than what was read last.
        """
        self._is_fixed = is_fixed
        self.begin(0, KVCache())

    def begin(self, num_before: int, prefix: KVCache) -> None:
        """Forget all texts, and read others after this prefix, in one row, from now on."""
        self.num_before, self.cache = num_before, prefix
        self.token_ids = torch.empty(1, 0, dtype=torch.long)

    def is_of(self, num_before: int, num_rows: int) -> bool:
        """Whether so many rows after the same prefix may begin like what is read."""
        return bool(self.cache.layers) and self.num_before == num_before and len(self.token_ids) in (1, num_rows)

    def num_shared(self, token_ids: Tensor) -> Tensor:
        """How many of the tokens that rows [B, T] begin with are read already, each in its own row or the only one."""
        length = min(self.token_ids.shape[1], token_ids.shape[1])
        is_same = token_ids[:, :length] == self.token_ids[:, :length]
        return is_same.long().cumprod(dim=1).sum(dim=1)

    @property
    def is_open(self) -> bool:
        """Whether the rows that are read next take the place of these."""
        return not self._is_fixed or not self.token_ids.shape[1]

    def hold(self, token_ids: Tensor, columns: Tensor, computed: KVCache) -> None:
        """Hold rows [B, T], of which `columns` [B, W] were computed and those left of them were held already."""
        places = self.num_before + columns
        has_room = int(places.max()) < self.cache.num_tokens and len(self.token_ids) == len(token_ids)
        if not has_room:
            self.cache = self.cache.for_rows(len(token_ids)).with_room(_ROOM + token_ids.shape[1])
        self.cache.write(computed, send(places, computed.layers[0].keys.device))
        is_unread = torch.arange(token_ids.shape[1]) > columns[:, -1:]
        self.token_ids = token_ids.masked_fill(is_unread, _UNREAD)


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

    def reading_of_drafts(self) -> Reading | None:
        """For drafts that grow from step to step; None on a GPU.

        There a pass over all of a draft is recorded (`network.cuda_graphs`), and takes less time than one over its end
        that is not.
        """
        return Reading() if self.network.device.type == "cpu" else None

    @torch.inference_mode()
    def logits(self, prefix_ids: Tensor, token_ids: Tensor, is_asked: Tensor, reading: Reading | None = None) -> Tensor:
        """Predictions for positions after a prefix, each from the tokens left of it.

        Args:
            prefix_ids: [P], one token at least.
            token_ids: [B, T], the text after it, row by row.
            is_asked: [B, T], the positions to predict: N in all.
            reading: Texts that the rows may begin like; the shared part is not read again. Unless it is fixed, it holds
                the rows afterwards.

        Returns:
            [N, V] of the causal model's vocabulary, row by row.
        """
        num_rows, num_columns = token_ids.shape
        prefix_ids = self.own_prefix(prefix_ids, num_columns)
        # One column further left: a causal model reads position i's prediction off position i-1.
        read_ids = torch.cat((prefix_ids[-1:].expand(num_rows, 1), self._as_text(token_ids)[:, :-1]), dim=1)
        recorder = Recorder() if reading and reading.is_open else None
        reading = reading or Reading()
        if not reading.is_of(len(prefix_ids) - 1, num_rows):
            reading.begin(len(prefix_ids) - 1, self.read_prefix(prefix_ids[:-1]))
        rows, asked = is_asked.nonzero(as_tuple=True)
        starts = torch.minimum(reading.num_shared(read_ids), is_asked.long().argmax(dim=1))
        columns = starts[:, None] + torch.arange(int((asked - starts[rows]).max()) + 1)
        hidden = self._read(read_ids, columns, reading, recorder)
        if recorder:
            reading.hold(read_ids, columns, recorder.cache)
        logits = self.network.logits(pick(hidden, rows, asked - starts[rows]))
        control_ids = send(self._control_ids[self._control_ids < logits.shape[1]], logits.device)
        return logits.index_fill(1, control_ids, -torch.inf)

    def _as_text(self, token_ids: Tensor) -> Tensor:
        """Token ids of the diffusion model with those that the causal model does not know as the end of a text."""
        is_unknown = (token_ids >= self.network.config.vocab_size) | torch.isin(token_ids, self._control_ids)
        return token_ids.masked_fill(is_unknown, self._end)

    def _read(self, read_ids: Tensor, columns: Tensor, reading: Reading, recorder: Recorder | None) -> Tensor:
        """Hidden states of `columns` [B, W] of rows [B, T], [B, W, C]: of each, all left of the first is held."""
        device, (num_rows, num_columns) = self.network.device, read_ids.shape
        positions = send(reading.num_before + columns, device)
        known = reading.cache.first(reading.num_before + int(columns[:, 0].max()))
        places = torch.arange(known.num_tokens, device=device).expand(num_rows, -1)
        may_attend = torch.cat((torch.ones_like(positions).bool(), places < positions[:, :1]), dim=1)
        hidden: Tensor = self.network(
            send(read_ids.gather(1, columns.clamp_max(num_columns - 1)), device),
            positions,
            may_attend=up_to_own_block(positions, 1, may_attend),
            memory=Memory(known.for_rows(num_rows), places),
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
