"""The lines that a stage prints while it works: one for each package, and one for each record of a run."""

import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import typer
from rich.console import Console

from dlm_model.training.corpus import PackageReport
from dlm_model.training.export import Export
from dlm_model.training.train import Trainer

console = Console()
_NLL, _NEXT = "/nll", "/next_nll"
_MOST_ON_CPU = 64  # sequences a step: a minute or more


def print_reports(reports: Sequence[PackageReport]) -> None:
    """One line for each package: what it gave, and what was left out of it."""
    for report in reports:
        console.print(_summary(report), soft_wrap=True)


def _summary(report: PackageReport) -> str:
    name = " ".join(filter(None, (report.name, report.version)))
    split = " held out" if report.split == "held_out" else ""
    told = ", ".join(f"{number} {reason}" for reason, number in report.reasons.items())
    files = "1 file" if report.num_files == 1 else f"{report.num_files} files"
    return f"{name}: {files}{split}, {report.licence}{'; left out: ' if told else ''}{told}"


def print_export(exported: Export, start: Path, folder: Path) -> None:
    """What became of a run; on standard error, which part of its start is missing."""
    progress = exported.progress
    rough = "" if progress.is_finished else "; its learning rate has not fallen yet, which --final sees to"
    told = f"{folder} is the model of step {progress.step}, with {exported.kept:.0%} of what it learned{rough}"
    console.print(told, soft_wrap=True)
    if exported.lost_guide:
        typer.echo(f"{folder} is written without the guide of {start}: {exported.lost_guide}", err=True)


def follow(trainer: Trainer) -> None:
    """Run it, with a line for each record, after one for where it starts: the first record takes a while.

    Raises:
        KeyboardInterrupt: it was stopped; its state is written.
    """
    if trainer.group.is_first:
        console.print(_outlook(trainer), soft_wrap=True)
    with _stoppable(trainer):
        for record in trainer.run():
            console.print(_line(record), soft_wrap=True)
    if trainer.is_stopped:
        raise KeyboardInterrupt


def _line(record: Mapping[str, float]) -> str:
    """All values of a record, but of a held-out measurement only the likelihoods; the rest is in `metrics.jsonl`."""
    noises = [name.removesuffix(_NLL) for name in record if name.endswith(_NLL)]
    if noises:
        told = "  ".join(f"{noise} {record[noise + _NLL]:.3f} ({record[noise + _NEXT]:.3f})" for noise in noises)
        return f"step {record['step']}  held out, nats per token (of the leftmost mask): {told}"
    values = {key: f"{value:,}" if isinstance(value, int) else f"{value:.4g}" for key, value in record.items()}
    return "  ".join(f"{key} {value}" for key, value in values.items())


@contextmanager
def _stoppable(trainer: Trainer) -> Iterator[None]:
    """Ctrl-C and SIGTERM end the run after the step under way, so that nothing is lost; the second time, at once."""

    def stop(number: int, _frame: object) -> None:
        signal.signal(number, before[signal.Signals(number)])
        trainer.stop()
        if trainer.group.is_first:
            console.print("Stopping after this step; once more loses what was learned since the last state.")

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _outlook(trainer: Trainer) -> str:
    step = trainer.progress.step
    if trainer.progress.is_finished:
        return f"This run ended with its decay, at step {step}; train its export, or begin another run."
    first = "; its first step compiles, which may take minutes" if trainer.is_compiled else ""
    before = "; the held-out text is measured first" if trainer.measures_first else ""
    text = "; the corpus is another than before" if trainer.has_new_corpus else ""
    is_cpu = trainer.group.device.type == "cpu"
    size = trainer.options.sequences_per_step
    slow = f"; a step of {size:,} sequences is made for a GPU" if is_cpu and size > _MOST_ON_CPU else ""
    return f"Training on {trainer.group.device_name} from step {step}{_falling(trainer)}{text}{before}{first}{slow}"


def _falling(trainer: Trainer) -> str:
    """Where a decay that has begun ends, which a larger `max_steps` does not move."""
    progress, wanted = trainer.progress, trainer.options.max_steps
    if progress.decay_start is None:
        return ""
    end = progress.decay_start + progress.decay_steps
    end = end if wanted is None else min(end, max(wanted, progress.step))
    return f"; its learning rate is falling, to nothing at step {end}"
