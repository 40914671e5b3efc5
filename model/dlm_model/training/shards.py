"""Text on disk for training: all files of a split in one memory-mapped safetensors file.

Shards hold text and not token ids, because holes are cut between characters, and each side of a hole is tokenised
apart. Two tensors: `text` uint8 [bytes], the files' UTF-8 one after another, and `starts` int64 [files + 1].
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import overload

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from dlm_model.training.atomic import replacing_file
from dlm_model.training.sources import SourceFile

SHARD_SUFFIX = ".safetensors"


def write_shard(path: Path, files: Iterable[SourceFile]) -> None:
    """Write the files into one shard, atomically; the same files give the same bytes.

    Raises:
        ValueError: there is no file to write.
    """
    files = list(files)
    if not files:
        raise ValueError(f"no text is left for {path.name}: the corpus is empty")
    encoded = [file.text.encode("utf-8") for file in files]
    starts = np.cumsum([0, *map(len, encoded)], dtype=np.int64)
    text = np.frombuffer(b"".join(encoded), dtype=np.uint8)
    names = json.dumps([f"{file.package}/{file.path}" for file in files])
    with replacing_file(path) as partial:
        save_file({"text": text, "starts": starts}, partial, metadata={"names": names})


class TextShard(Sequence[str]):
    """The texts of a shard, decoded when asked for."""

    def __init__(self, path: Path) -> None:
        """Open a shard.

        Raises:
            ValueError: missing or not a text shard.
        """
        if not path.exists():
            raise ValueError(f"{path.parent} has no {path.name}; the stage `corpus` writes one for each split")
        try:
            with safe_open(path, framework="numpy") as shard:
                self._text, self._starts = shard.get_tensor("text"), shard.get_tensor("starts")
                self.names: list[str] = json.loads(shard.metadata()["names"])
        except (OSError, SafetensorError, KeyError, TypeError) as error:
            raise ValueError(f"{path} is not a text shard: {error}") from error

    def __len__(self) -> int:
        return len(self._starts) - 1

    @overload
    def __getitem__(self, index: int) -> str: ...

    @overload
    def __getitem__(self, index: slice) -> list[str]: ...

    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            return [self[position] for position in range(*index.indices(len(self)))]
        if not 0 <= index < len(self):
            raise IndexError(index)
        return bytes(self._text[self._starts[index] : self._starts[index + 1]]).decode("utf-8")

    def __iter__(self) -> Iterator[str]:
        return (self[index] for index in range(len(self)))
