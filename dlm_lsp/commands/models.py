"""`dlm-lsp models`: what each of its commands does."""

import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path

import typer
from rich.console import Console, Group, RenderableType
from rich.text import Text

from dlm_lsp.commands.sources import writing_stdout
from dlm_lsp.commands.tables import bare_table, block, is_narrow, print_table
from dlm_lsp.errors import ModelUnavailableError, UsageError
from dlm_lsp.models.catalogue import CATALOGUE, CatalogueEntry
from dlm_lsp.models.footprint import num_parameters
from dlm_lsp.models.hub import LATEST, RemoteModel, check_space, download, gib, look_up
from dlm_lsp.models.inspection import check_checkpoint, names_code, names_in, never_used, roles_of
from dlm_lsp.models.recommendation import Suggestion, available_memory, suggest
from dlm_lsp.models.store import PACKAGED, ModelStore, Record, Role, describe
from dlm_lsp.models.verification import PACKAGED_FOLDER, differences, packaged_sums
from dlm_model.network.checkpoint_files import published_name
from dlm_model.network.precision import Precision, weight_format

BYTES_PER_STORED_NUMBER = 2
"""Published weights are bf16."""

_RECORDED = (".safetensors", ".json", ".txt")
"""The files of a model; a checkpoint's folder may hold anything else as well."""


def run_list(*, as_json: bool) -> None:
    """Print the models and guides on disk, those that can be pulled, and what else is in their place."""
    store = ModelStore()
    records, leftovers = {record.name: record for record in store.records()}, list(store.leftovers())
    others = [entry for entry in CATALOGUE.values() if entry.name not in records]
    if as_json:
        _print_json(
            {
                "packaged": PACKAGED,
                "on_disk": [asdict(record) for record in records.values()],
                "to_pull": [asdict(entry) for entry in others],
                "leftovers": [asdict(leftover) for leftover in leftovers],
            }
        )
        return
    partial = {each.name: f"partial, {gib(each.size)}" for each in leftovers if each.problem is None}
    rows = list(_rows(records.values(), partial, others))
    if is_narrow():
        print_table(Group(*(part for row in rows for part in _block(row))))
    else:
        table = bare_table("name", "role", "on disk", "revision", "licence", "from")
        for row in rows:
            table.add_row(*row)
        print_table(table)
    for leftover in leftovers:
        _say(leftover.problem or _how_to_go_on(leftover.name))


def _rows(
    records: Iterable[Record], partial: Mapping[str, str], others: Iterable[CatalogueEntry]
) -> Iterator[tuple[str, ...]]:
    """Name, role, what is on disk, revision, licence and source of each model."""
    yield PACKAGED, "model", "packaged", "", "apache-2.0", "this package; the default"
    for record in records:
        source, revision = record.repository or record.folder, _short(record.revision or "")
        yield record.name, ", ".join(record.roles), gib(record.size), revision, record.licence or "", source
    for name in sorted(partial.keys() - CATALOGUE.keys()):
        yield name, "", partial[name]
    for entry in others:
        here, role = partial.get(entry.name, f"– ({_weights_size(entry)})"), ", ".join(entry.roles)
        yield entry.name, role, here, _short(entry.revision), entry.licence, entry.repository


def _block(row: tuple[str, ...]) -> Iterator[RenderableType]:
    name, role, here, *others = row
    heading = Text.assemble((name, "bold"), *(f"  {word}" for word in (role, here) if word))
    return block(heading, filter(None, (", ".join(filter(None, others)),)))


def run_pull(name: str, short_name: str | None, *, is_agreed: bool) -> None:
    """Fetch a model, after showing its licence and size.

    Args:
        name: A short name, or owner/name[@revision] on the hub.
        short_name: What it will be called; None leaves that to its name.
        is_agreed: Do not ask.

    Raises:
        KeyboardInterrupt: Ctrl-C, after it was said what becomes of the files.
    """
    store = ModelStore()
    usual_name, repository, revision = _wanted(name)
    short_name = short_name or usual_name
    _check_catalogue(short_name, repository)
    # The published name stays a part of the path: of some families only it says how their models attend.
    folder = store.folder_for(short_name) / repository.rpartition("/")[2]
    with store.locked(short_name):
        if store.find(short_name):
            raise UsageError(f"{short_name} is already on disk; `dlm-lsp models verify {short_name}` checks it.")
        model = look_up(repository, revision)
        check_space(model, folder)
        _ask_to_pull(model, folder, is_agreed=is_agreed)
        try:
            files, roles = download(model, folder), roles_of(folder)
        except KeyboardInterrupt:
            _say("What has arrived is kept, and the same command resumes from there.")
            raise
        store.save(Record(short_name, str(folder), repository, model.revision, model.licence, files, roles))
    _say(f"{short_name} is on disk: {folder}")
    _say_what_for(short_name, roles)


