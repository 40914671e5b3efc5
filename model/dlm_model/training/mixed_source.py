"""Examples of all languages of a shard: a language is as likely as it has characters, and holes follow its syntax."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import overload

from dlm_model.training.examples import ExampleBuilder, NoiseSource
from dlm_model.training.sequence import Example
from dlm_model.training.shards import TextShard
from dlm_model.training.syntax import language_of
from dlm_model.training.windows import ExampleSource


class MixedSource:
    """Draws from one `ExampleSource` a language."""

    def __init__(self, shard: TextShard, builder: ExampleBuilder) -> None:
        """Sort the files of a shard by language.

        Raises:
            ValueError: the shard holds no text.
        """
        languages = [language_of(name) for name in shard.names]
        self._sources: list[ExampleSource] = []
        self._sizes: list[int] = []
        for language in sorted(set(languages), key=str):
            texts = _Selection(shard, [index for index, other in enumerate(languages) if other == language])
            self._sources.append(ExampleSource(texts, builder, language))
            self._sizes.append(sum(map(len, texts)))
        if not self._sources:
            raise ValueError("the corpus is empty: there is nothing to train on")

    def draw(self, rng: random.Random, noise: NoiseSource | None = None) -> Example:
        """One example, with everything about it decided by `rng`."""
        (source,) = rng.choices(self._sources, weights=self._sizes)
        return source.draw(rng, noise)


@dataclass(frozen=True, slots=True)
class _Selection(Sequence[str]):
    """Some texts of a shard, read when asked for."""

    shard: TextShard
    indices: list[int]

    def __len__(self) -> int:
        return len(self.indices)

    @overload
    def __getitem__(self, index: int) -> str: ...

    @overload
    def __getitem__(self, index: slice) -> list[str]: ...

    def __getitem__(self, index: int | slice) -> str | list[str]:
        chosen = self.indices[index]
        return self.shard[chosen] if isinstance(chosen, int) else [self.shard[position] for position in chosen]
