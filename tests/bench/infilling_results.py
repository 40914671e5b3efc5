"""Graded fills on disk, one JSON object a line, so that a run that was stopped goes on where it was."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.bench.infilling_metrics import Outcome, Setting

Key = tuple[str, str, Setting]


class Results:
    """Outcomes by split, task and setting; appended to a file as they come.

    Args:
        path: The file; None keeps them in memory alone.
        identity: What the numbers depend on beside the settings: a file of another model or revision is refused.
    """

    def __init__(self, path: Path | None, identity: dict[str, object]) -> None:
        """Read what is there already.

        Raises:
            ValueError: the file is not a result file, or of another run.
        """
        self._path = path
        self._outcomes: dict[Key, Outcome] = {}
        if path is not None and path.exists() and path.stat().st_size:
            self._read(path, identity)
        elif path is not None:
            path.write_text(json.dumps(identity) + "\n", encoding="utf-8")

    def __contains__(self, key: Key) -> bool:
        return key in self._outcomes

    def __getitem__(self, key: Key) -> Outcome:
        return self._outcomes[key]

    def add(self, outcome: Outcome) -> None:
        """Remember an outcome, on disk too."""
        self._outcomes[outcome.split, outcome.task_id, outcome.setting] = outcome
        if self._path is not None:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(asdict(outcome)) + "\n")

    def _read(self, path: Path, identity: dict[str, object]) -> None:
        content = path.read_text(encoding="utf-8")
        # A run that was killed may have left half a line.
        whole = content[: content.rfind("\n") + 1]
        try:
            found, *records = [json.loads(line) for line in whole.splitlines()]
            outcomes = [_outcome(record) for record in records]
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise ValueError(f"{path} is not a result file of this bench: {error}") from error
        if found != identity:
            raise ValueError(f"{path} belongs to another run ({found}); name another file, or delete it")
        if whole != content:
            path.write_text(whole, encoding="utf-8")
        self._outcomes = {(each.split, each.task_id, each.setting): each for each in outcomes}


def _outcome(record: dict[str, Any]) -> Outcome:
    return Outcome(**(record | {"setting": Setting(**record["setting"])}))
