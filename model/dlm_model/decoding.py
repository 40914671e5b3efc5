"""The objects that a request's options select: how logits are predicted, guesses judged, commits revised, rows ended.

A `Decoding` is made for one request and thrown away. The `Decoder` that makes it holds everything that outlives a
request: the network, the prompts that it remembers, its guides, its learned order. `dlm_model.denoise` runs a
`Decoding`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from dlm_model.cache.block_causal import BlockCausalPrompt
from dlm_model.cache.causal_prompt import CausalPrompt
from dlm_model.cache.policies import CachePolicy, ColumnCache, column_choice
from dlm_model.cache.prefix_cache import PrefixCache
from dlm_model.cache.prompt_reuse import PromptReuse
from dlm_model.cache.prompt_store import PromptStore
from dlm_model.cache.similarity_cache import SimilarityCache
from dlm_model.cache.suffix_guidance import SuffixGuidance
from dlm_model.canvas import Canvas
from dlm_model.decode_options import NO_GUIDE, SELF_GUIDE, DecodeOptions, DecodePlan
from dlm_model.errors import RequestError
from dlm_model.guides.blend import Blend
from dlm_model.guides.causal_reader import CausalReader
from dlm_model.guides.check import Check
from dlm_model.guides.guide import Guides
from dlm_model.guides.suffix_end import SuffixEnd, ends_at_suffix
from dlm_model.network.transformer import Transformer
from dlm_model.pace import Pace
from dlm_model.request import CancelToken, InfillRequest
from dlm_model.row_reader import RowReader
from dlm_model.rules.boundaries import Boundaries
from dlm_model.rules.constraint import Constraint
from dlm_model.rules.length import Row
from dlm_model.steps.history import Credit, StabilityCount
from dlm_model.steps.order import CommitOrder, LearnedScore
from dlm_model.steps.revision import Reviser, recheck_of, remasker_of
from dlm_model.steps.selection import Judge, Predictor
from dlm_model.steps.syntax import SyntaxRepair
from dlm_model.tokens.vocabulary import Vocabulary


class Prepared(NamedTuple):
    """A request, ready for its first step; `dlm_model.preparation` makes it.

    Attributes:
        request: As it came.
        options: Its options, completed with the model's own defaults.
        canvas: Masks alone, or what an earlier draft proposes.
        rows: The candidates, one for each row of the canvas.
        boundaries: What each row must begin and end with.
        reader: Reads the rows as text.
        constraint: The rules that all steps are under.
        num_forwards: Network calls spent on finding the rows' lengths.
    """

    request: InfillRequest
    options: DecodePlan
    canvas: Canvas
    rows: Sequence[Row]
    boundaries: Boundaries
    reader: RowReader
    constraint: Constraint
    num_forwards: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoding:
    """The objects that decode one request.

    Attributes:
        cache: Keys and values between steps.
        predict: The cache itself, or a wrapper of it.
        temperature: [B], one per row.
        judges: Score a step's guess anew, in this order.
        revisers: Take back or replace committed tokens after each step but the last, in this order.
        suffix_end: Cuts rows back to where they meet the suffix; None leaves their ends to the constraint.
        syntax: Reopens finished rows where they do not parse; None leaves them as they are.
        guide: The causal model that has a say, if there is one.
        may_change: Whether a later step may take back any token that is committed, or another candidate be shown.
    """

    cache: CachePolicy
    predict: Predictor
    temperature: Tensor
    judges: Sequence[Judge] = ()
    revisers: Sequence[Reviser] = ()
    suffix_end: SuffixEnd | None = None
    syntax: SyntaxRepair | None = None
    guide: CausalReader | None = None
    may_change: bool = False

    @property
    def num_forwards(self) -> int:
        """Network calls of this request so far: the cache's, prompt included, and the guide's over drafts.

        A guide with weights of its own needs one more for a prefix that it does not remember; that one is not counted.
        """
        return self.cache.num_forwards + (self.guide.num_forwards if self.guide else 0)

    def log_likelihoods(self, canvas: Canvas) -> Tensor | None:
        """The guide's log-likelihood of each candidate, in nats, [B]; None without a guide or for a single row."""
        if self.guide is None or len(canvas.lengths) == 1:
            return None
        return self.guide.log_likelihoods(canvas)

    def num_final(self, canvas: Canvas, row: int) -> int:
        """See `Draft.num_final`, of a draft of this row."""
        if self.may_change:
            return 0
        return self.suffix_end.num_settled(row) if self.suffix_end else int(canvas.lengths[row])


