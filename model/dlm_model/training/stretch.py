"""One stretch of a run on a device that is available for minutes: every stage in order, none made twice.

A folder holds `corpus`, `start`, `run`, `export` and `pieces`. On one machine, a stretch goes on where the last one
stopped. On another, it starts from the export of the last one, joined from its pieces, and warms up again.
"""

import shutil
import time
from pathlib import Path

from dlm_model.network.checkpoint_files import CONFIG_FILE
from dlm_model.training.corpus import REPORT_FILE, PackageReport, available_workers, build_corpus
from dlm_model.training.decontamination import NgramFilter, read_problems
from dlm_model.training.export import Export, export_run
from dlm_model.training.launch import build_trainer
from dlm_model.training.manifest import load_manifest
from dlm_model.training.pieces import cut_pieces
from dlm_model.training.recipe import Recipe
from dlm_model.training.start import write_start
from dlm_model.training.train import Trainer

DECAY_SHARE = 0.5


class Stretch:
    """Some minutes of the run of a recipe."""

    def __init__(self, recipe: Recipe, folder: Path, minutes: float, *, is_final: bool = False) -> None:
        """Begin the stretch; its time runs from here.

        Args:
            recipe: With all sections, unless corpus and start are in the folder already.
            folder: Of all stages.
            minutes: Until the last state has to be written.
            is_final: Whether the learning rate falls to nothing in the last half of what is left for training.
        """
        self._recipe, self._folder, self._is_final = recipe, folder, is_final
        self._deadline = time.monotonic() + 60 * minutes
        self.reports: list[PackageReport] = []
        """What the packages gave to the corpus, if this stretch made it."""

    @property
    def start_folder(self) -> Path:
        """What the run started from."""
        return self._folder / "start"

    @property
    def export_folder(self) -> Path:
        """Where the export is."""
        return self._folder / "export"

    @property
    def pieces_folder(self) -> Path:
        """Where the pieces are."""
        return self._folder / "pieces"

    @property
    def run_folder(self) -> Path:
        """Where the run's state is."""
        return self._folder / "run"

    def build_trainer(self) -> Trainer:
        """Make what is missing; the trainer's run ends when the time is over.

        Raises:
            ModelError: a checkpoint, a state or the device is not as it should be.
            ValueError: the recipe lacks a section, a source is unreadable, or no time is left for training.
        """
        # First, so that a missing start is reported at once and not after minutes of reading a corpus.
        self._make_start()
        self._make_corpus()
        seconds = self._deadline - time.monotonic()
        if seconds <= 0:
            raise ValueError("corpus and start took all the time; the next call finds them made")
        section = self._recipe.train
        options = section.options(seconds, seconds * DECAY_SHARE if self._is_final else None)
        return build_trainer(self.start_folder, self._corpus, self.run_folder, section, options)

    def write_pieces(self, *, is_rounded: bool = False) -> Export:
        """Export the run, and cut that into pieces, in place of an earlier export, which stays where this one fails.

        Args:
            is_rounded: To eight bits, half the size of bf16, which the next stretch would rather start from.

        Raises:
            CheckpointError: there is no state to export, or it is that of the start.
        """
        unfinished = self.export_folder.with_name(f"{self.export_folder.name}.unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        exported = export_run(self.start_folder, self.run_folder, unfinished, is_rounded=is_rounded)
        shutil.rmtree(self.export_folder, ignore_errors=True)
        unfinished.rename(self.export_folder)
        shutil.rmtree(self.pieces_folder, ignore_errors=True)
        cut_pieces(self.export_folder, self.pieces_folder)
        return exported

    @property
    def _corpus(self) -> Path:
        return self._folder / "corpus"

    def _make_corpus(self) -> None:
        if (self._corpus / REPORT_FILE).exists():
            return
        section = self._recipe.corpus
        if section is None:
            raise ValueError("the recipe has no section [corpus], and no corpus is there")
        problems = NgramFilter(problem for path in section.problems for problem in read_problems(path))
        self.reports = build_corpus(
            load_manifest(section.manifest),
            self._folder / "downloads",
            self._corpus,
            problems,
            max_characters=section.max_characters_per_package,
            num_workers=available_workers(),
        )

    def _make_start(self) -> None:
        if (self.start_folder / CONFIG_FILE).exists():
            return
        section = self._recipe.start
        if section is None:
            raise ValueError("the recipe has no section [start], and no start is there")
        write_start(section.checkpoint, self.start_folder, shift_logits=section.shifted)
