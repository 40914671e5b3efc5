"""The engine: an infill request in, drafts out.

    InfillRequest ─preparation→ Canvas ─denoise⟳→ Canvas, Canvas, … ─drafts→ Draft, Draft, …

Start reading at `Engine.infill`; the loop that it drives is `dlm_model.denoise`. Everything between text and text
happens below this module: callers see no token, and no tensor.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from dlm_model.autoregression import LeftToRight
from dlm_model.cache.prefix_cache import PrefixCache
from dlm_model.canvas import Canvas
from dlm_model.decode_options import SELF_GUIDE, DecodeOptions
from dlm_model.decoding import Decoder, Decoding
from dlm_model.denoise import denoise
from dlm_model.device import avoid_plans_by_shape, device_errors, release_memory, resolve_device
from dlm_model.drafts import RowReader, finish_reasons
from dlm_model.errors import CheckpointError
from dlm_model.guides.guide import Guides, load_companion
from dlm_model.network.checkpoint_files import published_name
from dlm_model.network.config import ModelConfig
from dlm_model.network.loading import load_network
from dlm_model.network.precision import Precision
from dlm_model.network.transformer import Transformer
from dlm_model.pace import Pace
from dlm_model.preparation import Preparation, Prepared
from dlm_model.request import CancelToken, Draft, FinishReason, InfillRequest
from dlm_model.rules.length import INITIAL_TOKENS, suitability
from dlm_model.rules.suffix_end import SuffixEnd, ends_at_suffix
from dlm_model.steps.order import CommitOrder, load_order
from dlm_model.steps.revision import rechecks
from dlm_model.steps.syntax import SyntaxReviser
from dlm_model.tokens.tokenizer import Tokenizer
from dlm_model.tokens.vocabulary import Vocabulary

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
    network = load_network(folder, config, target, precision=precision)
    companion = load_companion(folder, network, tokenizer, precision)
    if target.type == "cuda":
        avoid_plans_by_shape()
    name, order = published_name(folder.resolve()), load_order(folder)
    return Engine(network, tokenizer, model_name=name, order=order, companion=companion, precision=precision)


class Engine:
    """One loaded model. Not thread-safe: one caller at a time owns it and its device.

    Attributes:
        model_name: Short name for people.
        network: The diffusion model itself; this and the following are for those who measure an engine or take it
            apart.
        tokenizer: Text to token ids and back.
        decoder: What it remembers from request to request.
        preparation: Turns a request into the canvas of its first step.
    """

    def __init__(
        self,
        network: Transformer,
        tokenizer: Tokenizer,
        model_name: str,
        order: CommitOrder | None = None,
        *,
        companion: Transformer | None = None,
        precision: Precision = "auto",
    ) -> None:
        self.model_name, self.network, self.tokenizer = model_name, network, tokenizer
        self._config = network.config
        prefix_cache = PrefixCache(network, network.config.block_length or 1)
        guides = Guides(network, prefix_cache, tokenizer, companion, precision)
        self.decoder = Decoder(network, guides, prefix_cache, order)
        # Control tokens add no text, whatever the tokenizer says they spell.
        control = set(self._config.control_token_ids)
        self._vocabulary = Vocabulary([b"" if i in control else text for i, text in enumerate(tokenizer.token_bytes)])
        self.preparation = Preparation(self._config, tokenizer, self._vocabulary, self.decoder, model_name)

    @property
    def device(self) -> str:
        """Where the weights live, as torch spells it."""
        return str(self.network.device)

    @property
    def context_length(self) -> int:
        """Tokens that prefix, middle and suffix may have together."""
        ends = (self._config.bos_token_id, self._config.eos_token_id)
        return self._config.context_length - sum(token_id is not None for token_id in ends)

    @property
    def sees_suffix(self) -> bool:
        """Whether the model looks at what stands after a hole."""
        return self._config.sees_suffix

    @property
    def can_resize(self) -> bool:
        """Whether the model finds the length of a middle itself."""
        return self._config.can_resize

    def count_tokens(self, text: str) -> int:
        """Tokens of a text on its own."""
        return self.tokenizer.count(text)

    def forget(self, document: str | None = None) -> None:
        """Forget the prompts of a document, or all, the guides' included: the next request reads its own anew."""
        self.decoder.forget(document)

    def close(self) -> None:
        """Give the memory of weights and prompts back, to the device too; the engine is of no use afterwards."""
        del self.network, self.decoder, self.preparation
        release_memory()

    def infill(self, request: InfillRequest, options: DecodeOptions, cancel: CancelToken) -> Iterator[Draft]:
        """Fill the hole, one draft per denoise step, and one more that says why it ended.

        Raises:
            RequestError: prompt and middle do not fit the model's context, or an option needs what this model lacks.
            CheckpointError: the guide cannot be loaded.
            DeviceError: the device runs out of memory, or fails.
        """
        pace = Pace(options)
        self.decoder.read_for(request.document)
        with device_errors():
            ready = self.preparation.prepare(request, options, lambda: cancel.is_cancelled or pace.is_half_over)
            options = ready.options
            decoding = self.decoder.open(options, ready.rows, ready.constraint.line_end)
            pace.follow(decoding.cache.is_prefill, must_fill=not ready.constraint.is_resizing)
        reader = RowReader(self._vocabulary, ready.boundaries, self._config.end_token_ids)
        syntax = SyntaxReviser(request.syntax, reader, options) if request.syntax and options.syntax_tries else None
        suffix_end = None
        if decoding.guide and self.sees_suffix and ends_at_suffix(request, options):
            suffix_end = SuffixEnd(
                decoding.guide, self._vocabulary, ready.boundaries, pace=pace, cancel=cancel, syntax=request.syntax
            )
        steps = denoise(
            ready.canvas,
            decoding.predict,
            ready.constraint,
            options,
            temperature=torch.tensor([row.temperature for row in ready.rows]),
            pace=pace,
            cancel=cancel,
            revisers=[*rechecks(ready.canvas), *decoding.revisers],
            judges=decoding.judges,
            suffix_end=suffix_end,
            syntax=syntax,
        )
        # Commits stay unless a token may be taken back, as in the way of what must be kept, or another of several
        # candidates may turn out better.
        may_change = bool(decoding.revisers or syntax or ready.canvas.is_kept.any()) or len(ready.rows) > 1
        yield from _Drafts(ready, decoding, reader, pace, cancel, suffix_end, may_change).of(steps)

    def continue_text(
        self, request: InfillRequest, options: DecodeOptions, cancel: CancelToken, *, guide: str = SELF_GUIDE
    ) -> Iterator[Draft]:
        """Continue the prefix from left to right, blind to the suffix: one draft per token; the last says why it ended.

        Args:
            request: Only `prefix`, `single_line` and `expected_tokens` count.
            options: Only `max_middle_tokens` counts.
            cancel: Polled once per token.
            guide: The causal model: the folder of a checkpoint, or `self` for the model's own guide.

        Raises:
            RequestError: `self`, and this model has none, nor a causal prompt.
            CheckpointError: the other model cannot be loaded.
        """
        self.decoder.read_for(request.document)
        limit = min(request.expected_tokens or INITIAL_TOKENS, options.max_middle_tokens)
        writer = LeftToRight(self.decoder.guides.open(guide), self._vocabulary)
        prefix_ids = self.tokenizer.encode(request.prefix or "\n").ids
        with device_errors():
            yield from writer.drafts(prefix_ids, limit, cancel, single_line=request.single_line)


