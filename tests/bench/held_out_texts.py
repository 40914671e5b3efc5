"""Held-out code to measure a model on, from a corpus or from any folder with Python files."""

from collections.abc import Sequence
from pathlib import Path

from dlm_model.training.shards import SHARD_SUFFIX, TextShard


def read_texts(folder: Path) -> Sequence[str]:
    """The held-out shard of a corpus folder, or else every Python file below the folder, in the order of their paths.

    Files that are not UTF-8, or empty, are left out.

    Raises:
        ValueError: there is no text.
    """
    shard = folder / f"held_out{SHARD_SUFFIX}"
    if shard.is_file():
        return TextShard(shard)
    texts = [text for path in sorted(folder.rglob("*.py")) if path.is_file() and (text := _read(path))]
    if not texts:
        raise ValueError(f"{folder} has neither {shard.name} nor Python files")
    return texts


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError:
        return None
