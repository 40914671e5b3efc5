"""The checks of `dlm-lsp doctor`, each a function that yields findings.

Checks read and report; they change nothing, and know neither terminal nor exit codes. A check that cannot go on raises
an error.
"""

import os
import platform
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

from dlm_lsp.config_files import user_config_path
from dlm_lsp.documents.document import Snapshot
from dlm_lsp.hole_request import HoleRequest
from dlm_lsp.holes.named_holes import find_function
from dlm_lsp.infilling import infill, present_candidates
from dlm_lsp.languages import LANGUAGES, language_for
from dlm_lsp.models.hub import gib
from dlm_lsp.models.naming import is_named, resolve_guide, resolve_model
from dlm_lsp.models.store import ModelStore, describe
from dlm_lsp.models.verification import packaged_sums
from dlm_lsp.options import Settings
from dlm_model.network.config import ModelConfig
from dlm_model.network.precision import weight_format
from dlm_model.request import CancelToken, Draft, InfillEngine

PACKAGES = ("torch", "safetensors", "tokenizers", "pygls", "lsprotocol", "tree-sitter", "typer", "rich")
CONFIG = "config"
"""The finding that is the fault of the user's own options, and not of this machine."""

_LEAST_GAIN = 0.9
"""Share of the time on all threads that one thread may take at most, to be worth mentioning."""

_DRY_RUN = "def add(left: int, right: int) -> int:\n    pass\n"

Status = Literal["ok", "warning", "failed"]


@dataclass(frozen=True, slots=True)
class Check:
    """One finding.

    Attributes:
        name: What was looked at.
        status: `ok`; `warning`, which is worth knowing; `failed`, which has to be fixed.
        detail: What was found.
        group: The name of this finding and others like it, if one line may tell of them all.
        verdict: What that line says of them, after their number.
    """

    name: str
    status: Status
    detail: str
    group: str = ""
    verdict: str = ""


def check_system() -> Iterator[Check]:
    """Python, operating system and memory."""
    yield Check("python", "ok", f"{platform.python_version()}, {sys.executable}")
    yield Check("system", "ok", platform.platform())
    if hasattr(os, "sysconf"):
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        yield Check("memory", "ok", f"{gib(memory)}, {os.cpu_count()} processors")


def check_packages() -> Iterator[Check]:
    """The packages that results depend on."""
    for name in ("dlm-lsp", *PACKAGES):
        try:
            yield Check(name, "ok", version(name))
        except PackageNotFoundError:
            # A bare checkout runs without being installed; without a dependency it does not.
            yield Check(name, "warning" if name == "dlm-lsp" else "failed", "not installed")


def check_grammars() -> Iterator[Check]:
    """Every grammar: whether it loads, and parses."""
    for language in LANGUAGES:
        name = f"grammar {language.id}"
        try:
            Snapshot.parse(f"untitled:{language.id}", language, "\n")
        except (ImportError, ValueError) as error:
            yield Check(name, "failed", str(error))
        else:
            found = f"{language.grammar_module}, ABI {language.grammar.abi_version}"
            yield Check(name, "ok", found, "grammars", "load and parse")


def check_files(config_problems: tuple[str, ...]) -> Iterator[Check]:
    """The user's config file, problem by problem, and where the server's log goes."""
    path = user_config_path()
    yield from (Check(CONFIG, "failed", problem) for problem in config_problems)
    if not config_problems:
        yield Check(CONFIG, "ok", str(path) if path.is_file() else f"{path} (not there: all defaults)")
    yield Check("log", "ok", "standard error, or the file that `dlm-lsp serve --log-file` names")


def check_devices() -> Iterator[Check]:
    """What torch can compute on."""
    import torch  # noqa: PLC0415

    if not torch.cuda.is_available():
        built_for = f"built for CUDA {torch.version.cuda}" if torch.version.cuda else "built without CUDA"
        yield Check("cuda", "ok", f"none; torch is {built_for}")
    for index in range(torch.cuda.device_count()):
        free, total = torch.cuda.mem_get_info(index)
        name = torch.cuda.get_device_name(index)
        yield Check(f"cuda:{index}", "ok", f"{name}, {gib(free)} of {gib(total)} free")
    num_threads = torch.get_num_threads()
    yield Check("cpu", "ok", f"{num_threads} thread{'s' * (num_threads != 1)}")


def check_precision(settings: Settings) -> Iterator[Check]:
    """In which format the chosen device holds weights.

    Raises:
        DeviceError: there is no such device, or it cannot hold them so.
    """
    from dlm_model.device import resolve_device  # noqa: PLC0415

    device = resolve_device(settings.device)
    yield Check("precision", "ok", f"{settings.precision} on {device}: {weight_format(settings.precision, device)}")