@dataclass(frozen=True, slots=True)
class _Drafts:
    """Makes the drafts of one request from its canvases.

    Attributes:
        ready: The request, prepared.
        decoding: What decodes it.
        reader: Reads its canvases as text.
        pace: Counts its steps.
        cancel: Whether nobody wants it any more.
        suffix_end: What cuts its rows back, if anything does.
        may_change: Whether a later step may take back any token that is committed, or another candidate be shown.
    """

    ready: Prepared
    decoding: Decoding
    reader: RowReader
    pace: Pace
    cancel: CancelToken
    suffix_end: SuffixEnd | None
    may_change: bool

    def of(self, steps: Iterator[Canvas]) -> Iterator[Draft]:
        """One draft of the canvas after each step, and one more of the last canvas, with all candidates."""
        latest, shown, suits = self.ready.canvas, None, None
        with device_errors():
            for latest in steps:
                # Keep showing the row that looked best first: a draft should sharpen, not jump between candidates.
                if shown is None:
                    suits = None if self.ready.constraint.is_resizing else suitability(latest, self.ready.rows)
                    shown = self.reader.rank(latest, suits=suits)[0]
                yield self._after_step(latest, shown)
            finished = latest if self.cancel.is_cancelled else self.ready.constraint.cut_off(latest)
            is_late = self.cancel.is_cancelled or self.pace.is_over
            likelihoods = None if is_late else self.decoding.log_likelihoods(finished)
            order = self.reader.rank(finished, likelihoods, self.ready.constraint.flaws(finished), suits)
        is_cut_short = self.ready.constraint.is_cut_short(latest)
        yield self._final(finished, order, finish_reasons(latest, is_cut_short, is_cancelled=self.cancel.is_cancelled))

    def _after_step(self, canvas: Canvas, row: int) -> Draft:
        num_settled = self.suffix_end.num_settled(row) if self.suffix_end else None
        return Draft(
            pieces=self.reader.pieces(canvas, row),
            step=self.pace.step,
            num_steps=self.ready.options.num_steps,
            num_forwards=self.ready.num_forwards + self.decoding.num_forwards,
            elapsed_ms=self.pace.elapsed_ms,
            num_final=0 if self.may_change else num_settled,
        )

    def _final(self, canvas: Canvas, order: list[int], reasons: list[FinishReason]) -> Draft:
        return replace(
            self._after_step(canvas, order[0]),
            num_final=None,
            finish_reason=reasons[order[0]],
            candidates=self.reader.candidates(canvas, order, reasons, self.ready.options.num_candidates),
        )