def run_add(path: Path, name: str | None) -> None:
    """Give a folder on this machine a short name; its files stay where they are."""
    from dlm_model.guides.guide import GUIDE_FOLDER  # noqa: PLC0415 - imports torch

    folder = path.expanduser().resolve()
    if not folder.is_dir():
        raise UsageError(f"There is no model folder {folder}.")
    store, short_name = ModelStore(), name or published_name(folder).lower()
    pulled_folder = store.folder_for(short_name)  # refuses what is no name
    with store.locked(short_name):
        is_taken = pulled_folder.exists() or store.find(short_name) is not None
        if short_name == PACKAGED or short_name in CATALOGUE or is_taken:
            raise UsageError(f"The name {short_name} is taken; give the folder another with --name.")
        check_checkpoint(folder)
        found = (
            file for part in (folder, folder / GUIDE_FOLDER) for file in part.glob("*") if file.suffix in _RECORDED
        )
        names = [file.relative_to(folder).as_posix() for file in sorted(found) if file.is_file()]
        try:
            with Console(stderr=True).status("reading the files"):
                files = tuple(describe(folder, each) for each in names)
        except OSError as error:
            raise ModelUnavailableError(
                f"{error.filename or folder} cannot be read: {error.strerror or error}."
            ) from error
        roles = roles_of(folder)
        store.save(Record(short_name, str(folder), None, None, None, files, roles))
    _say(f"{short_name} is {folder}, {gib(sum(file.size for file in files))}.")
    _say_what_for(short_name, roles)
    for words in never_used(names_in(folder), has_code=names_code(folder)):
        _say(f"It brings {words}.")


def run_verify(name: str | None) -> int:
    """Compare every file with what it was when it was packaged, pulled or added.

    Args:
        name: Of a model; None for all.

    Returns:
        0 when all are what they were, 3 otherwise.
    """
    store = ModelStore()
    known = list(_verifiable(store, name))
    problems = [] if name else [leftover.problem for leftover in store.leftovers() if leftover.problem]
    for problem in problems:
        _say(problem)
    broken = bool(problems)
    with writing_stdout() as stdout:
        for model, folder, sums in known:
            for file, difference in differences(folder, sums):
                broken |= difference is not None
                stdout.write(f"{model}/{file}: {difference or 'ok'}\n")
    return ModelUnavailableError.exit_code if broken else 0


def _verifiable(store: ModelStore, name: str | None) -> Iterator[tuple[str, Path, Mapping[str, str]]]:
    """Name, folder and SHA-256 of each file of one model, or of all that have such a record."""
    if name in {None, PACKAGED}:
        yield PACKAGED, PACKAGED_FOLDER, packaged_sums()
    if name != PACKAGED:
        for record in store.records() if name is None else [store.get(name)]:
            yield record.name, Path(record.folder), record.sums


def run_remove(name: str, *, is_agreed: bool) -> None:
    """Forget a model, and delete its files if they were pulled; or delete what an interrupted pull has left."""
    store = ModelStore()
    leftover = next((each for each in store.leftovers() if each.name == name), None)
    if leftover is not None:
        _ask(f"Delete the files of {name} pulled so far ({gib(leftover.size)})?", is_agreed=is_agreed)
        with store.locked(name):
            store.discard(leftover)
        _say(f"{name} is gone.")
        return
    record = store.get(name)
    if record.is_pulled:
        _ask(f"Delete {record.folder} ({gib(record.size)})?", is_agreed=is_agreed)
    with store.locked(name):
        store.remove(record)
    _say(f"{name} is gone." if record.is_pulled else f"{name} is forgotten; {record.folder} stays.")


