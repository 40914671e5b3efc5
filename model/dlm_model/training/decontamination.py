"""Keep evaluation problems out of the corpus: a file that shares a long run of words with one is dropped whole."""

import gzip
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

NGRAM_LENGTH = 16
_WORD = re.compile(r"\w+|[^\w\s]")


class NgramFilter:
    """Recognises texts that contain `ngram_length` consecutive words (or signs) of any given problem."""

    def __init__(self, problems: Iterable[str], ngram_length: int = NGRAM_LENGTH) -> None:
        self._ngram_length = ngram_length
        self._ngrams = {ngram for problem in problems for ngram in self._cut(problem)}

    def is_contaminated(self, text: str) -> bool:
        """Whether the text shares an n-gram with a problem; white space does not count."""
        return any(ngram in self._ngrams for ngram in self._cut(text))

    def _cut(self, text: str) -> Iterator[tuple[str, ...]]:
        words = _WORD.findall(text)
        for start in range(len(words) - self._ngram_length + 1):
            yield tuple(words[start : start + self._ngram_length])


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
