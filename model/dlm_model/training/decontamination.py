"""Keep evaluation problems out of the corpus: a file that shares a long run of words with one is dropped whole.

A problem is searched for as published, with its prompt, and as people copy solutions, without its docstring. A file
that defines a function with the name and the first parameter of a problem's is dropped as well.
"""

import ast
import gzip
import hashlib
import json
import re
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

NGRAM_LENGTH = 16
_NAME_LENGTH = 4  # def NAME ( PARAMETER
_FACTOR = np.uint64(0x9E3779B97F4A7C15)
_WORD = re.compile(r"\w+|[^\w\s]")

Words = NDArray[np.uint64]


class NgramFilter:
    """Recognises texts that contain `ngram_length` consecutive words (or signs) of any given problem, or its names.

    A function that is shorter than that is recognised as a whole. N-grams are compared by 64-bit hashes, so that a
    collision may drop one file in many millions, and never keeps a problem.
    """

    def __init__(self, problems: Iterable[str], ngram_length: int = NGRAM_LENGTH) -> None:
        found = defaultdict[int, list[Words]](list)
        for problem in problems:
            found[ngram_length].append(_ngrams(_read_words(problem), ngram_length))
            for function in _functions(problem):
                words = _read_words(function)
                length = min(ngram_length, len(words))
                found[length].append(_ngrams(words, length))
                found[_NAME_LENGTH].append(_ngrams(words[:_NAME_LENGTH], _NAME_LENGTH))
        self._ngrams = {length: np.unique(np.concatenate(hashes)) for length, hashes in sorted(found.items())}

    @property
    def fingerprint(self) -> str:
        """Names the set of problems, the same in every process."""
        digest = hashlib.sha256()
        for length, hashes in self._ngrams.items():
            digest.update(length.to_bytes(4, "little") + hashes.tobytes())
        return digest.hexdigest()[:16]

    def is_contaminated(self, text: str) -> bool:
        """Whether the text shares an n-gram with a problem; white space does not count."""
        words = _read_words(text)
        return any(bool(np.isin(_ngrams(words, length), known).any()) for length, known in self._ngrams.items())


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


def _functions(program: str) -> Iterator[str]:
    """The outermost functions of a program, each without its docstring; none of what is no Python."""
    try:
        tree = ast.parse(program)
    except (SyntaxError, ValueError):
        return
    lines = program.split("\n")
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            has_docstring = ast.get_docstring(node, clean=False) is not None
            first, *_ = node.body
            after = (first.end_lineno or first.lineno) if has_docstring else first.lineno - 1
            yield "\n".join(lines[node.lineno - 1 : first.lineno - 1] + lines[after : node.end_lineno])


def _read_words(text: str) -> Words:
    """A checksum for each word and each sign."""
    return np.array([zlib.crc32(word.encode()) for word in _WORD.findall(text)], dtype=np.uint64)


def _ngrams(words: Words, length: int) -> Words:
    """One polynomial of the words, modulo 2⁶⁴, for every n-gram of them."""
    num_ngrams = max(0, len(words) - length + 1)
    hashes = np.zeros(num_ngrams, dtype=np.uint64)
    for offset in range(length):
        hashes = hashes * _FACTOR + words[offset : offset + num_ngrams]
    return hashes