class Decoder:
    """Makes a `Decoding` for every request.

    Attributes:
        network: The diffusion model.
        guides: The causal models at hand.
        prefix_cache: The network's keys and values of prefixes and suffixes.
        prompt_store: Its keys and values of prompts that saw a canvas.
        order: Its learned commit order, if it has one.
    """

    def __init__(
        self,
        network: Transformer,
        guides: Guides,
        prefix_cache: PrefixCache,
        order: CommitOrder | None,
        vocabulary: Vocabulary,
    ) -> None:
        """Keep everything that outlives a request.

        Args:
            network: The diffusion model.
            guides: The causal models at hand.
            prefix_cache: The network's keys and values of prefixes and suffixes.
            order: Its learned commit order, if it has one.
            vocabulary: What its tokens spell.
        """
        self.network, self.guides = network, guides
        self._vocabulary = vocabulary
        self.prompt_store = PromptStore()
        self._config = network.config
        self.prefix_cache, self.order = prefix_cache, order

    def resolve(self, options: DecodeOptions, *, has_prefix: bool) -> DecodePlan:
        """The options, completed with what the model's config names and its checkpoint brings along.

        Without a token in front of the canvas there is no guide, because a causal model needs one to continue from.
        """
        guide = options.guide or (SELF_GUIDE if self.guides.has_companion else NO_GUIDE)
        if not has_prefix:
            guide = NO_GUIDE
        # `agreement` commits from the left, so that any other selection would have no effect.
        schedule = options.schedule or ("agreement" if options.selection in {None, "leftmost"} else "threshold")
        if guide == NO_GUIDE and schedule == "agreement":
            schedule = "threshold"
        selection = options.selection or self._config.selection
        return DecodePlan(**asdict(options) | {"schedule": schedule, "selection": selection, "guide": guide})

    def forget(self, document: str | None = None) -> None:
        """Forget the prompts of a document, or all."""
        for each in (self.prefix_cache, self.prompt_store, self.guides):
            each.forget(document)

    def open_cache(self, options: DecodeOptions, document: str) -> CachePolicy:
        """The cache policy alone, for a prompt of a document."""
        if self._config.block_length is not None:
            return BlockCausalPrompt(self.network, self.prefix_cache, document)
        if self._config.prompt_attention == "causal":
            return CausalPrompt(self.network, self.prefix_cache, document)
        if options.cache_policy == "similarity":
            return SimilarityCache(self.network, options)
        begin = None
        if options.drift_bound is not None and options.prompt_refresh_interval != 1:
            bound, vicinity = options.drift_bound, options.vicinity
            begin = PromptReuse(self.network, self.prompt_store, document, drift_bound=bound, vicinity=vicinity)
        return ColumnCache(self.network, options, column_choice(options), begin)

    def open(self, ready: Prepared, pace: Pace, cancel: CancelToken) -> Decoding:
        """Everything for one request.

        Raises:
            RequestError: an option needs what this model lacks.
            CheckpointError: the guide cannot be loaded.
        """
        request, options, canvas = ready.request, ready.options, ready.canvas
        cache, guide = self._cache(options, request.document), None
        if options.guide != NO_GUIDE:
            guide = self.guides.open(options.guide, request.document)
        recheck, remasker, syntax, suffix_end = recheck_of(canvas), remasker_of(options), None, None
        if request.syntax and options.syntax_tries:
            syntax = SyntaxRepair(request.syntax, ready.reader, options)
        if guide and self._config.sees_suffix and ends_at_suffix(request, options):
            suffix_end = SuffixEnd(
                guide, self._vocabulary, ready.boundaries, pace=pace, cancel=cancel, syntax=request.syntax
            )
        return Decoding(
            cache=cache,
            predict=Credit(cache, options.credit) if options.credit else cache,
            temperature=torch.tensor([row.temperature for row in ready.rows]),
            judges=list(self._judges(ready, guide)),
            revisers=[reviser for reviser in (recheck, remasker) if reviser],
            suffix_end=suffix_end,
            syntax=syntax,
            guide=guide,
            # A commit is final unless a later step may take tokens back (a remasker, syntax repair, or text in the way
            # of an anchor), or another candidate may win. A recheck is over before the first draft.
            may_change=bool(remasker or syntax or canvas.is_anchored.any()) or len(ready.rows) > 1,
        )

    def _cache(self, options: DecodePlan, document: str) -> CachePolicy:
        if options.suffix_guidance == 1 or not self._config.sees_suffix:
            return self.open_cache(options, document)
        # Its two prompts would take each other's place in the store.
        separate = replace(options, drift_bound=None)
        return SuffixGuidance(partial(self.open_cache, separate, document), options.suffix_guidance)

    def _judges(self, ready: Prepared, guide: CausalReader | None) -> Iterator[Judge]:
        options = ready.options
        if guide and options.is_blended:
            yield Blend(guide, options, ready.rows, ready.constraint.line_end)
        if options.schedule == "klass":
            yield StabilityCount(options.stability_bound)
        if guide and not options.is_blended:
            yield Check(guide, options)
        if options.selection == "learned":
            if self.order is None:
                raise RequestError("This model has no learned commit order.")
            yield LearnedScore(self.order)
