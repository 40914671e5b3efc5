"""The engine: an infill request in, drafts out.

    InfillRequest ─preparation→ Canvas ─denoise⟳→ Canvas, Canvas, … ─drafts→ Draft, Draft, …

Start reading at `Engine.infill`; the loop that it drives is `dlm_model.denoise`. Everything between text and text
happens below this module: callers see no token, and no tensor.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from dlm_model.autoregression import continue_prefix
from dlm_model.cache.prefix_cache import PrefixCache
from dlm_model.decode_options import SELF_GUIDE, DecodeOptions
from dlm_model.decoding import Decoder
from dlm_model.denoise import denoise
from dlm_model.device import device_errors, disable_cudnn_attention, release_memory, resolve_device
from dlm_model.drafts import drafts_of
from dlm_model.errors import CheckpointError
from dlm_model.guides.guide import FindGuide, Guides, load_companion
from dlm_model.network.checkpoint_files import published_name
from dlm_model.network.config import ModelConfig
from dlm_model.network.loading import load_network
from dlm_model.network.precision import Precision
from dlm_model.network.transformer import Transformer
from dlm_model.pace import Pace
from dlm_model.preparation import Preparation
from dlm_model.request import CancelToken, Draft, InfillRequest
from dlm_model.steps.order import CommitOrder, load_order
from dlm_model.tokens.tokenizer import Tokenizer
from dlm_model.tokens.vocabulary import Vocabulary

DEFAULT_CHECKPOINT = Path(__file__).parent / "checkpoints" / "smollm2-135m-infill"


def checkpoint_folder(model: str | None) -> Path:
    """The folder of a checkpoint; None is the one that ships with this package."""
    return DEFAULT_CHECKPOINT if model is None else Path(model)


def load_engine(
    model: str | None = None,
    device: str = "auto",
    precision: Precision = "auto",
    *,
    find_guide: FindGuide = os.path.expanduser,
) -> "Engine":
    """Load a checkpoint folder onto a device.

    Args:
        model: Folder of a checkpoint; None is the one that ships with this package.
        device: As torch spells it; `auto` takes the first CUDA GPU and otherwise the CPU.
        precision: In how many bits the matrices are held there.
        find_guide: Finds the folder of a guide that a request names.

    Raises:
        CheckpointError: there is no such checkpoint, or it is broken.
        DeviceError: there is no such device, it has not enough memory, or it does not support the precision.
    """
    folder = checkpoint_folder(model)
    if not folder.is_dir():
        raise CheckpointError(f"There is no model folder {folder}.")
    folder = folder.resolve()  # of some families only the published name says how their models attend
    target = resolve_device(device)
    config = ModelConfig.from_checkpoint(folder)
    tokenizer = Tokenizer.from_checkpoint(folder, config.vocab_size)
    network = load_network(folder, config, target, precision=precision)
    companion = load_companion(folder, network, tokenizer, precision)
    if target.type == "cuda":
        disable_cudnn_attention()
    name, order = published_name(folder), load_order(folder)
    return Engine(network, tokenizer, name, order, companion=companion, precision=precision, find_guide=find_guide)


class Engine:
    """One loaded model. Not thread-safe: one caller at a time owns it and its device.

    Attributes:
        model_name: Short name for people.
        tokenizer: Text to token ids and back.
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
        find_guide: FindGuide = os.path.expanduser,
    ) -> None:
        self.model_name, self.tokenizer = model_name, tokenizer
        self._config = network.config
        # Control tokens add no text, whatever the tokenizer says they spell.
        control = set(self._config.control_token_ids)
        self._vocabulary = Vocabulary([b"" if i in control else text for i, text in enumerate(tokenizer.token_bytes)])
        prefix_cache = PrefixCache(network, network.config.block_length or 1)
        guides = Guides(network, prefix_cache, tokenizer, companion, precision, find=find_guide)
        decoder = Decoder(network, guides, prefix_cache, order, self._vocabulary)
        # Holds all weights and prompts; None once the engine is closed.
        self._preparation: Preparation | None = Preparation(
            self._config, tokenizer, self._vocabulary, decoder, model_name
        )

    @property
    def preparation(self) -> Preparation:
        """Turns a request into the canvas of its first step.

        This and the next two are for measuring an engine or taking it apart.

        Raises:
            RuntimeError: the engine is closed.
        """
        if self._preparation is None:
            raise RuntimeError("the engine is closed")
        return self._preparation

    @property
    def decoder(self) -> Decoder:
        """Everything kept from request to request."""
        return self.preparation.decoder

    @property
    def network(self) -> Transformer:
        """The diffusion model itself."""
        return self.decoder.network

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
        """Whether the model reads the text after a hole."""
        return self._config.sees_suffix

    def count_tokens(self, text: str) -> int:
        """Tokens of a text on its own."""
        return self.tokenizer.count(text)

    def forget(self, document: str | None = None) -> None:
        """Forget the prompts of a document, or all, also the guides'; the next request reads its prompt anew."""
        self.decoder.forget(document)

    def close(self) -> None:
        """Free the memory of weights and prompts, on the device too; a second call does nothing.

        The engine cannot be used afterwards.
        """
        if self._preparation is not None:
            self._preparation = None
            release_memory()

    def infill(self, request: InfillRequest, options: DecodeOptions, cancel: CancelToken) -> Iterator[Draft]:
        """Fill the hole, one draft per denoise step, and one more that says why it ended.

        Each step runs when its draft is asked for. Nothing is checked before the first draft, so errors are raised
        there and not by the call.

        Raises:
            RequestError: prompt and middle do not fit the model's context, or an option needs what this model lacks.
            CheckpointError: the guide cannot be loaded.
            DeviceError: the device runs out of memory, or fails.
        """
        pace = Pace(options)
        with device_errors():
            ready = self.preparation.prepare(request, options, pace, cancel)
            decoding = self.decoder.open(ready, pace, cancel)
            pace.follow(decoding.cache.is_prefill, must_fill=not ready.constraint.is_resizing)
        steps = denoise(ready.canvas, decoding, ready.constraint, ready.options, pace=pace, cancel=cancel)
        yield from drafts_of(steps, ready, decoding, pace=pace, cancel=cancel)

    def continue_text(
        self, request: InfillRequest, options: DecodeOptions, cancel: CancelToken, *, guide: str = SELF_GUIDE
    ) -> Iterator[Draft]:
        """Continue the prefix from left to right, blind to the suffix: one draft per token; the last says why it ended.

        As lazy as `infill`.

        Args:
            request: Only `prefix`, `single_line`, `expected_tokens` and `document` count.
            options: Only `max_middle_tokens` counts.
            cancel: Polled once per token.
            guide: The causal model: the folder of a checkpoint, or `self` for the model's own guide.

        Raises:
            RequestError: the guide is `self`, but this model has neither a guide nor a causal prompt.
            CheckpointError: the other model cannot be loaded.
        """
        limit = min(request.expected_tokens, options.max_middle_tokens)
        reader = self.decoder.guides.open(guide, request.document)
        # A causal model needs a token to read on from; a text after a line break begins as an empty document does.
        prefix_ids = self.tokenizer.encode(request.prefix or "\n").ids
        with device_errors():
            yield from continue_prefix(
                reader, self._vocabulary, prefix_ids, limit, cancel, single_line=request.single_line
            )
