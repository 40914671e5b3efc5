"""The JSON files of a checkpoint folder, as published: config, generation config, and the tokenizer's.

Reads and finds values; each family knows what they mean.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cached_property
from pathlib import Path
from typing import Any

from dlm_model.errors import CheckpointError

CONFIG_FILE = "config.json"
GENERATION_CONFIG_FILE = "generation_config.json"
TOKENIZER_FILE = "tokenizer.json"
TOKENIZER_CONFIG_FILE = "tokenizer_config.json"
ADDED_TOKENS_FILE = "added_tokens.json"
SPECIAL_TOKENS_FILE = "special_tokens_map.json"

_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")


@dataclass(frozen=True)
class CheckpointFiles:
    """What a checkpoint says about itself.

    Attributes:
        source: The checkpoint's name for people, which begins every error message.
        config: config.json.
        folder: Where the other files are; None has none.
    """

    source: str
    config: Mapping[str, Any]
    folder: Path | None = None

    @classmethod
    def read(cls, folder: Path) -> "CheckpointFiles":
        """Read a checkpoint folder.

        Raises:
            CheckpointError: config.json is missing, unreadable or no JSON object.
        """
        return cls(published_name(folder), read_config(folder), folder)

    @property
    def names_code(self) -> bool:
        """Whether config.json names Python code that others would run to load the checkpoint; here it is never run."""
        return bool(self.config.get("auto_map"))

    @cached_property
    def generation_config(self) -> Mapping[str, Any]:
        """generation_config.json; empty if there is none."""
        return self._optional(GENERATION_CONFIG_FILE)

    @cached_property
    def added_tokens(self) -> dict[str, int]:
        """Ids of the tokens that were added to the tokenizer's vocabulary, by what they are called.

        Raises:
            CheckpointError: a file that lists them is not of the usual form.
        """
        try:
            listed = self._optional(TOKENIZER_CONFIG_FILE).get("added_tokens_decoder", {})
            from_config = {str(entry["content"]): int(token_id) for token_id, entry in listed.items()}
            from_tokenizer = {
                str(entry["content"]): int(entry["id"])
                for entry in self._optional(TOKENIZER_FILE).get("added_tokens", ())
            }
            from_list = {str(token): int(token_id) for token, token_id in self._optional(ADDED_TOKENS_FILE).items()}
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise CheckpointError(f"{self.source}: the tokenizer's added tokens cannot be read: {error}.") from None
        # The list is the older form. SDAR's list spells its mask differently from all other files.
        listed_elsewhere = {*from_config.values(), *from_tokenizer.values()}
        from_list = {token: token_id for token, token_id in from_list.items() if token_id not in listed_elsewhere}
        return from_list | from_config | from_tokenizer

    def special_token(self, role: str) -> str | None:
        """The token that the tokenizer's files name for a role, such as `mask_token`; None if no file does."""
        for name in (TOKENIZER_CONFIG_FILE, SPECIAL_TOKENS_FILE):
            token = self._optional(name).get(role)
            content = token.get("content") if isinstance(token, Mapping) else token
            if content is not None:
                return str(content)
        return None

    def token_id(self, role: str) -> int | None:
        """The id of a role, such as `mask`: from config, generation config or tokenizer, in that order.

        Raises:
            TypeError: it is there and not a whole number.
        """
        key = f"{role}_token_id"
        for stored in (self.config, self.generation_config):
            if stored.get(key) is not None:
                return whole_number(key, stored[key])
        return self.tokenizer_token_id(role)

    def tokenizer_token_id(self, role: str) -> int | None:
        """The id of a role as the tokenizer has it, whatever the configs say."""
        token = self.special_token(f"{role}_token")
        return None if token is None else self.added_tokens.get(token)

    def end_token_ids(self, *tokens: str) -> tuple[int, ...]:
        """Every token that any of the files names as an end of text; some name one, some several, and they differ.

        Args:
            tokens: Others that end one, where the tokenizer has added them.

        Raises:
            TypeError: one is not a whole number.
        """
        key = "eos_token_id"
        named: list[object] = []
        for stored in (self.config, self.generation_config):
            ends = stored.get(key)
            named += ends if isinstance(ends, list) else [ends]
        named += [self.added_tokens.get(token) for token in (self.special_token("eos_token"), *tokens) if token]
        return tuple(dict.fromkeys(whole_number(key, token_id) for token_id in named if token_id is not None))

    def _optional(self, name: str) -> Mapping[str, Any]:
        if self.folder is None or not (self.folder / name).is_file():
            return {}
        return read_json(self.folder / name)


def pickles(names: Iterable[str]) -> list[str]:
    """Those files, in order, that can run any code when they are read, and therefore never are."""
    return sorted(name for name in names if any(fnmatch(name, pattern) for pattern in _PICKLES))


def published_name(folder: Path) -> str:
    """What a checkpoint folder is called.

    In the cache of the hub's own client folders are commits: models--OWNER--NAME/snapshots/COMMIT is NAME.
    """
    snapshots = folder.absolute().parent
    if snapshots.name == "snapshots" and snapshots.parent.name.count("--") > 1:
        return snapshots.parent.name.split("--", 2)[2]
    return folder.absolute().name


def read_config(folder: Path) -> dict[str, Any]:
    """Parse config.json of a checkpoint folder.

    Raises:
        CheckpointError: missing, unreadable, or not a JSON object.
    """
    return read_json(folder / CONFIG_FILE)


def read_json(path: Path) -> dict[str, Any]:
    """Parse a file that holds one JSON object.

    Raises:
        CheckpointError: missing, unreadable, or not a JSON object.
    """
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise CheckpointError(f"{path} is not valid JSON: {error}.") from error
    if not isinstance(raw, dict):
        raise CheckpointError(f"{path} is not a JSON object.")
    return raw


def whole_number(name: str, value: object) -> int:
    """The value, if it is a whole number.

    Raises:
        TypeError: it is something else.
    """
    # Some generation configs list several ends of text; a caller that asks for one token cannot choose among them.
    if type(value) is not int:
        raise TypeError(f"{name} is {value!r}")
    return value


def count(raw: Mapping[str, Any], key: str) -> int:
    """A whole number of at least 1.

    Raises:
        KeyError: it is missing.
        ValueError: it is something else.
    """
    value = raw[key]
    if type(value) is not int or value < 1:
        raise ValueError(f"{key} is {value!r}")
    return value
