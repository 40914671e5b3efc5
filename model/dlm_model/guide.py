"""A causal model beside the diffusion model: it reads drafts from left to right, and drafts nothing itself.

It checks what was committed (`Supervisor`), has a say in what is (`dlm_model.blend`), and tells which of several
candidates leads best from prefix to suffix. A checkpoint may bring its guide along in a folder `guide`: a causal
checkpoint, or an adapter that makes one of the weights themselves. A model whose prompt is causal has been trained as a
causal model too (`training.sequence.Example.teach`) and can guide itself.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from dlm_model.adapter import is_adapter
from dlm_model.canvas import Canvas
from dlm_model.causal_texts import CausalTexts
from dlm_model.checkpoint_files import read_config
from dlm_model.config import ModelConfig
from dlm_model.decode_options import SELF_GUIDE
from dlm_model.device import memory_errors
from dlm_model.errors import CheckpointError, RequestError
from dlm_model.families.dlm import DLM_SECTION
from dlm_model.precision import Precision
from dlm_model.request import DecodeOptions
from dlm_model.revision import Step
from dlm_model.tokenizer import Tokenizer
from dlm_model.transformer import LayerKV, Memory, Transformer
from dlm_model.weights import load_transformer

GUIDE_FOLDER = "guide"
# Of the suffix, what tells whether a middle leads to it; what follows is as likely behind any middle.
NUM_JUDGED_TOKENS = 48


class CausalReader:
    """A network read as an autoregressive language model: what it expects after a prefix, position by position.

    Attributes:
        network: The causal model.
        texts: Keeps what it knows of prefixes.
        num_forwards: Network calls so far, those over the prefix left out.
    """

    def __init__(self, network: Transformer, texts: CausalTexts, control_ids: Sequence[int] = ()) -> None:
        """Wrap a network.

        Args:
            network: The causal model.
            texts: What it knows of prefixes already.
            control_ids: Tokens of the diffusion model that are no text; the causal model neither reads nor expects any.
        """
        self.network = network
        self.texts = texts
        self.num_forwards = 0
        self._control_ids = torch.tensor(control_ids, dtype=torch.long)

    @torch.inference_mode()
    def logits(self, prefix_ids: Tensor, token_ids: Tensor, is_asked: Tensor) -> Tensor:
        """What stands at positions behind a prefix, each seen from what is left of it alone.

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
            layers = [
                LayerKV(layer.keys.expand(num_rows, -1, -1, -1), layer.values.expand(num_rows, -1, -1, -1))
                for layer in self.texts.read(prefix_ids[:-1])
            ]
            memory = Memory(layers, torch.arange(num_before, device=device).expand(num_rows, -1))
        own = torch.ones(num_columns, num_columns, dtype=torch.bool, device=device).tril()
        sees = torch.cat((own, torch.ones(num_columns, num_before, dtype=torch.bool, device=device)), dim=1)
        # One column further left: a causal model reads position i's prediction off position i-1.
        read_ids = torch.cat((prefix_ids[-1:].expand(num_rows, -1), token_ids[:, :-1]), dim=1)
        # What it has no word for, a mask or a control token, is read as its first: the end of a text.
        is_unknown = (read_ids >= self.network.config.vocab_size) | torch.isin(read_ids, self._control_ids)
        hidden = self.network(
            read_ids.masked_fill(is_unknown, 0).to(device),
            (num_before + torch.arange(num_columns, device=device)).expand(num_rows, -1),
            is_valid=sees.expand(num_rows, -1, -1),
            memory=memory,
        )
        self.num_forwards += 1
        logits = self.network.logits(hidden[is_asked.to(device)])
        known_ids = self._control_ids[self._control_ids < logits.shape[1]].to(device)
        return logits.index_fill(1, known_ids, -torch.inf)

    def log_likelihoods(self, canvas: Canvas) -> Tensor:
        """How probable each row is between its prompts, in nats, [B]: log P(draft, beginning of the suffix | prefix).

        What reading from both sides promises, a causal model can check: a middle that does not lead to the suffix
        makes the suffix improbable (left-to-right reranking, InCoder, arXiv 2204.05999). One forward.
        """
        judged, draft = canvas.suffix_ids[:NUM_JUDGED_TOKENS], canvas.as_draft()
        rows = [torch.cat((row[:length], judged)) for row, length in zip(draft.token_ids, draft.lengths, strict=True)]
        # What a deadline has left masked, or not carried out yet, spells nothing.
        texts = [row[~torch.isin(row, self._control_ids) & (row < self.network.config.vocab_size)] for row in rows]
        token_ids = torch.nn.utils.rnn.pad_sequence(texts, batch_first=True)
        is_text = torch.arange(token_ids.shape[1]) < torch.tensor([len(text) for text in texts])[:, None]
        logits = self.logits(canvas.prefix_ids, token_ids, is_text).float()
        own = logits.gather(1, token_ids[is_text][:, None].to(logits.device)).squeeze(1) - logits.logsumexp(dim=-1)
        return torch.zeros(token_ids.shape).masked_scatter(is_text, own.cpu()).sum(dim=1)


