"""From a causal checkpoint of any known kind to the folder that a run starts from."""

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

from dlm_model.errors import CheckpointError
from dlm_model.families.dlm import DLM_SECTION
from dlm_model.network.checkpoint_files import read_config
from dlm_model.network.config import ModelConfig
from dlm_model.tokens.tokenizer import Tokenizer
from dlm_model.training.atomic import creating_folder
from dlm_model.training.initialize import initialize


def write_start(source: Path, folder: Path, *, shift_logits: bool = True) -> None:
    """Write a GGUF file or a Hugging Face folder, with the tokens that infilling needs, into `folder`.

    Args:
        source: The causal checkpoint, or one that was trained to infill already, which is copied as it is.
        folder: Where to; nothing is there if anything goes wrong.
        shift_logits: Whether the head stays shifted, as the causal model's is.

    Raises:
        CheckpointError: the source is no readable checkpoint.
        ValueError: `folder` has something in it already.
    """
    with creating_folder(folder) as partial, TemporaryDirectory() as imported:
        if source.suffix == ".gguf":
            _import_gguf(source, Path(imported))
            source = Path(imported)
        if DLM_SECTION in read_config(source):
            shutil.copytree(source, partial, dirs_exist_ok=True)
            return
        initialize(source, partial, shift_logits=shift_logits)
        # A layout or a tokenizer that cannot be run is reported now, and not by the training.
        Tokenizer.from_checkpoint(partial, ModelConfig.from_checkpoint(partial).vocab_size)


def _import_gguf(path: Path, folder: Path) -> None:
    try:
        # Imported late: its package is in the extra `train` alone, and a start from safetensors works without it.
        from dlm_model.training.gguf_import import import_gguf  # noqa: PLC0415
    except ImportError as error:
        raise CheckpointError(f"reading {path.name} needs a package: pip install 'dlm-lsp[train]' ({error})") from error
    import_gguf(path, folder)
