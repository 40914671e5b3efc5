"""The objects that a request's options select: how logits are predicted, guesses judged, and commits revised.

A `Decoding` is made for one request and thrown away. The `Decoder` that makes it holds what outlives a request: the
network, the prompts that it remembers, its guides, its learned order. `dlm_model.denoise` is what runs them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from torch import Tensor

from dlm_model.cache.block_causal import BlockCausalPrompt
from dlm_model.cache.kv_cache import CachePolicy, CausalPrompt, ColumnCache, column_choice
from dlm_model.cache.prefix_cache import PrefixCache
from dlm_model.cache.prompt_reuse import PromptReuse
from dlm_model.cache.prompt_store import PromptStore
from dlm_model.cache.similarity_cache import SimilarityCache
from dlm_model.canvas import Canvas
from dlm_model.decode_options import NO_GUIDE, SELF_GUIDE, DecodeOptions
from dlm_model.denoise import Judge, Predictor
from dlm_model.errors import RequestError
from dlm_model.guides.blend import Blend
from dlm_model.guides.causal_reader import CausalReader
from dlm_model.guides.guide import Guides
from dlm_model.guides.suffix_guidance import SuffixGuidance
from dlm_model.guides.supervisor import Supervisor
from dlm_model.network.transformer import Transformer
from dlm_model.rules.ending import LineEnd
from dlm_model.rules.length import Row
from dlm_model.steps.history import Credit, StabilityCount
from dlm_model.steps.order import CommitOrder
from dlm_model.steps.revision import Reviser, remaskers


@dataclass(frozen=True, slots=True)
class Decoding:
    """What decodes one request.

    Attributes:
        cache: Keys and values between steps.
        predict: The cache itself, or what wraps it.
        judges: Score a step's guess anew, in this order.
        revisers: Take back or replace what was committed, in this order.
        guide: The causal model that has a say, if there is one.
    """

    cache: CachePolicy
    predict: Predictor
    judges: list[Judge]
    revisers: list[Reviser]
    guide: CausalReader | None

    @property
    def num_forwards(self) -> int:
        """Network calls of this request so far: the cache's, prompt included, and the guide's over drafts.

        A guide with weights of its own needs one more for a prefix that it does not remember; that one is not counted.
        """
        return self.cache.num_forwards + (self.guide.num_forwards if self.guide else 0)

    def log_likelihoods(self, canvas: Canvas) -> Tensor | None:
        """What the guide thinks of each candidate, in nats, [B]; None without a guide, or with one candidate alone."""
        if self.guide is None or len(canvas.lengths) == 1:
            return None
        return self.guide.log_likelihoods(canvas)


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
        self, network: Transformer, guides: Guides, prefix_cache: PrefixCache, order: CommitOrder | None
    ) -> None:
        """Keep what outlives a request; the arguments are the attributes."""
        self.network, self.guides = network, guides
        self.prompt_store = PromptStore()
        self._config = network.config
        self.prefix_cache, self.order = prefix_cache, order

    def resolve(self, options: DecodeOptions, *, has_prefix: bool) -> DecodeOptions:
        """The options, with what they leave to the model filled in by what it names and brings along.

        Without a token in front of the canvas there is no guide: a causal model needs one to read on from.
        """
        guide = options.guide or (SELF_GUIDE if self.guides.has_companion else NO_GUIDE)
        options = replace(options, guide=guide if has_prefix else NO_GUIDE)
        # `agreement` commits from the left, so that any other selection would have no effect.
        schedule = options.schedule or ("agreement" if options.selection in {None, "leftmost"} else "threshold")
        if options.guide == NO_GUIDE and schedule == "agreement":
            schedule = "threshold"
        return replace(options, schedule=schedule, selection=options.selection or self._config.selection)

    def read_for(self, document: str) -> None:
        """Note which document the next request's prompts are of."""
        self.prefix_cache.document = self.prompt_store.document = document
        self.guides.read_for(document)

    def forget(self, document: str | None = None) -> None:
        """Forget the prompts of a document, or all."""
        for store in (self.prefix_cache, self.prompt_store):
            store.clear() if document is None else store.forget(document)
        self.guides.forget(document)

    def open_cache(self, options: DecodeOptions) -> CachePolicy:
        """The cache policy alone."""
        if self._config.block_length is not None:
            return BlockCausalPrompt(self.network, self.prefix_cache)
        if self._config.prompt_attention == "causal":
            return CausalPrompt(self.network, self.prefix_cache)
        if options.cache_policy == "similarity":
            return SimilarityCache(self.network, options)
        begin = None
        if options.drift_bound is not None and options.prompt_refresh_interval != 1:
            begin = PromptReuse(self.network, self.prompt_store, options)
        return ColumnCache(self.network, options, column_choice(options), begin)

    def open(self, options: DecodeOptions, rows: Sequence[Row], line_end: LineEnd | None) -> Decoding:
        """Everything for one request.

        Args:
            options: Resolved.
            rows: The candidates.
            line_end: What a line break says, in a hole of one line.

        Raises:
            RequestError: an option needs what this model lacks.
            CheckpointError: the guide cannot be loaded.
        """
        cache: CachePolicy = self.open_cache(options)
        if options.suffix_guidance != 1 and self._config.sees_suffix:
            # Its two prompts would take each other's place in the store.
            separate = replace(options, drift_bound=None)
            cache = SuffixGuidance(partial(self.open_cache, separate), options.suffix_guidance)
        predict = Credit(cache, options.credit) if options.credit else cache
        stability = StabilityCount(options.stability_bound) if options.schedule == "klass" else None
        judges: list[Judge] = []
        guide = self.guides.open(options.guide) if options.guide not in {None, NO_GUIDE} else None
        if guide and options.is_blended:
            judges.append(Blend(guide, options, rows, line_end, stability).judge)
        elif stability:
            judges.append(stability.judge)
        if guide and not options.is_blended:
            judges.append(Supervisor(guide, options).judge)
        if options.selection == "learned":
            if self.order is None:
                raise RequestError("This model has no learned commit order.")
            judges.append(self.order.judge)
        return Decoding(cache, predict, judges, remaskers(options), guide)