def run_recommend(device: str, precision: Precision, *, as_json: bool) -> None:
    """Compare what each model needs with what a device has, and name the best that fits."""
    from dlm_model.device import default_dtype, resolve_device  # noqa: PLC0415 - imports torch

    target = resolve_device(device)
    available = available_memory(target.index if target.type == "cuda" else None)
    weight_format(precision, target)
    size = default_dtype(target).itemsize
    suggestions = list(suggest(available, bytes_per_number=size, is_cpu=target.type == "cpu", precision=precision))
    best = next((each for each in suggestions if each.verdict == "fits"), None)
    if as_json:
        found = {"device": str(target), "available": available, "best": best.name if best else None}
        _print_json(found | {"models": [asdict(each) for each in suggestions]})
        return
    table = bare_table("name", "needs", "", "")
    for each in suggestions:
        note = CATALOGUE[each.name].note if each.name in CATALOGUE else ""
        table.add_row(each.name, "" if each.problem else gib(each.needed), each.verdict, each.problem or note)
    print_table(table)
    _say(f"{target} has {gib(available)} free: {_advice(best)}.")


def _advice(best: Suggestion | None) -> str:
    if best is None:
        return "the packaged weights, which run anywhere"
    return f"`--model {best.name}`" if best.is_on_disk else f"`dlm-lsp models pull {best.name}`"


def _weights_size(entry: CatalogueEntry) -> str:
    return f"about {gib(num_parameters(entry.shape) * BYTES_PER_STORED_NUMBER)}"


def _wanted(name: str) -> tuple[str, str, str]:
    """Short name, repository and revision."""
    if name in CATALOGUE:
        return name, CATALOGUE[name].repository, CATALOGUE[name].revision
    repository, _, revision = name.partition("@")
    if repository.count("/") != 1:
        raise UsageError(f"There is no published model {name!r} here (there are: {', '.join(CATALOGUE)}).")
    return repository.split("/")[1].lower(), repository, revision or LATEST


def _check_catalogue(short_name: str, repository: str) -> None:
    """Keep the names that stand for a model for that one, since `--model` finds a model by its name."""
    if short_name == PACKAGED:
        raise UsageError(f"The name {short_name} stands for the packaged model; give {repository} another with --name.")
    entry = CATALOGUE.get(short_name)
    if entry is not None and entry.repository.lower() != repository.lower():
        raise UsageError(f"The name {short_name} stands for {entry.repository}; give {repository} another with --name.")


def _short(revision: str) -> str:
    """A commit by its first digits; branches and tags as they are."""
    return revision[:8] if re.fullmatch(r"[0-9a-f]{40}", revision) else revision


def _say_what_for(name: str, roles: tuple[Role, ...]) -> None:
    if "model" not in roles:
        _say(f"It is a causal model: it fills no holes, and guides models of the same tokenizer with `--guide {name}`.")


def _how_to_go_on(name: str) -> str:
    return f"{name} was pulled only in part; the same pull resumes it, and `dlm-lsp models remove {name}` deletes it."


def _ask_to_pull(model: RemoteModel, folder: Path, *, is_agreed: bool) -> None:
    _say(f"{model.repository} at {model.revision}")
    _say(f"licence  {model.licence or 'its card names none'}")
    _say(f"size     {gib(model.size)} in {len(model.files)} files, to {folder}")
    for words in never_used(model.others):
        _say(f"brings   {words}")
    _ask("Pull it under this licence?", is_agreed=is_agreed)


def _ask(question: str, *, is_agreed: bool) -> None:
    if is_agreed:
        return
    if not sys.stdin.isatty():
        raise UsageError(f"{question} There is no terminal to ask on; pass --yes to agree.")
    if not typer.confirm(question, err=True):
        raise UsageError("Nothing was done.")


def _say(sentence: str) -> None:
    Console(stderr=True, soft_wrap=True, markup=False, emoji=False, highlight=False).print(sentence)


def _print_json(content: object) -> None:
    with writing_stdout() as stdout:
        stdout.write(json.dumps(content) + "\n")
