"""Counters of offered, shown, accepted and kept completions: on this machine only, numbers only, no source text.

Every process adds what it counted to one file, so that several editors count together. Durations are kept as a
histogram whose buckets grow by a fifth, so those of many processes add up, and percentiles are exact to 20 %.
"""

import json
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Self, get_args

import platformdirs

from dlm_lsp.atomic import replacing

Event = Literal["offered", "shown", "accepted", "partial", "kept", "kept_checked"]
Measure = Literal["latency", "first_draft"]

MEASURES: tuple[Measure, ...] = get_args(Measure)
LOCK_SECONDS = 0.2
"""How long to wait for another process to add its counts; a process that waits answers nobody in the meantime."""

_GROWTH = 1.2


def stats_path() -> Path:
    """Where the counters are kept, whether the file exists or not."""
    return Path(platformdirs.user_data_dir("dlm-lsp", appauthor=False)) / "stats.json"


@dataclass
class Stats:
    """What was counted.

    Attributes:
        events: Per language id, how often each event happened. `kept` adds up shares, in percent, of accepted texts
            that still stood in their document a while later; `kept_checked` counts those that were looked at.
        durations: Per measure, how many durations fell into each bucket.
    """

    events: dict[str, Counter[str]] = field(default_factory=dict)
    durations: dict[str, Counter[int]] = field(default_factory=dict)

    def count(self, language_id: str, event: Event, amount: int = 1) -> None:
        """One more of an event."""
        self.events.setdefault(language_id, Counter())[event] += amount

    def time(self, measure: Measure, seconds: float) -> None:
        """One more duration."""
        bucket = math.ceil(math.log(max(seconds * 1000, 1.0), _GROWTH))
        self.durations.setdefault(measure, Counter())[bucket] += 1

    def percentile(self, measure: Measure, share: float) -> float | None:
        """Milliseconds that this share of the durations stays within; None where there are none."""
        buckets = self.durations.get(measure, Counter())
        rest = share * buckets.total()
        for bucket in sorted(buckets):
            rest -= buckets[bucket]
            if rest <= 0:
                return _GROWTH**bucket
        return None

    def add(self, other: "Stats") -> None:
        """Add another's counts."""
        for language_id, events in other.events.items():
            self.events.setdefault(language_id, Counter()).update(events)
        for measure, buckets in other.durations.items():
            self.durations.setdefault(measure, Counter()).update(buckets)

    @classmethod
    def read(cls, path: Path) -> Self:
        """The counts in a file; none if it is missing or is not ours."""
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            events = {name: Counter(_counts(counts)) for name, counts in content["events"].items()}
            durations = {
                name: Counter({int(bucket): number for bucket, number in _counts(counts).items()})
                for name, counts in content["durations"].items()
            }
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return cls()
        return cls(events, durations)

    def flush(self, path: Path) -> None:
        """Add these counts to a file, atomically, and reset them to 0.

        Raises:
            OSError: the file cannot be written, or another process keeps it locked; the counts stay.
        """
        if not self.events and not self.durations:
            return
        # Imported late: nothing has been counted while a server starts, and it should answer early.
        from filelock import FileLock  # noqa: PLC0415

        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{path}.lock", timeout=LOCK_SECONDS):  # a `TimeoutError`, which is an `OSError`
            total = Stats.read(path)
            total.add(self)
            with replacing(path, is_durable=False) as new:
                new.write_text(json.dumps({"events": total.events, "durations": total.durations}), encoding="utf-8")
        self.events, self.durations = {}, {}


def _counts(raw: Mapping[str, Any]) -> dict[str, int]:
    if not all(type(number) is int for number in raw.values()):
        raise TypeError("counts are whole numbers")
    return dict(raw)
