"""`dlm-lsp models`: what each of its commands does."""

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import typer
from rich.console import Console

from dlm_lsp.commands.sources import writing_stdout
from dlm_lsp.commands.tables import bare_table, print_table
from dlm_lsp.errors import ModelUnavailableError, UsageError
from dlm_lsp.models.catalogue import CATALOGUE, LATEST, CatalogueEntry
from dlm_lsp.models.footprint import Load, Shape, footprint, num_active_parameters, num_parameters
from dlm_lsp.models.hub import RemoteModel, check_space, download, gib, look_up
from dlm_lsp.models.store import ModelStore, Record, describe, differences
from dlm_lsp.options import Settings, usual_prompt_tokens
from dlm_model.checkpoint_files import published_name
from dlm_model.config import ModelConfig
from dlm_model.precision import Precision, weight_format

BYTES_PER_STORED_NUMBER = 2
"""Published weights are bf16."""

_RECORDED = (".safetensors", ".json", ".txt")
"""The files of a model; a checkpoint's folder may hold anything else as well."""

MAX_CPU_PARAMETERS = 1_000_000_000
"""With more parameters per token than this, a CPU is too slow, whatever memory it has."""

Verdict = Literal["fits", "too large", "too slow"]


@dataclass(frozen=True, slots=True)
class Suggestion:
    """One published model against one device.

    Attributes:
        name: Its short name.
        needed: Bytes while filling.
        verdict: Whether the device has as much, and could use it.
        is_on_disk: Whether it has been pulled.
    """

    name: str
    needed: int
    verdict: Verdict
    is_on_disk: bool


def run_list(*, as_json: bool) -> None:
    """Print the models on disk, and those that can be pulled."""
    records = {record.name: record for record in ModelStore().records()}
    others = [entry for entry in CATALOGUE.values() if entry.name not in records]
    if as_json:
        _print_json(
            {
                "on_disk": [asdict(record) for record in records.values()],
                "to_pull": [asdict(entry) for entry in others],
            }
        )
        return
    table = bare_table("name", "on disk", "licence", "from")
    for record in records.values():
        table.add_row(record.name, gib(record.size), record.licence or "", record.repository or record.folder)
    for entry in others:
        table.add_row(entry.name, f"– ({_weights_size(entry)})", entry.licence, entry.repository)
    print_table(table)


def run_pull(name: str, *, is_agreed: bool) -> None:
    """Fetch a model, after showing its licence and size.

    Args:
        name: A short name, or owner/name[@revision] on the hub.
        is_agreed: Do not ask.
    """
    store = ModelStore()
    short_name, repository, revision = _wanted(name)
    if store.find(short_name):
        raise UsageError(f"{short_name} is already on disk; `dlm-lsp models verify {short_name}` checks it.")
    folder = store.folder_for(short_name)
    model = look_up(repository, revision)
    check_space(model, folder)
    _ask_to_pull(model, folder, is_agreed=is_agreed)
    files = download(model, folder)
    store.save(Record(short_name, str(folder), repository, model.revision, model.licence, files))
    _say(f"{short_name} is on disk: {folder}")


def run_add(path: Path, name: str | None) -> None:
    """Give a folder on this machine a short name; its files stay where they are."""
    from dlm_model.guide import GUIDE_FOLDER  # noqa: PLC0415 - imports torch
    from dlm_model.weights import weight_files  # noqa: PLC0415

    folder = path.expanduser().resolve()
    if not folder.is_dir():
        raise UsageError(f"There is no model folder {folder}.")
    store, short_name = ModelStore(), name or published_name(folder).lower()
    if short_name in CATALOGUE or store.find(short_name):
        raise UsageError(f"The name {short_name} is taken; give the folder another with --name.")
    store.folder_for(short_name)  # refuses what is no name, before gigabytes are read
    ModelConfig.from_checkpoint(folder)
    weight_files(folder)  # raises where there are none that could be loaded
    found = (file for part in (folder, folder / GUIDE_FOLDER) for file in part.glob("*") if file.suffix in _RECORDED)
    with Console(stderr=True).status("reading the files"):
        files = tuple(describe(folder, file.relative_to(folder).as_posix()) for file in sorted(found))
    store.save(Record(short_name, str(folder), None, None, None, files))
    _say(f"{short_name} is {folder}, {gib(sum(file.size for file in files))}.")


def run_verify(name: str | None) -> int:
    """Compare every file with its record.

    Returns:
        0 when all are what they were, 3 otherwise.
    """
    store = ModelStore()
    records = [store.get(name)] if name else list(store.records())
    if not records:
        _say("No model was added or pulled, so there is nothing to verify.")
    broken = False
    with writing_stdout() as stdout:
        for record in records:
            for file, problem in differences(record):
                broken |= problem is not None
                stdout.write(f"{record.name}/{file.name}: {problem or 'ok'}\n")
    return ModelUnavailableError.exit_code if broken else 0


