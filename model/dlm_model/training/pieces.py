"""A checkpoint cut into files that are small enough to be transported, and put together again, byte for byte.

The pieces are the files of the folder one after another, its guide's included; `pieces.json` names the files, their
sizes, and a SHA-256.
"""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

from dlm_model.training.atomic import creating_folder

MAX_PIECE_BYTES = 16 * 2**20
_INDEX_FILE = "pieces.json"


def cut_pieces(folder: Path, pieces: Path, max_bytes: int = MAX_PIECE_BYTES) -> int:
    """Cut the files of a folder into pieces of at most `max_bytes`; returns how many there are.

    Raises:
        ValueError: the pieces' folder has something in it already.
    """
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    content = b"".join(path.read_bytes() for path in files)
    with creating_folder(pieces) as partial:
        for number, start in enumerate(range(0, len(content), max_bytes)):
            (partial / f"{number:05d}").write_bytes(content[start : start + max_bytes])
        index = {
            "files": {path.relative_to(folder).as_posix(): path.stat().st_size for path in files},
            "sha256": hashlib.sha256(content).hexdigest(),
        }
        (partial / _INDEX_FILE).write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8")
    return -(-len(content) // max_bytes)


def join_pieces(pieces: Path, folder: Path) -> None:
    """Write the files that `cut_pieces` cut up into `folder`.

    Raises:
        ValueError: a piece is missing or damaged, a file would be outside of `folder`, or that has something in it.
    """
    try:
        index = json.loads((pieces / _INDEX_FILE).read_text(encoding="utf-8"))
        sizes: dict[str, int] = {str(name): int(size) for name, size in index["files"].items()}
        digest = index["sha256"]
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise ValueError(f"{pieces} holds no pieces of a checkpoint: {error}") from error
    content = b"".join(path.read_bytes() for path in sorted(pieces.glob("[0-9]" * 5)))
    if hashlib.sha256(content).hexdigest() != digest:
        raise ValueError(f"{pieces}: a piece is missing or damaged")
    with creating_folder(folder) as partial:
        for name, part in _split(content, sizes):
            path = partial / name
            if not path.resolve().is_relative_to(partial.resolve()):
                raise ValueError(f"{pieces} names a file outside of its folder: {name}")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(part)


def _split(content: bytes, sizes: dict[str, int]) -> Iterator[tuple[str, bytes]]:
    start = 0
    for name, size in sizes.items():
        yield name, content[start : start + size]
        start += size
