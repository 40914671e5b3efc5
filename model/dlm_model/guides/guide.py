"""Which causal model guides a diffusion model: the one that came with it, the model itself, or any in a folder.

A checkpoint may bring its guide along in a folder `guide`: a causal checkpoint, or an adapter that turns the weights
themselves into one. A model whose prompt is causal has been trained as a causal model too
(`training.sequence.Example.teach`) and can guide itself. A guide drafts nothing. It has a say in every commit (`blend`)
or checks it (`check`), and judges which of several candidates leads best from prefix to suffix
(`CausalReader.log_likelihoods`).
"""

import os
from collections.abc import Callable
from pathlib import Path

import torch

from dlm_model.cache.prefix_cache import PrefixCache
from dlm_model.decode_options import SELF_GUIDE
from dlm_model.device import release_memory
from dlm_model.errors import CheckpointError, RequestError
from dlm_model.families.dlm import DLM_SECTION
from dlm_model.guides.causal_reader import CausalReader
from dlm_model.guides.own_prompt import OwnPrompt, with_own_ends
from dlm_model.network.adapter import is_adapter
from dlm_model.network.checkpoint_files import CheckpointFiles
from dlm_model.network.config import ModelConfig
from dlm_model.network.loading import load_network
from dlm_model.network.precision import Precision
from dlm_model.network.transformer import Transformer
from dlm_model.tokens.tokenizer import Tokenizer

GUIDE_FOLDER = "guide"

FindGuide = Callable[[str], str]
"""Name of a guide in a request → its folder. Raises CheckpointError if there is none of that name."""


class Guides:
    """The causal models at hand: the model's own guide, and the last one that a request has named.

    Args:
        network: The diffusion model.
        prefix_cache: Its keys and values of prefixes and suffixes.
        tokenizer: Its tokenizer, which every guide must share.
        companion: The guide that came with it, if one did.
        precision: In how many bits the matrices of a guide that a request names are held.
        find: Finds the folder of a guide that a request names.
    """

    def __init__(
        self,
        network: Transformer,
        prefix_cache: PrefixCache,
        tokenizer: Tokenizer,
        companion: Transformer | None,
        precision: Precision,
        *,
        find: FindGuide = os.path.expanduser,
    ) -> None:
        self._network, self._tokenizer, self._precision, self._find = network, tokenizer, precision, find
        config = network.config
        self._control_ids = config.control_token_ids
        self._is_causal = config.prompt_attention == "causal" and config.shift_logits
        self._named: dict[str, tuple[Transformer, PrefixCache]] = {}
        self.has_companion = companion is not None
        if companion is not None:
            self._own = companion, PrefixCache(companion)
        else:
            self._own = network, prefix_cache

    def open(self, guide: str, document: str) -> CausalReader:
        """A guide that reads a document.

        Args:
            guide: `self` for the model's own, which may be the model itself, or the name of another.
            document: The document of the prefixes that it reads.

        If the named model cannot be used, the guide that is loaded stays loaded.

        Raises:
            RequestError: `self`, and there is none.
            CheckpointError: the other model is not there, or cannot be loaded.
            DeviceError: the device has not enough memory for it.
        """
        if guide == SELF_GUIDE:
            if not (self.has_companion or self._is_causal):
                raise RequestError("This model has no causal prompt and cannot guide itself; name a causal model.")
            return self._reader(document, *self._own)
        folder = self._find(guide)
        if folder not in self._named:
            config = _usable_config(Path(folder), self._tokenizer)
            self._named.clear()  # before the next one is loaded: the device may not hold both
            release_memory()
            network = load_network(Path(folder), config, self._network.device, precision=self._precision)
            self._named[folder] = network, PrefixCache(network)
        return self._reader(document, *self._named[folder])

    def forget(self, document: str | None = None) -> None:
        """Forget the prompts of a document, or all."""
        for _, prefix_cache in (self._own, *self._named.values()):
            prefix_cache.forget(document)

    def _reader(self, document: str, network: Transformer, prefix_cache: PrefixCache) -> CausalReader:
        prompt = OwnPrompt(network.config, self._network.config.bos_token_id, self._tokenizer.token_bytes)
        return CausalReader(network, prefix_cache, self._control_ids, prompt, document=document)


def load_companion(
    folder: Path, network: Transformer, tokenizer: Tokenizer, precision: Precision
) -> Transformer | None:
    """The guide that a checkpoint folder brings along; None if it brings none.

    Args:
        folder: The checkpoint.
        network: Its model, loaded; a guide that is an adapter shares its embedding.
        tokenizer: Its tokenizer.
        precision: In how many bits the guide's matrices are held.

    Raises:
        CheckpointError: it is broken, or has another tokenizer.
        DeviceError: the device has not enough memory for it.
    """
    guide = folder / GUIDE_FOLDER
    if not guide.is_dir():
        return None
    if not is_adapter(guide):
        return load_guide(guide, tokenizer, network.device, precision)
    return load_network(folder, network.config, network.device, precision=precision, adapter=guide, like=network)


def load_guide(folder: Path, tokenizer: Tokenizer, target: torch.device, precision: Precision) -> Transformer:
    """Load a causal checkpoint that has the diffusion model's tokenizer.

    Raises:
        CheckpointError: it is not there, broken, or has another tokenizer.
        DeviceError: the device has not enough memory for it.
    """
    return load_network(folder, _usable_config(folder, tokenizer), target, precision=precision)


def _usable_config(folder: Path, tokenizer: Tokenizer) -> ModelConfig:
    """The config of a causal checkpoint whose tokenizer is the diffusion model's; no weight is read.

    Raises:
        CheckpointError: it is not there, broken, or has another tokenizer.
    """
    if not folder.is_dir():
        raise CheckpointError(f"There is no model folder {folder}.")
    config = guide_config(folder)
    spellings = Tokenizer.from_checkpoint(folder, config.vocab_size).token_bytes
    shared = min(len(spellings), len(tokenizer.token_bytes))
    if spellings[:shared] != tokenizer.token_bytes[:shared]:
        raise CheckpointError(f"The guide {folder.name} does not have the tokenizer of the model that it should guide.")
    return config


def guide_config(folder: Path) -> ModelConfig:
    """The config of a causal checkpoint.

    Raises:
        CheckpointError: it is missing, broken or not supported.
    """
    # A causal model knows no masks; the reader of config files asks for one.
    section, files = {DLM_SECTION: {"mask_token_id": 0}}, CheckpointFiles.read(folder)
    return with_own_ends(ModelConfig.from_dict(section | dict(files.config), source=folder.name), files)