def run_remove(name: str, *, is_agreed: bool) -> None:
    """Forget a model, and delete its files if they were pulled."""
    store = ModelStore()
    record = store.get(name)
    if record.is_pulled:
        _ask(f"Delete {record.folder} ({gib(record.size)})?", is_agreed=is_agreed)
    store.remove(record)
    _say(f"{name} is gone." if record.is_pulled else f"{name} is forgotten; {record.folder} stays.")


def run_recommend(device: str, precision: Precision, *, as_json: bool) -> None:
    """Compare what each model needs with what a device has, and name the best that fits."""
    from dlm_model.device import default_dtype, resolve_device  # noqa: PLC0415 - imports torch

    target = resolve_device(device)
    available = _available_memory(target.index if target.type == "cuda" else None)
    weight_format(precision, target)
    size = default_dtype(target).itemsize
    suggestions = suggest(available, bytes_per_number=size, is_cpu=target.type == "cpu", precision=precision)
    best = next((each for each in suggestions if each.verdict == "fits"), None)
    if as_json:
        found = {"device": str(target), "available": available, "best": best.name if best else None}
        _print_json(found | {"models": [asdict(each) for each in suggestions]})
        return
    table = bare_table("name", "needs", "", "")
    for each in suggestions:
        note = CATALOGUE[each.name].note if each.name in CATALOGUE else ""
        table.add_row(each.name, gib(each.needed), each.verdict, note)
    print_table(table)
    _say(f"{target} has {gib(available)} free: {_advice(best)}.")


def suggest(
    available: int, *, bytes_per_number: int, is_cpu: bool, precision: Precision = "auto"
) -> Sequence[Suggestion]:
    """Every published model in the order of preference, then those that were added.

    Args:
        available: Bytes that the device has for a model.
        bytes_per_number: Of the format that the device computes in.
        precision: In how many bits it would hold the matrices.
        is_cpu: Large models are too slow for it, whatever memory it has.
    """
    records = {record.name: record for record in ModelStore().records()}
    shapes = {entry.name: entry.shape for entry in CATALOGUE.values()}
    for record in records.values():
        shapes[record.name] = Shape.of(ModelConfig.from_checkpoint(Path(record.folder)))
    settings = Settings()
    load = Load(settings.candidates + 1, usual_prompt_tokens(is_cpu=is_cpu), settings.decode.max_middle_tokens)
    suggestions = []
    for name, shape in shapes.items():
        needed = footprint(shape, load, bytes_per_number=bytes_per_number, precision=precision, is_gpu=not is_cpu).total
        verdict: Verdict = "fits" if needed <= available else "too large"
        if is_cpu and num_active_parameters(shape) > MAX_CPU_PARAMETERS:
            verdict = "too slow"
        suggestions.append(Suggestion(name, needed, verdict, name in records))
    return suggestions


def _advice(best: Suggestion | None) -> str:
    if best is None:
        return "the packaged weights, which run anywhere"
    return f"`--model {best.name}`" if best.is_on_disk else f"`dlm-lsp models pull {best.name}`"


def _weights_size(entry: CatalogueEntry) -> str:
    return f"about {gib(num_parameters(entry.shape) * BYTES_PER_STORED_NUMBER)}"


def _available_memory(cuda_index: int | None) -> int:
    """Bytes free on a GPU, or available to a process on this machine."""
    if cuda_index is not None:
        import torch  # noqa: PLC0415

        return int(torch.cuda.mem_get_info(cuda_index)[0])
    meminfo = Path("/proc/meminfo")
    if meminfo.is_file():
        fields = dict(line.split(":", 1) for line in meminfo.read_text(encoding="ascii").splitlines())
        return int(fields["MemAvailable"].split()[0]) * 1024
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _wanted(name: str) -> tuple[str, str, str]:
    """Short name, repository and revision."""
    if name in CATALOGUE:
        return name, CATALOGUE[name].repository, CATALOGUE[name].revision
    repository, _, revision = name.partition("@")
    if repository.count("/") != 1:
        raise UsageError(f"There is no published model {name!r} here (there are: {', '.join(CATALOGUE)}).")
    return repository.split("/")[1].lower(), repository, revision or LATEST


def _ask_to_pull(model: RemoteModel, folder: Path, *, is_agreed: bool) -> None:
    _say(f"{model.repository} at {model.revision}")
    _say(f"licence  {model.licence or 'its card names none'}")
    _say(f"size     {gib(model.size)} in {len(model.files)} files, to {folder}")
    _ask("Pull it under this licence?", is_agreed=is_agreed)


def _ask(question: str, *, is_agreed: bool) -> None:
    if is_agreed:
        return
    if not sys.stdin.isatty():
        raise UsageError(f"{question} There is no terminal to ask on; --yes agrees.")
    if not typer.confirm(question, err=True):
        raise UsageError("Nothing was done.")


def _say(sentence: str) -> None:
    Console(stderr=True, soft_wrap=True, markup=False, emoji=False, highlight=False).print(sentence)


def _print_json(content: object) -> None:
    with writing_stdout() as stdout:
        stdout.write(json.dumps(content) + "\n")
