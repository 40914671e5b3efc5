"""Keep evaluation problems out of the corpus: a file that shares a long run of words with one is dropped whole."""

import gzip
import hashlib
import json
import re
import zlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

NGRAM_LENGTH = 16
_FACTOR = np.uint64(0x9E3779B97F4A7C15)
_WORD = re.compile(r"\w+|[^\w\s]")


class NgramFilter:
    """Recognises texts that contain `ngram_length` consecutive words (or signs) of any given problem.

    N-grams are compared by 64-bit hashes, so that a collision may drop one file in many millions,
    and never keeps a problem.
    """

    def __init__(self, problems: Iterable[str], ngram_length: int = NGRAM_LENGTH) -> None:
        self._ngram_length = ngram_length
        hashes = [self._hash(problem) for problem in problems]
        self._ngrams = np.unique(np.concatenate(hashes)) if hashes else np.empty(0, dtype=np.uint64)

    @property
    def fingerprint(self) -> str:
        """Names the set of problems, the same in every process."""
        return hashlib.sha256(self._ngrams.tobytes()).hexdigest()[:16]

    def is_contaminated(self, text: str) -> bool:
        """Whether the text shares an n-gram with a problem; white space does not count."""
        return bool(np.isin(self._hash(text), self._ngrams).any())

    def _hash(self, text: str) -> NDArray[np.uint64]:
        """One polynomial of the words' checksums, modulo 2⁶⁴, for every n-gram."""
        words = np.array([zlib.crc32(word.encode()) for word in _WORD.findall(text)], dtype=np.uint64)
        num_ngrams = max(0, len(words) - self._ngram_length + 1)
        hashes = np.zeros(num_ngrams, dtype=np.uint64)
        for offset in range(self._ngram_length):
            hashes = hashes * _FACTOR + words[offset : offset + num_ngrams]
        return hashes


def read_problems(path: Path) -> list[str]:
    """The distinct programs of a HumanEval-Infilling file: prompt, solution and suffix joined.

    Raises:
        ValueError: not a readable (gzipped) JSON-lines file with these fields.
    """
    open_text = gzip.open if path.suffix == ".gz" else open
    try:
        with open_text(path, "rt", encoding="utf-8") as lines:
            records = [json.loads(line) for line in lines]
        return sorted({record["prompt"] + record["canonical_solution"] + record["suffix"] for record in records})
    except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"cannot read evaluation problems from {path}: {error}") from error
