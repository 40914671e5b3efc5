"""The engine: an infill request in, drafts out. Text becomes tokens here, and tokens text.

InfillRequest → tokens, boundaries → Canvas → denoise ⟳ → Draft, Draft, …
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from dlm_model.autoregression import LeftToRight
from dlm_model.block_causal import BlockCausalPrompt, BlockPipeline
from dlm_model.boundaries import Boundaries
from dlm_model.canvas import Canvas
from dlm_model.causal_texts import CausalTexts
from dlm_model.config import ModelConfig
from dlm_model.constraint import Constraint
from dlm_model.cuda_graphs import GraphedTransformer
from dlm_model.decode_options import SELF_GUIDE
from dlm_model.denoise import Judge, Predictor, denoise
from dlm_model.device import default_dtype, memory_errors, resolve_device
from dlm_model.drafts import RowReader, finish_reason
from dlm_model.errors import CheckpointError, RequestError
from dlm_model.guidance import SuffixGuidance
from dlm_model.guide import CausalReader, Supervisor, load_guide
from dlm_model.json_grammar import JsonConstraint
from dlm_model.kv_cache import CachePolicy, CausalPrompt, ColumnCache, column_choice
from dlm_model.length import INITIAL_TOKENS, finds_length, open_rows
from dlm_model.memory import Credit, StabilityCount
from dlm_model.opening import Opening, mean_confidence
from dlm_model.order import CommitOrder, load_order
from dlm_model.precision import Precision
from dlm_model.request import CancelToken, DecodeOptions, Draft, InfillRequest
from dlm_model.revision import Reviser, rechecks, remaskers
from dlm_model.schedule import Pace
from dlm_model.similarity_cache import SimilarityCache
from dlm_model.syntax import SyntaxGuide
from dlm_model.tokenizer import Tokenizer
from dlm_model.transformer import Transformer
from dlm_model.vocabulary import Vocabulary
from dlm_model.weights import load_transformer

DEFAULT_CHECKPOINT = Path(__file__).parent / "checkpoints" / "smollm2-135m-infill"


def load_engine(model: str | None = None, device: str = "auto", precision: Precision = "auto") -> "Engine":
    """Load a checkpoint folder onto a device.

    Args:
        model: Folder of a checkpoint; None is the one that ships with this package.
        device: As torch spells it; `auto` takes the first CUDA GPU and otherwise the CPU.
        precision: In how many bits the matrices are held there.

    Raises:
        CheckpointError: there is no such checkpoint, or it is broken.
        DeviceError: there is no such device, it has not enough memory, or it cannot hold them so.
    """
    folder = DEFAULT_CHECKPOINT if model is None else Path(model)
    if not folder.is_dir():
        raise CheckpointError(f"There is no model folder {folder}.")
    target = resolve_device(device)
    config = ModelConfig.from_checkpoint(folder)
    tokenizer = Tokenizer.from_checkpoint(folder, config.vocab_size)
    with memory_errors():
        network = load_transformer(folder, config, device=target, dtype=default_dtype(target), precision=precision)
    if target.type == "cuda":
        network = GraphedTransformer(network)
    return Engine(network, tokenizer, model_name=folder.resolve().name, order=load_order(folder))


class Engine:
    """One loaded model. Not thread-safe: one caller at a time owns it and its device."""

    def __init__(
        self, network: Transformer, tokenizer: Tokenizer, model_name: str, order: CommitOrder | None = None
    ) -> None:
        self._network, self._config = network, network.config
        self._texts = CausalTexts(network)
        self._guides: dict[str, CausalReader] = {}
        self._tokenizer, self._order = tokenizer, order
        config = self._config  # its control tokens add no text, whatever the tokenizer says they spell
        control = {config.mask_token_id, config.expand_token_id, config.delete_token_id, *config.end_token_ids}
        self._vocabulary = Vocabulary([b"" if i in control else text for i, text in enumerate(tokenizer.token_bytes)])
        self.model_name = model_name

    @property
    def device(self) -> str:
        """Where the weights live, as torch spells it."""
        return str(self._network.device)

    @property
    def context_length(self) -> int:
        """Tokens that prefix, middle and suffix may have together."""
        ends = (self._config.bos_token_id, self._config.eos_token_id)
        return self._config.context_length - sum(token_id is not None for token_id in ends)

    @property
    def sees_suffix(self) -> bool:
        """Whether the model looks at what stands behind a hole."""
        return self._config.sees_suffix

    @property
    def can_resize(self) -> bool:
        """Whether the model finds the length of a middle itself."""
        return self._config.can_resize

    def count_tokens(self, text: str) -> int:
        """Tokens of a text on its own."""
        return self._tokenizer.count(text)

    def infill(self, request: InfillRequest, options: DecodeOptions, cancel: CancelToken) -> Iterator[Draft]:
        """Fill the hole, one draft per denoise step, and one more that says why it ended.

        Raises:
            RequestError: prompt and canvas do not fit the model's context, or an option needs what this model lacks.
            CheckpointError: the guide cannot be loaded.
            DeviceError: the device runs out of memory.
        """
        options = replace(options, selection=options.selection or self._config.selection)
        pace = Pace(options)
        with memory_errors():
            methods = self._open_methods(options)
            canvas, boundaries, constraint, temperature, num_spent = self._prepare(request, options, cancel)
        reader = RowReader(self._vocabulary, boundaries, self._config.end_token_ids)
        revisers: list[Reviser] = [*remaskers(options), *methods.guides]
        syntax = SyntaxGuide(request.syntax, reader, options) if request.syntax and options.syntax_tries else None
        shown: int | None = None

        def draft(canvas: Canvas, row: int) -> Draft:
            # Not final where a token may be taken back, or another of several candidates may turn out better.
            pieces, is_final = reader.pieces(canvas, row), not (revisers or syntax) and len(canvas.lengths) == 1
            spent = num_spent + methods.num_forwards
            return Draft(pieces, pace.step, options.num_steps, spent, pace.elapsed_ms, is_final=is_final)

        steps = denoise(
            canvas,
            methods.predict,
            constraint,
            options,
            temperature=temperature,
            pace=pace,
            cancel=cancel,
            revisers=[*rechecks(canvas, options), *revisers],
            judges=methods.judges,
            syntax=syntax,
        )
        with memory_errors():
            for canvas in steps:
                # Keep showing the row that looked best first: a draft should sharpen, not jump between candidates.
                shown = reader.rank(canvas)[0] if shown is None else shown
                yield draft(canvas, shown)
        best = reader.rank(canvas)[0]
        yield replace(
            draft(canvas, best),
            is_final=True,
            finish_reason=finish_reason(canvas, best, is_cancelled=cancel.is_cancelled),
            candidates=reader.candidates(canvas, options.num_candidates),
        )

    def continue_text(
        self, request: InfillRequest, options: DecodeOptions, cancel: CancelToken, *, guide: str = SELF_GUIDE
    ) -> Iterator[Draft]:
        """Continue the prefix from left to right, blind to the suffix: one draft per token; the last says why it ended.

        Args:
            request: Of it, `prefix`, `single_line` and `expected_tokens` are heeded.
            options: Of them, `max_middle_tokens` is.
            cancel: Polled once per token.
            guide: The causal model: the folder of a checkpoint, or `self` for this one.

        Raises:
            RequestError: `self`, and this model has no causal prompt.
            CheckpointError: the other model cannot be loaded.
        """
        limit = min(request.expected_tokens or INITIAL_TOKENS, options.max_middle_tokens)
        writer = LeftToRight(self._open_guide(guide), self._vocabulary, self._config.bos_token_id)
        prefix_ids = self._tokenizer.encode(request.prefix or "\n").ids
        with memory_errors():
            yield from writer.drafts(prefix_ids, limit, cancel, single_line=request.single_line)

    def _open_cache(self, options: DecodeOptions) -> CachePolicy:
        if self._config.block_length is not None:
            return BlockCausalPrompt(self._network, self._config.block_length)
        if self._config.prompt_attention == "causal":
            return CausalPrompt(self._network, self._texts)
        if options.cache_policy == "similarity":
            return SimilarityCache(self._network, options)
        return ColumnCache(self._network, options, column_choice(options))

    def _open_methods(self, options: DecodeOptions) -> "_Methods":
        cache: CachePolicy = self._open_cache(options)
        if options.suffix_guidance != 1:
            cache = SuffixGuidance(partial(self._open_cache, options), options.suffix_guidance)
        guides = [] if options.guide is None else [Supervisor(self._open_guide(options.guide), options)]
        judges: list[Judge] = [StabilityCount(options.stability_bound).judge] if options.schedule == "klass" else []
        if options.selection == "learned":
            if self._order is None:
                raise RequestError(f"{self.model_name} has no learned commit order.")
            judges.append(self._order.judge)
        return _Methods(cache, Credit(cache, options.credit) if options.credit else cache, guides, judges)

    def _open_guide(self, guide: str) -> CausalReader:
        """The model itself, or another, which stays loaded until a third is asked for."""
        if guide == SELF_GUIDE:
            if not (self._config.prompt_attention == "causal" and self._config.shift_logits):
                raise RequestError(
                    f"{self.model_name} has no causal prompt and cannot guide itself; name a causal model."
                )
            return CausalReader(self._network, self._texts)
        if guide not in self._guides:
            device, dtype = self._network.device, self._network.embed_tokens.weight.dtype
            self._guides = {guide: load_guide(Path(guide), self._tokenizer, device=device, dtype=dtype)}
        return CausalReader(self._guides[guide].network, self._guides[guide].texts)

    def _prepare(self, request: InfillRequest, options: DecodeOptions, cancel: CancelToken) -> "_Prepared":
        opening = Opening.read(request, options, self._tokenizer, self._config)
        if opening.anchors.num_tokens and options.grammar != "none":
            raise RequestError("A grammar leaves no place for texts that the middle must keep.")
        room = self._config.context_length - opening.num_prompt_tokens
        longest = min(options.max_middle_tokens + opening.num_fixed, room)
        if options.warm_start is not None and 0 < len(opening.proposals) <= longest:
            canvas = opening.warm_canvas(self._config.mask_token_id, options.warm_start)
            temperature, num_spent = torch.tensor([options.temperature]), 0
        else:
            canvas, temperature, num_spent = self._open_rows(opening, request, options, cancel, longest)
        if canvas.is_valid.shape[1] > room:
            raise RequestError(
                f"The prompt and its hole take {opening.num_prompt_tokens + canvas.is_valid.shape[1]} tokens, "
                f"{self.model_name} sees {self._config.context_length}."
            )
        boundaries = Boundaries(self._vocabulary, opening.head.spelling, opening.tail.spelling)
        constraint = self._constrain(request, options, boundaries, longest)
        return _Prepared(canvas, boundaries, constraint, temperature, num_spent)

    def _open_rows(
        self, opening: Opening, request: InfillRequest, options: DecodeOptions, cancel: CancelToken, longest: int
    ) -> tuple[Canvas, Tensor, int]:
        """A canvas of masks, its rows' temperatures [B], and how many forwards it took to find their lengths."""
        num_spent = 0

        def sureness(num_masks: Sequence[int]) -> list[float]:
            nonlocal num_spent
            if cancel.is_cancelled:
                return [0.0] * len(num_masks)
            cache = self._open_cache(options)
            confidence = mean_confidence(opening.canvas(num_masks, self._config.mask_token_id), cache)
            num_spent += cache.num_forwards
            return confidence

        is_resizing = finds_length(self._config, request, options)
        rows = open_rows(request, options, can_resize=is_resizing, sureness=sureness)
        block_length = self._config.block_length if is_resizing else None
        num_masks = [opening.num_masks(row.num_masks, block_length, longest) for row in rows]
        canvas = opening.canvas(num_masks, self._config.mask_token_id)
        return canvas, torch.tensor([row.temperature for row in rows]), num_spent

    def _constrain(
        self, request: InfillRequest, options: DecodeOptions, boundaries: Boundaries, max_length: int
    ) -> Constraint:
        single_line, is_resizing = request.single_line, finds_length(self._config, request, options)
        if options.grammar == "json":
            return JsonConstraint(self._config, self._vocabulary, single_line=single_line, is_resizing=is_resizing)
        return Constraint(
            self._config,
            self._vocabulary,
            boundaries,
            single_line=single_line,
            is_line_begun=bool(request.prefix.rpartition("\n")[2].strip()),
            is_over=request.is_over,
            max_length=max_length,
            is_resizing=is_resizing,
            blocks=BlockPipeline(length, options) if (length := self._config.block_length) else None,
        )


class _Methods(NamedTuple):
    """The objects that the options of a request select; `predict` is the cache itself, or wraps it."""

    cache: CachePolicy
    predict: Predictor
    guides: list[Supervisor]
    judges: list[Judge]

    @property
    def num_forwards(self) -> int:
        return self.cache.num_forwards + sum(guide.num_forwards for guide in self.guides)


class _Prepared(NamedTuple):
    """A request, ready for the first step; `temperature` is [B], `num_spent` counts forwards used up so far."""

    canvas: Canvas
    boundaries: Boundaries
    constraint: Constraint
    temperature: Tensor
    num_spent: int
