"""Text ↔ token ids, and facts about single tokens that the decoder needs: their bytes, and the words they belong to.

Knows nothing of canvases. Only byte-level BPE is supported, which is what every open diffusion language model uses;
a token is then a byte string, and any text can be spelled in many ways.
"""

from collections.abc import Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import NamedTuple

from tokenizers import AddedToken
from tokenizers import Tokenizer as HFTokenizer

from dlm_model.errors import CheckpointError
from dlm_model.network.checkpoint_files import TOKENIZER_FILE, CheckpointFiles
from dlm_model.tokens.vocabulary_files import VOCABULARY_FILE, from_vocabulary

_REMEMBERED_LINES = 4096
_LONGEST_LINE = 200  # characters; longer texts are rare, and would take much memory


class Encoding(NamedTuple):
    """Token ids of a text, and for each the index of the pre-token ("word") it is a part of."""

    ids: list[int]
    word_ids: list[int]


class Tokenizer:
    """A byte-level BPE tokenizer read from tokenizer.json.

    Args:
        inner: The tokenizer of the `tokenizers` library.
        vocab_size: Of the network, which may have more rows than the tokenizer has tokens.
    """

    def __init__(self, inner: HFTokenizer, vocab_size: int) -> None:
        self._inner = inner
        self._vocab_size = vocab_size
        self._count_line = lru_cache(maxsize=_REMEMBERED_LINES)(self._count)
        _treat_control_tokens_as_text(inner)
        inner.no_truncation()
        inner.no_padding()

    @classmethod
    def from_checkpoint(cls, folder: Path, vocab_size: int) -> "Tokenizer":
        """Read a checkpoint folder's tokenizer.json, or where there is none its vocab.json and merges.txt.

        Raises:
            CheckpointError: missing, unreadable, not byte-level, or with more tokens than the network.
        """
        path = folder / TOKENIZER_FILE
        if path.is_file():
            try:
                inner = HFTokenizer.from_file(str(path))
            except Exception as error:
                raise CheckpointError(f"{path} is not a tokenizer: {error}") from error
        elif (folder / VOCABULARY_FILE).is_file():
            inner = from_vocabulary(CheckpointFiles.read(folder), folder)
        else:
            raise CheckpointError(f"{folder} has no {TOKENIZER_FILE}.")
        if "ByteLevel" not in repr(inner.decoder):
            raise CheckpointError(f"{folder}: only byte-level tokenizers are supported.")
        if (num_tokens := 1 + max(inner.get_vocab().values())) > vocab_size:
            raise CheckpointError(
                f"The tokenizer of {folder} has {num_tokens} tokens, more than the network's {vocab_size}."
            )
        return cls(inner, vocab_size)

    def encode(self, text: str) -> Encoding:
        """Tokenise a text on its own, without adding anything around it."""
        encoding = self._inner.encode(text, add_special_tokens=False)
        return Encoding(encoding.ids, [-1 if word is None else word for word in encoding.word_ids])

    def count(self, text: str) -> int:
        """Tokens of a text on its own; counts for single lines are remembered, since the next keystroke asks again."""
        return self._count_line(text) if len(text) <= _LONGEST_LINE else self._count(text)

    def _count(self, text: str) -> int:
        return len(self._inner.encode(text, add_special_tokens=False).ids)

    @cached_property
    def token_bytes(self) -> tuple[bytes, ...]:
        """The bytes that each of the network's token ids stands for; empty for control tokens and unused rows."""
        byte_of = _byte_of_character()
        special = {token_id for token_id, added in self._inner.get_added_tokens_decoder().items() if added.special}
        table = [b""] * self._vocab_size
        for token, token_id in self._inner.get_vocab().items():
            if token_id not in special:
                is_piece = all(character in byte_of for character in token)
                table[token_id] = bytes(map(byte_of.__getitem__, token)) if is_piece else token.encode()
        return tuple(table)

    def spell(self, token_ids: Sequence[int]) -> bytes:
        """The bytes a sequence of tokens stands for; may end inside a UTF-8 character."""
        return b"".join(self.token_bytes[token_id] for token_id in token_ids)


def _treat_control_tokens_as_text(inner: HFTokenizer) -> None:
    """Encode what spells a control token as plain text: source code may well contain "<|endoftext|>".

    The library's switch for that covers only tokens that are marked special, and Qwen marks neither its infilling nor
    its tool tokens. Added tokens of white space alone are pieces of text like any other.
    """
    inner.encode_special_tokens = True
    added = inner.get_added_tokens_decoder().values()
    unmarked = [token for token in added if not token.special and token.content.strip()]
    inner.add_special_tokens([AddedToken(token.content, special=True, normalized=False) for token in unmarked])


def _byte_of_character() -> dict[str, int]:
    # GPT-2's table: printable Latin-1 stands for itself, the other 68 bytes are shifted to 256 and beyond in order.
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    table = {chr(byte): byte for byte in printable}
    shifted = (byte for byte in range(256) if byte not in set(printable))
    return table | {chr(256 + index): byte for index, byte in enumerate(shifted)}
