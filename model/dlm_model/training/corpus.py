"""From a manifest to shards: fetch, check licences, filter, deduplicate, decontaminate, split by package.

If a manifest holds no package out, one file in ten of each folder is held out. The name of a file decides, so when a
folder grows, hardly any of its files change their split.

The same manifest gives the same shards: packages, files and the sample of a large package are in a fixed order. The
text read from a package is kept beside the downloads. So a build that was stopped goes on where it was, and a build
with one more package reads only that one. Its file is named after the code that reads, so new rules read the package
anew.

All shards of a corpus replace the previous ones together, because a new training split might share files with an old
held-out one.
"""

import hashlib
import inspect
import json
import math
import os
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, nullcontext
from dataclasses import asdict, dataclass, replace
from functools import cache, partial
from multiprocessing import get_context
from pathlib import Path

from rich.progress import track

from dlm_model.errors import ModelError
from dlm_model.training import archives, decontamination, licences, sources, syntax
from dlm_model.training.atomic import replacing_file
from dlm_model.training.decontamination import NgramFilter
from dlm_model.training.manifest import SPLITS, Package, Split
from dlm_model.training.shards import SHARD_SUFFIX, write_shard
from dlm_model.training.sources import SourceFile, read_package

REPORT_FILE = "corpus.json"
_HELD_OUT_SHARE = 0.1  # Of the files of a folder, without held-out packages.
_NOT_LOOKED_AT = "tests, vendored and hidden files, those of other languages and those over 200 kB are not looked at"
PARTS_FOLDER = "parts"
MAX_CHARACTERS_PER_PACKAGE = 2_000_000


@dataclass(frozen=True, slots=True)
class PackageReport:
    """What one package gave to one split of the corpus, for the model card.

    Attributes:
        num_over_limit: Files that were left out of a large package.
        left_out: Files that were not worth learning from, by what is wrong with them.
    """

    name: str
    version: str
    split: str
    registry: str
    licence: str
    num_files: int
    num_characters: int
    num_contaminated: int
    num_duplicates: int
    num_over_limit: int
    left_out: dict[str, int]

    @property
    def reasons(self) -> dict[str, int]:
        """How many files were left out, by the reason."""
        others = {
            "duplicates": self.num_duplicates,
            "with evaluation problems": self.num_contaminated,
            "over the limit of one package": self.num_over_limit,
        }
        return {reason: number for reason, number in {**others, **self.left_out}.items() if number}


@dataclass(frozen=True, slots=True)
class Part:
    """What was read of one package, before it is compared with others."""

    licence: str
    num_contaminated: int
    files: list[SourceFile]
    left_out: dict[str, int]


def build_corpus(
    packages: Sequence[Package],
    downloads: Path,
    folder: Path,
    problems: NgramFilter,
    *,
    max_characters: int = MAX_CHARACTERS_PER_PACKAGE,
    num_workers: int = 1,
) -> list[PackageReport]:
    """Write one shard per split and `corpus.json` into `folder`; archives are downloaded into `downloads` as needed.

    Raises:
        LicenceError: a package's licence is not known to be permissive; no shard is written.
        ModelError: a process that reads packages was ended from outside.
        ValueError: a package cannot be had or read, or no text is left for a split that has packages.
    """
    files: dict[str, list[SourceFile]] = {split: [] for split in SPLITS}
    reports, seen = [], set[str]()
    holds_out = any(package.split == "held_out" for package in packages)
    # Held-out packages come first, so that what they share with others is dropped from the training split.
    ordered = sorted(packages, key=lambda package: (package.split, package.name, package.registry))
    read = partial(_read_part, downloads=downloads, parts=downloads / PARTS_FOLDER, problems=problems)
    with _executor(num_workers) as executor:
        parts = _unbroken(executor.map(read, ordered)) if executor else map(read, ordered)
        progress = track(zip(ordered, parts, strict=True), "Reading packages", total=len(ordered))
        for package, part in progress:
            sample, report = _select(package, part, seen, max_characters)
            for split, kept in _split(package, sample, holds_out=holds_out).items():
                files[split] += kept
                reports.append(_of_split(report, split, kept))
    _write(folder, files, reports)
    return reports


def _executor(num_workers: int) -> Executor | nullcontext[None]:
    # Started afresh: a fork of a process with threads may hang.
    return ProcessPoolExecutor(num_workers, get_context("spawn")) if num_workers > 1 else nullcontext()


def _unbroken(parts: Iterator[Part]) -> Iterator[Part]:
    try:
        yield from parts
    except BrokenProcessPool as error:
        raise ModelError(
            "a process that reads packages was ended from outside, most likely for lack of memory; what was read of "
            "packages with a version is kept, and the next call resumes from there"
        ) from error


def _read_part(package: Package, downloads: Path, parts: Path, problems: NgramFilter) -> Part:
    # A folder has no version that would tell whether it has changed.
    path = parts / f"{_part_name(package, problems)}.json" if package.version else None
    if path is not None and (part := _load_part(path)) is not None:
        return part
    content = read_package(package, downloads)
    clean = [file for file in content.files if not problems.is_contaminated(file.text)]
    part = Part(content.licence, len(content.files) - len(clean), clean, dict(content.left_out))
    if path is not None:
        with replacing_file(path) as written:
            written.write_text(json.dumps(asdict(part)), encoding="utf-8")
    return part