def check_model_files(model: str | None) -> Iterator[Check]:
    """The checkpoint's folder, its weights and its guide's against their record, and its family; no load yet.

    Raises:
        CheckpointError: the folder's config is none that can be loaded, or the model is a name and not on disk.
    """
    from dlm_model.engine import checkpoint_folder  # noqa: PLC0415
    from dlm_model.guides.guide import GUIDE_FOLDER  # noqa: PLC0415

    resolved = resolve_model(model)
    folder = checkpoint_folder(resolved)
    if not folder.is_dir():
        yield Check("model", "failed", str(folder))
        return
    config = ModelConfig.from_checkpoint(folder)
    yield Check("model", "ok", str(folder))
    sums = packaged_sums() if resolved is None else _recorded_sums(model)
    yield from _check_weights("weights", folder, folder, sums)
    if (folder / GUIDE_FOLDER).is_dir():
        yield from _check_weights("guide", folder / GUIDE_FOLDER, folder, sums)
    else:
        yield Check("guide", "ok", "none came with this model")
    caveat = "" if config.sees_suffix else ", sees no suffix"
    status: Status = "warning" if caveat else "ok"
    yield Check("family", status, f"{config.family}, {config.context_length} tokens{caveat}")


def check_guide_files(guide: str | None) -> Iterator[Check]:
    """The weights of the guide that the settings name, if they name one, against their record.

    Raises:
        CheckpointError: its config is none that can be loaded, or it is a name and not on disk.
    """
    from dlm_model.guides.guide import guide_config  # noqa: PLC0415

    if not is_named(guide):
        return
    folder = Path(resolve_guide(guide))
    if not folder.is_dir():
        yield Check("guide", "failed", str(folder))
        return
    yield Check("guide", "ok", f"{folder}, {guide_config(folder).context_length} tokens")
    yield from _check_weights("guide", folder, folder, _recorded_sums(guide))


def _recorded_sums(model: str | None) -> Mapping[str, str]:
    """The SHA-256 of each file of a model that was pulled or added; of a folder, nothing is known."""
    record = ModelStore().find(model) if model else None
    return record.sums if record else {}


def _check_weights(name: str, folder: Path, model: Path, sums: Mapping[str, str]) -> Iterator[Check]:
    """Size of each file of weights in one folder of a model, and whether it is what it was, if that is known."""
    for file in sorted(folder.glob("*.safetensors")):
        own_name = file.relative_to(model).as_posix()
        try:
            size = f"{own_name}, {file.stat().st_size:,} bytes"
            is_changed = own_name in sums and describe(model, own_name).sha256 != sums[own_name]
        except OSError as error:
            yield Check(name, "failed", f"{file}: {error.strerror}")
            continue
        if is_changed:
            yield Check(name, "failed", f"{size}, has changed")
        else:
            verdict = "SHA-256 as recorded" if own_name in sums else "no record to compare with"
            yield Check(name, "ok", f"{size}, {verdict}", name, f"files, {verdict}")


def check_dry_run(engine: InfillEngine, settings: Settings) -> Iterator[Check]:
    """One small function, filled as an editor would have it filled.

    Raises:
        ModelError: the model or the device gave up.
    """
    snapshot = Snapshot.parse("untitled:add.py", language_for("add.py", None), _DRY_RUN)
    hole = find_function(snapshot, "add")

    def fill() -> list[Draft]:
        return list(infill(engine, HoleRequest(hole, settings.decode), CancelToken()))

    drafts = fill()
    first, last = drafts[0], drafts[-1]
    outcome = "text to show" if present_candidates(hole, last) else "nothing to show"
    yield Check(
        "dry run",
        "ok",
        f"{engine.model_name} on {engine.device}: first draft after {first.elapsed_ms:.0f} ms, "
        f"{last.step} steps in {last.elapsed_ms:.0f} ms, {outcome}"
        + (_thread_advice(lambda: fill()[-1].elapsed_ms) if engine.device == "cpu" else ""),
    )


def _thread_advice(measure: Callable[[], float]) -> str:
    """What to set if a fill, measured in milliseconds, is faster on one thread; else nothing.

    Between two operations threads sleep, and to wake them may take longer than the operation, on virtual machines
    above all.
    """
    torch = sys.modules.get("torch")  # whatever fills without it has no such threads
    if torch is None or (num_threads := torch.get_num_threads()) == 1:
        return ""
    together = measure()
    torch.set_num_threads(1)
    try:
        alone = measure()
    finally:
        torch.set_num_threads(num_threads)
    if alone > _LEAST_GAIN * together:
        return ""
    return f"; again in {together:.0f} ms, and on one thread in {alone:.0f}: set OMP_NUM_THREADS=1"


def check_peak_memory() -> Iterator[Check]:
    """The peak memory of this process; nothing if the system does not report it."""
    if sys.platform != "win32":
        import resource  # noqa: PLC0415 - not on Windows

        unit = 1 if sys.platform == "darwin" else 1024
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
        yield Check("peak memory", "ok", f"{gib(peak)} after the dry run")
