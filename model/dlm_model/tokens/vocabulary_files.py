"""vocab.json and merges.txt → tokenizer, for checkpoints that ship no tokenizer.json.

The Dream family ships none: its tokenizer is a Python class that does the same as Qwen2's. No code of a checkpoint is
ever run, so only Qwen2's way of cutting text into words is known here.
"""

from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, normalizers, pre_tokenizers
from tokenizers.models import BPE

from dlm_model.errors import CheckpointError
from dlm_model.network.checkpoint_files import TOKENIZER_CONFIG_FILE, CheckpointFiles, read_json

VOCABULARY_FILE = "vocab.json"
MERGES_FILE = "merges.txt"
CUTS_LIKE_QWEN2 = ("Qwen2Tokenizer", "Qwen2TokenizerFast", "DreamTokenizer")

_WORD = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
"""The words of Qwen2, as its published tokenizer.json has them."""


def from_vocabulary(files: CheckpointFiles, folder: Path) -> Tokenizer:
    """Build the tokenizer of a checkpoint folder.

    Raises:
        CheckpointError: its class is not known to cut like Qwen2's, or a file is missing or broken.
    """
    named = read_json(folder / TOKENIZER_CONFIG_FILE).get("tokenizer_class")
    if named not in CUTS_LIKE_QWEN2:
        known = ", ".join(CUTS_LIKE_QWEN2)
        raise CheckpointError(
            f"{files.source} has no tokenizer.json, and how its tokenizer class {named!r} cuts text is known only to "
            f"the checkpoint's code, which is never run (known here: {known})."
        )
    vocabulary, merges = folder / VOCABULARY_FILE, folder / MERGES_FILE
    try:
        tokenizer = Tokenizer(BPE.from_file(str(vocabulary), str(merges)))
    except Exception as error:
        raise CheckpointError(f"{vocabulary} and {merges.name} are not a tokenizer: {error}.") from error
    tokenizer.normalizer = normalizers.NFC()
    words = pre_tokenizers.Split(Regex(_WORD), "isolated")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [words, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    _add_tokens(tokenizer, files)
    return tokenizer


def _add_tokens(tokenizer: Tokenizer, files: CheckpointFiles) -> None:
    """Add what the vocabulary lacks, at the ids that the checkpoint gives it."""
    for content, token_id in sorted(files.added_tokens.items(), key=lambda item: item[1]):
        tokenizer.add_special_tokens([AddedToken(content, special=True, normalized=False)])
        if (given := tokenizer.token_to_id(content)) != token_id:
            raise CheckpointError(f"{files.source}: token {content!r} should be {token_id}, and would be {given}.")