def _load_part(path: Path) -> Part | None:
    if not path.exists():
        return None
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        return Part(**stored | {"files": [SourceFile(**file) for file in stored["files"]]})
    except (ValueError, LookupError, TypeError):
        return None  # It is damaged, and is made again.


def _part_name(package: Package, problems: NgramFilter) -> str:
    source = f"{package.registry}/{package.name}/{package.version}/{problems.fingerprint}/{_rules()}"
    return hashlib.sha256(source.encode()).hexdigest()[:24]


@cache
def _rules() -> str:
    """Names the code by which packages are read."""
    modules = (archives, decontamination, licences, sources, syntax)
    return hashlib.sha256("".join(map(inspect.getsource, modules)).encode()).hexdigest()


def _select(
    package: Package, part: Part, seen: set[str], max_characters: int
) -> tuple[list[SourceFile], PackageReport]:
    unique = drop_duplicates(part.files, seen)
    # Whose code it is names the folder because of that code, and there is no other that it could drown.
    sample = sample_package(unique, math.inf if part.licence == licences.OWN else max_characters)
    report = PackageReport(
        package.name,
        package.version,
        package.split,
        package.registry,
        part.licence,
        num_files=len(sample),
        num_characters=sum(len(source.text) for source in sample),
        num_contaminated=part.num_contaminated,
        num_duplicates=len(part.files) - len(unique),
        num_over_limit=len(unique) - len(sample),
        left_out=part.left_out,
    )
    return sample, report


def _split(package: Package, files: list[SourceFile], *, holds_out: bool) -> dict[Split, list[SourceFile]]:
    """The files by split; without held-out packages, some files of a folder are held out for measurements."""
    if holds_out or package.registry != "folder" or len(files) < 2:
        return {package.split: files}
    num_chosen = sum(_place(file) < _HELD_OUT_SHARE for file in files)
    num_held_out = min(max(1, num_chosen), len(files) - 1)
    return {"train": files[num_held_out:], "held_out": files[:num_held_out]}


def _place(file: SourceFile) -> float:
    """Where a file stands among all possible ones, from 0 to 1; a sample is in this order."""
    return int.from_bytes(_digest(file)[:8]) / 2**64


def _digest(file: SourceFile) -> bytes:
    return hashlib.sha256(file.path.encode()).digest()


def _of_split(report: PackageReport, split: Split, files: Sequence[SourceFile]) -> PackageReport:
    if report.num_files == len(files):
        return report
    part = replace(report, split=split, num_files=len(files), num_characters=sum(len(file.text) for file in files))
    if split == report.split:
        return part
    # The files that were left out of a folder are counted once.
    return replace(part, num_contaminated=0, num_duplicates=0, num_over_limit=0, left_out={})


def drop_duplicates(files: Iterable[SourceFile], seen: set[str]) -> list[SourceFile]:
    """The files whose text, white space aside, is not in `seen`, which grows by them."""
    unique = []
    for file in files:
        fingerprint = hashlib.sha256("".join(file.text.split()).encode()).hexdigest()
        if fingerprint not in seen:
            seen.add(fingerprint)
            unique.append(file)
    return unique


def sample_package(files: Collection[SourceFile], max_characters: float) -> list[SourceFile]:
    """A fixed pseudo-random sample of a package's files, so that no large package drowns the others."""
    sample, num_characters = [], 0
    for file in sorted(files, key=_digest):
        if num_characters + len(file.text) <= max_characters:
            sample.append(file)
            num_characters += len(file.text)
    return sample


def available_workers() -> int:
    """Processes that can read packages side by side."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _write(folder: Path, files: dict[str, list[SourceFile]], reports: list[PackageReport]) -> None:
    empty = [split for split in _splits(reports) if not files[split]]
    if empty:
        raise ValueError(_nothing_left([report for report in reports if report.split == empty[0]], empty[0]))
    with ExitStack() as replacing:
        # The stack is undone from its top: the report, by which a corpus is known to be whole, comes last.
        report = replacing.enter_context(replacing_file(folder / REPORT_FILE))
        report.write_text(json.dumps([asdict(package) for package in reports], indent=2) + "\n", encoding="utf-8")
        for split in _splits(reports):
            write_shard(replacing.enter_context(replacing_file(folder / f"{split}{SHARD_SUFFIX}")), files[split])
        (folder / REPORT_FILE).unlink(missing_ok=True)
        for split in set(SPLITS) - set(_splits(reports)):
            # An earlier manifest may have held out what this one trains on.
            (folder / f"{split}{SHARD_SUFFIX}").unlink(missing_ok=True)


def _nothing_left(reports: list[PackageReport], split: str) -> str:
    reasons = sum((Counter(report.reasons) for report in reports), Counter[str]())
    told = ", ".join(f"{number} {reason}" for reason, number in reasons.items())
    found = f"left out were {told}" if told else "there was none"
    return f"the corpus is empty: no file of the {split} packages was kept; {found} ({_NOT_LOOKED_AT})"


def _splits(reports: list[PackageReport]) -> Iterator[str]:
    yield from sorted({report.split for report in reports})