class Supervisor:
    """Reopens new tokens that a causal model objects to; the best new token of a step always stays.

    Guided diffusion after FlashDLM (github.com/ZhanqiuHu/flash-dlm-experimental): the guide reads prefix and draft,
    guesses included, once a step; a new token that it finds improbable is not committed there again.

    Args:
        reader: The causal model.
        options: Say how improbable a token has to be, and how often a row may be revised.
    """

    def __init__(self, reader: CausalReader, options: DecodeOptions) -> None:
        self._reader = reader
        self._options = options

    def __call__(self, canvas: Canvas, step: Step) -> Canvas:
        """One forward over the draft, if the step has committed anything that may be revised."""
        is_checked = step.is_new & ~step.is_best & ~step.is_fixed & canvas.is_committed
        if not is_checked.any() or not len(canvas.prefix_ids):
            return canvas
        logits = self._reader.logits(canvas.prefix_ids, canvas.as_draft().token_ids, is_checked)
        probabilities = logits.float().softmax(dim=-1)
        own_ids = canvas.token_ids[is_checked].clamp_max(probabilities.shape[1] - 1).to(logits.device)
        own = probabilities.gather(1, own_ids[:, None]).squeeze(1)
        is_refused = (own < self._options.guide_agreement * probabilities.amax(dim=-1)).cpu()
        refused = torch.zeros_like(is_checked).masked_scatter(is_checked, is_refused)
        return canvas.reject(refused, limit=self._options.max_revisions)


class Guides:
    """The causal models at hand: the model's own guide, and the last one that a request has named.

    Args:
        network: The diffusion model.
        texts: What it knows of prefixes and suffixes.
        tokenizer: Its tokenizer, which every guide must share.
        companion: The guide that came with it, if one did.
    """

    def __init__(
        self, network: Transformer, texts: CausalTexts, tokenizer: Tokenizer, companion: Transformer | None
    ) -> None:
        self._network, self._tokenizer = network, tokenizer
        config = network.config
        self._control_ids = config.control_token_ids
        self._is_causal = config.prompt_attention == "causal" and config.shift_logits
        self._known: dict[str, tuple[Transformer, CausalTexts]] = {}
        self.has_companion = companion is not None
        if companion is not None:
            self._own = companion, CausalTexts(companion)
        else:
            self._own = network, texts

    def open(self, guide: str) -> CausalReader:
        """A reader of the model's own guide, which may be the model itself (`self`), or of the one in a folder.

        Raises:
            RequestError: `self`, and there is none.
            CheckpointError: the other model cannot be loaded.
            DeviceError: the device has not enough memory for it.
        """
        if guide == SELF_GUIDE:
            if not (self.has_companion or self._is_causal):
                raise RequestError("This model has no causal prompt and cannot guide itself; name a causal model.")
            return CausalReader(*self._own, self._control_ids)
        if guide not in self._known:
            device, dtype = self._network.device, self._network.embed_tokens.weight.dtype
            network = load_guide(Path(guide), self._tokenizer, device=device, dtype=dtype)
            self._known = {guide: (network, CausalTexts(network))}
        return CausalReader(*self._known[guide], self._control_ids)


def load_companion(
    folder: Path, network: Transformer, tokenizer: Tokenizer, *, precision: Precision
) -> Transformer | None:
    """The guide that a checkpoint folder brings along; None if it brings none.

    Args:
        folder: The checkpoint.
        network: Its model, loaded; a guide that is an adapter shares its embedding.
        tokenizer: Its tokenizer.
        precision: In how many bits the matrices of an adapted guide are held.

    Raises:
        CheckpointError: it is broken, or has another tokenizer.
        DeviceError: the device has not enough memory for it.
    """
    guide = folder / GUIDE_FOLDER
    if not guide.is_dir():
        return None
    device, dtype = network.device, network.embed_tokens.weight.dtype
    if not is_adapter(guide):
        return load_guide(guide, tokenizer, device=device, dtype=dtype)
    adapted = load_transformer(folder, network.config, device=device, dtype=dtype, precision=precision, adapter=guide)
    adapted.embed_tokens = network.embed_tokens
    return adapted


def load_guide(folder: Path, tokenizer: Tokenizer, *, device: torch.device, dtype: torch.dtype) -> Transformer:
    """Load a causal checkpoint that spells as the diffusion model does.

    Raises:
        CheckpointError: it is not there, broken, or has another tokenizer.
        DeviceError: the device has not enough memory for it.
    """
    if not folder.is_dir():
        raise CheckpointError(f"There is no model folder {folder}.")
    # A causal model knows no masks; the reader of config files asks for one.
    section = {DLM_SECTION: {"mask_token_id": 0}}
    config = ModelConfig.from_dict(section | read_config(folder), source=folder.name)
    spellings = Tokenizer.from_checkpoint(folder, config.vocab_size).token_bytes
    shared = min(len(spellings), len(tokenizer.token_bytes))
    if spellings[:shared] != tokenizer.token_bytes[:shared]:
        raise CheckpointError(f"The guide {folder.name} has another tokenizer than the model that it should guide.")
    with memory_errors():
        return load_transformer(folder, config, device=device, dtype=dtype)
