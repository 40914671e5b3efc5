"""Guided diffusion: a causal model checks what the diffusion model has committed, in one forward per step.

After FlashDLM (github.com/ZhanqiuHu/flash-dlm-experimental). The guide drafts nothing. It reads the prefix and the row
as it stands, guesses included, left to right; a new token that it finds improbable is reopened and not committed there
again. A model whose prompt is causal has been trained as a causal model too (`training.sequence.Example.teach`) and
can guide itself.
"""

from pathlib import Path

import torch
from torch import Tensor

from dlm_model.canvas import Canvas
from dlm_model.causal_texts import CausalTexts
from dlm_model.checkpoint_files import read_config
from dlm_model.config import ModelConfig
from dlm_model.device import memory_errors
from dlm_model.errors import CheckpointError
from dlm_model.families.dlm import DLM_SECTION
from dlm_model.layout import whole_positions, whole_tokens
from dlm_model.request import DecodeOptions
from dlm_model.revision import Step
from dlm_model.tokenizer import Tokenizer
from dlm_model.transformer import LayerKV, Memory, Transformer
from dlm_model.weights import load_transformer


class CausalReader:
    """A network read as an autoregressive language model: what it expects after a prefix, position by position.

    Attributes:
        network: The causal model.
        texts: Keeps what it knows of prefixes.
        num_forwards: Network calls so far, those over the prefix left out.
    """

    def __init__(self, network: Transformer, texts: CausalTexts) -> None:
        self.network = network
        self.texts = texts
        self.num_forwards = 0

    @torch.inference_mode()
    def logits(self, canvas: Canvas) -> Tensor:
        """What stands at each position of a canvas, seen from what is left of it alone, [B, T, V].

        The prefix has one token at least.
        """
        num_prefix, num_columns = len(canvas.prefix_ids), canvas.token_ids.shape[1]
        device = self.network.device
        # One column further left: a causal model reads position i's prediction off position i-1.
        columns = slice(num_prefix - 1, num_prefix + num_columns - 1)
        num_rows = len(canvas.lengths)
        memory = None
        if num_prefix > 1:
            layers = [
                LayerKV(layer.keys.expand(num_rows, -1, -1, -1), layer.values.expand(num_rows, -1, -1, -1))
                for layer in self.texts.read(canvas.prefix_ids[:-1])
            ]
            memory = Memory(layers, torch.arange(num_prefix - 1, device=device).expand(num_rows, -1))
        own = torch.ones(num_columns, num_columns, dtype=torch.bool).tril()
        sees = torch.cat((own, torch.ones(num_columns, num_prefix - 1, dtype=torch.bool)), dim=1)
        token_ids = whole_tokens(canvas)[:, columns]
        hidden = self.network(
            # What the guide has no word for, a mask or a control token, is read as its first: the end of a text.
            token_ids.masked_fill(token_ids >= self.network.config.vocab_size, 0).to(device),
            whole_positions(canvas)[:, columns].to(device),
            is_valid=sees.expand(num_rows, -1, -1).to(device),
            memory=memory,
        )
        self.num_forwards += 1
        return self.network.logits(hidden)


class Supervisor:
    """Reopens new tokens that a causal model objects to; the best new token of a step always stays.

    Args:
        reader: The causal model.
        options: Say how improbable a token has to be, and how often a row may be revised.
    """

    def __init__(self, reader: CausalReader, options: DecodeOptions) -> None:
        self._reader = reader
        self._options = options

    @property
    def num_forwards(self) -> int:
        """Network calls of this request so far."""
        return self._reader.num_forwards

    def __call__(self, canvas: Canvas, step: Step) -> Canvas:
        """One forward over the draft, if the step has committed anything that may be revised."""
        is_checked = step.is_new & ~step.is_best & ~step.is_fixed & canvas.is_committed
        if not is_checked.any() or not len(canvas.prefix_ids):
            return canvas
        probabilities = self._reader.logits(canvas.as_draft()).float().softmax(dim=-1).cpu()
        own = probabilities.gather(2, canvas.token_ids[..., None].clamp_max(probabilities.shape[2] - 1)).squeeze(-1)
        is_refused = own < self._options.guide_agreement * probabilities.amax(dim=-1)
        return canvas.reject(is_checked & is_refused, limit=self._options.max_revisions)


def load_guide(folder: Path, tokenizer: Tokenizer, *, device: torch.device, dtype: torch.dtype) -> CausalReader:
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
        network = load_transformer(folder, config, device=device, dtype=dtype)
    return CausalReader(network, CausalTexts(network))
