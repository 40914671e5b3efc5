"""From a manifest to shards: fetch, check licences, filter, deduplicate, decontaminate, split by package.

The same manifest gives the same shards: packages, files and the sample of a large package are in a fixed order.
"""

import hashlib
import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.progress import track

from dlm_model.training.decontamination import NgramFilter
from dlm_model.training.manifest import SPLITS, Package
from dlm_model.training.shards import SHARD_SUFFIX, write_shard
from dlm_model.training.wheels import SourceFile, fetch_wheel, read_licence, read_sources

REPORT_FILE = "corpus.json"
MAX_CHARACTERS_PER_PACKAGE = 2_000_000


@dataclass(frozen=True, slots=True)
class PackageReport:
    """What one package gave to the corpus, for the model card."""

    name: str
    version: str
    split: str
    licence: str
    num_files: int
    num_characters: int
    num_contaminated: int
    num_duplicates: int


def build_corpus(packages: Sequence[Package], wheels: Path, folder: Path, problems: NgramFilter) -> list[PackageReport]:
    """Write one shard per split and `corpus.json` into `folder`; wheels are downloaded into `wheels` as needed.

    Raises:
        LicenceError: a package's licence is not known to be permissive; nothing is written.
        ValueError: a wheel cannot be had or read, or no text is left for a split that has packages.
    """
    wheels.mkdir(parents=True, exist_ok=True)
    files: dict[str, list[SourceFile]] = {split: [] for split in SPLITS}
    reports, seen = [], set[str]()
    # Held-out packages come first, so that what they share with others is dropped from the training split.
    for package in track(sorted(packages, key=lambda package: (package.split, package.name)), "Reading packages"):
        sample, report = _read_package(package, wheels, problems, seen)
        files[package.split] += sample
        reports.append(report)
    _write(folder, files, reports)
    return reports


def _read_package(
    package: Package, wheels: Path, problems: NgramFilter, seen: set[str]
) -> tuple[list[SourceFile], PackageReport]:
    wheel = fetch_wheel(package, wheels)
    licence = read_licence(wheel)
    sources = list(read_sources(wheel, package.name))
    clean = [source for source in sources if not problems.is_contaminated(source.text)]
    unique = drop_duplicates(clean, seen)
    sample = sample_package(unique, MAX_CHARACTERS_PER_PACKAGE)
    report = PackageReport(
        **asdict(package),
        licence=licence,
        num_files=len(sample),
        num_characters=sum(len(source.text) for source in sample),
        num_contaminated=len(sources) - len(clean),
        num_duplicates=len(clean) - len(unique),
    )
    return sample, report


def drop_duplicates(sources: Iterable[SourceFile], seen: set[str]) -> list[SourceFile]:
    """The sources whose text, white space aside, is not in `seen`, which grows by them."""
    unique = []
    for source in sources:
        fingerprint = hashlib.sha256("".join(source.text.split()).encode()).hexdigest()
        if fingerprint not in seen:
            seen.add(fingerprint)
            unique.append(source)
    return unique


def sample_package(sources: Collection[SourceFile], max_characters: int) -> list[SourceFile]:
    """A fixed pseudo-random sample of a package's files, so that no large package drowns the others."""
    sample, num_characters = [], 0
    for source in sorted(sources, key=lambda source: hashlib.sha256(source.path.encode()).digest()):
        if num_characters + len(source.text) <= max_characters:
            sample.append(source)
            num_characters += len(source.text)
    return sample


def _write(folder: Path, files: dict[str, list[SourceFile]], reports: list[PackageReport]) -> None:
    splits = {report.split for report in reports}
    empty = [split for split in splits if not files[split]]
    if empty:
        raise ValueError(f"the corpus is empty: no file of the {empty[0]} packages was kept")
    folder.mkdir(parents=True, exist_ok=True)
    for split in splits:
        write_shard(folder / f"{split}{SHARD_SUFFIX}", files[split])
    report = json.dumps([asdict(package) for package in reports], indent=2)
    (folder / REPORT_FILE).write_text(report + "\n", encoding="utf-8")
