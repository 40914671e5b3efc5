"""Which models a device has the memory for: the published ones and those that were added."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from dlm_lsp.models.catalogue import CATALOGUE
from dlm_lsp.models.footprint import Companion, Load, Shape, footprint, num_active_parameters, with_guide
from dlm_lsp.models.store import ModelStore
from dlm_lsp.options import Settings, usual_prompt_tokens
from dlm_model.errors import CheckpointError
from dlm_model.network.config import ModelConfig
from dlm_model.network.precision import Precision

MAX_CPU_PARAMETERS = 1_000_000_000
"""Parameters per token with which a CPU is still fast enough; with more it is too slow, whatever memory it has."""

Verdict = Literal["fits", "too large", "too slow", "broken"]


@dataclass(frozen=True, slots=True)
class Suggestion:
    """One model against one device.

    Attributes:
        name: Its short name.
        needed: Bytes while filling; 0 for what is broken.
        verdict: Whether the device has as much, and could use it; or that what is on disk cannot be read.
        is_on_disk: Whether it has been pulled or added.
        problem: Why it cannot be read, in a sentence.
    """

    name: str
    needed: int
    verdict: Verdict
    is_on_disk: bool
    problem: str | None = None


def suggest(
    available: int, *, bytes_per_number: int, is_cpu: bool, precision: Precision = "auto"
) -> Iterator[Suggestion]:
    """Every published model in the order of preference, then those that were added, then what is broken.

    Args:
        available: Bytes that the device has for a model.
        bytes_per_number: Of the format that the device computes in.
        precision: In how many bits it would hold the matrices.
        is_cpu: Large models are too slow for it, whatever memory it has.
    """
    on_disk, guides, problems = _on_disk()
    models = [entry for entry in CATALOGUE.values() if "model" in entry.roles]
    published = {entry.name: entry.shape for entry in models if entry.name not in problems}
    settings = Settings()
    load = Load(settings.candidates + 1, usual_prompt_tokens(is_cpu=is_cpu), settings.decode.max_middle_tokens)
    for name, shape in (published | on_disk).items():
        found = footprint(shape, load, bytes_per_number=bytes_per_number, precision=precision, is_gpu=not is_cpu)
        if guide := guides.get(name):
            found = with_guide(
                found, guide, load, bytes_per_number=bytes_per_number, precision=precision, is_gpu=not is_cpu
            )
        needed = found.total
        verdict: Verdict = "fits" if needed <= available else "too large"
        if is_cpu and num_active_parameters(shape) > MAX_CPU_PARAMETERS:
            verdict = "too slow"
        yield Suggestion(name, needed, verdict, name in on_disk)
    for name, problem in problems.items():
        yield Suggestion(name, 0, "broken", is_on_disk=True, problem=problem)


def available_memory(cuda_index: int | None) -> int:
    """Bytes free on a GPU, or available to a process on this machine."""
    if cuda_index is not None:
        import torch  # noqa: PLC0415

        return int(torch.cuda.mem_get_info(cuda_index)[0])
    meminfo = Path("/proc/meminfo")
    if meminfo.is_file():
        fields = dict(line.split(":", 1) for line in meminfo.read_text(encoding="ascii").splitlines())
        return int(fields["MemAvailable"].split()[0]) * 1024
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _on_disk() -> tuple[dict[str, Shape], dict[str, Companion], dict[str, str]]:
    """The shapes of the models on disk, their guides, and what is wrong with those that cannot be read."""
    store, shapes, guides = ModelStore(), dict[str, Shape](), dict[str, Companion]()
    problems = {leftover.name: leftover.problem for leftover in store.leftovers() if leftover.problem}
    for record in store.records():
        if "model" not in record.roles:
            continue
        try:
            shape = Shape.of(ModelConfig.from_checkpoint(Path(record.folder)))
            guide = _guide(Path(record.folder), shape)
        except CheckpointError as error:
            problems[record.name] = str(error)
            continue
        shapes[record.name] = shape
        if guide:
            guides[record.name] = guide
    return shapes, guides, problems


def _guide(folder: Path, shape: Shape) -> Companion | None:
    """The guide that came with a model of that shape, if one did."""
    from dlm_model.guides.guide import GUIDE_FOLDER, guide_config  # noqa: PLC0415 - imports torch
    from dlm_model.network.adapter import is_adapter  # noqa: PLC0415 - imports torch

    guide = folder / GUIDE_FOLDER
    if not guide.is_dir():
        return None
    if is_adapter(guide):
        return Companion(shape, is_adapter=True)
    return Companion(Shape.of(guide_config(guide)), is_adapter=False)
