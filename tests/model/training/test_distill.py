"""A student that takes half the steps: its targets, and that it needs fewer forward passes for the same text.

The toy language: a prompt token, and four tokens that repeat one of two words, either of them at random. In a single
step each position is guessed by itself, so that words clash; one position a step cannot go wrong.
"""

import random
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from dlm_model.network.transformer import Transformer
from dlm_model.training.distill import (
    CERTAINTY_WEIGHT,
    Method,
    TrajectoryDistillation,
    accuracy_after,
    build_objective,
    certainty_forcing,
    chosen,
    commit,
    fill,
    halvings,
)
from dlm_model.training.examples import NoiseSource
from dlm_model.training.objective import Predictions, predict
from dlm_model.training.options import TrainingOptions
from dlm_model.training.parameters import AllParameters
from dlm_model.training.sequence import Example
from dlm_model.training.train import Objective, Trainer, masked_diffusion
from dlm_model.training.windows import Batch, collate
from tests.model.tiny_checkpoints import RESIZING, load_network

MASK, EXPAND, DELETE = (int(str(RESIZING[f"{name}_token_id"])) for name in ("mask", "expand", "delete"))
WORDS = 40, 80
LENGTH = 4
OPTIONS = TrainingOptions(
    parameters=AllParameters(),
    precision="fp32",
    learning_rate=5e-3,
    warmup_steps=10,
    decay_steps=100,
    max_steps=250,
    sequences_per_step=32,
    log_interval=250,
)


class Repetitions:
    """Examples of the toy language."""

    def draw(self, rng: random.Random, _noise: NoiseSource | None = None) -> Example:
        prompt = rng.randrange(30)
        word = prompt + rng.choice(WORDS)
        hidden = set(rng.sample(range(LENGTH), rng.randint(1, LENGTH)))
        return example(prompt, [word if index in hidden else None for index in range(LENGTH)], word)


def example(prompt: int, labels: list[int | None], word: int) -> Example:
    made = Example()
    made.show([0, prompt])
    for label in labels:
        if label is None:
            made.show([word])
        else:
            made.hide(MASK, label)
    return made


@pytest.fixture(scope="module")
def whole() -> Batch:
    """Every prompt once, all tokens hidden."""
    return collate([example(prompt, [prompt + WORDS[0]] * LENGTH, 0) for prompt in range(30)])


def train(network: Transformer, run: Path, objective: Objective, options: TrainingOptions = OPTIONS) -> Transformer:
    list(Trainer(network, Repetitions(), run, options, objective=objective).run())
    return network


def valid_share(network: Transformer, whole: Batch, num_steps: int) -> float:
    """Share of the sequences that repeat a word that their prompt allows."""
    answers = fill(network, whole, num_steps).view(-1, LENGTH)
    prompts = whole.token_ids[:, 1:2]
    return float(torch.stack([(answers == prompts + word).all(dim=1) for word in WORDS]).any(dim=0).float().mean())


@pytest.fixture(scope="module")
def teacher(resizing_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Transformer:
    network = train(load_network(resizing_folder), tmp_path_factory.mktemp("teacher"), masked_diffusion)
    return network.requires_grad_(False)


def test_two_halvings_do_in_one_step_what_took_four(
    tmp_path: Path, teacher: Transformer, resizing_folder: Path, whole: Batch
) -> None:
    table = {"teacher": [valid_share(teacher, whole, count) for count in (1, 2, 4)]}
    current = teacher
    for teacher_steps in (4, 2):
        objective = TrajectoryDistillation(current, teacher_steps)
        student = load_network(resizing_folder)
        student.load_state_dict(current.state_dict())
        before = float(objective(student, whole).detach())
        train(student, tmp_path / str(teacher_steps), objective)
        assert float(objective(student, whole).detach()) < 0.5 * before
        table[f"student of {teacher_steps}"] = [valid_share(student, whole, count) for count in (1, 2, 4)]
        current = student.requires_grad_(False)
    (_, in_two, in_four), (_, student_in_two, _), (second_in_one, _, _) = table.values()
    assert in_two < in_four
    assert student_in_two > in_two
    assert second_in_one >= in_two


def test_certainty_is_forced_upon_what_is_right(
    tmp_path: Path, teacher: Transformer, resizing_folder: Path, whole: Batch
) -> None:
    @torch.no_grad()
    def confidence(network: Transformer) -> float:
        return float(predict(network, whole).logits.softmax(dim=-1).amax(dim=-1).mean())

    student = load_network(resizing_folder)
    student.load_state_dict(teacher.state_dict())
    train(student, tmp_path, certainty_forcing, replace(OPTIONS, max_steps=80))
    assert confidence(student) > confidence(teacher) + 0.05


def test_certainty_counts_only_what_is_right(teacher: Transformer, whole: Batch) -> None:
    wrong = replace(whole, labels=whole.labels.where(whole.labels < 0, 3))
    assert not predict(teacher, wrong).is_correct.any()
    torch.testing.assert_close(certainty_forcing(teacher, wrong), predict(teacher, wrong).loss)
    right = predict(teacher, whole)
    assert certainty_forcing(teacher, whole) > right.loss
    assert CERTAINTY_WEIGHT > 0


def test_a_step_commits_the_most_probable_masks_but_no_change_of_length(teacher: Transformer) -> None:
    batch = collate([example(1, [5, 6, 7, 8], 0)])
    logits = torch.zeros(4, 320)
    logits[0, 50], logits[1, DELETE], logits[2, 51], logits[3, EXPAND] = 3, 9, 4, 9
    predictions = Predictions(logits, batch.labels[batch.labels >= 0], torch.ones(4))
    one, all_text = (chosen(teacher, batch, predictions, torch.tensor([count])) for count in (4, 1))
    assert one.tolist() == [False, False, True, False]
    assert all_text.tolist() == [True, False, True, False]
    committed = commit(batch, predictions, all_text)
    assert committed.token_ids[0, :6].tolist() == [0, 1, 50, MASK, 51, MASK]
    two = chosen(teacher, committed, replace(predictions, logits=logits.roll(-4, dims=1)), torch.tensor([1]))
    assert two.tolist() == [False, True, False, True], "what is committed is not committed again"


def test_every_hole_is_a_canvas_of_its_own_and_begins_where_the_model_begins(teacher: Transformer) -> None:
    shown = Example()
    for group, labels in ((1, [5, 6, 7]), (3, [8, 9])):
        shown.open(group, 1)
        shown.show([1])
        for label in labels:
            shown.hide(MASK, label)
    batch = collate([shown])
    logits = torch.zeros(5, 320)
    logits[range(5), [50, 51, 52, 53, 54]] = torch.tensor([6.0, 9.0, 8.0, 3.0, 4.0])
    predictions = Predictions(logits, batch.labels[batch.labels >= 0], torch.ones(5))
    by_confidence = chosen(teacher, batch, predictions, torch.tensor([3]))
    assert by_confidence.tolist() == [False, True, False, False, True]
    leftmost = SimpleNamespace(config=replace(teacher.config, selection="leftmost"))
    assert chosen(leftmost, batch, predictions, torch.tensor([3])).tolist() == [True, False, False, True, False]
    assert chosen(leftmost, batch, predictions, torch.tensor([1])).all()


def test_accuracy_is_a_number_for_each_number_of_steps(teacher: Transformer, whole: Batch) -> None:
    found = {count: accuracy_after(teacher, [whole, whole], count) for count in (1, 4)}
    assert found.keys() == {1, 4}
    assert found[4] == pytest.approx(float((fill(teacher, whole, 4) == whole.labels[whole.labels >= 0]).float().mean()))


def test_steps_are_halved_down_to_one() -> None:
    assert halvings(32) == [32, 16, 8, 4, 2, 1]
    assert halvings(1) == [1]


def test_a_single_step_cannot_be_halved(resizing_folder: Path) -> None:
    with pytest.raises(ValueError, match="cannot be halved"):
        build_objective(Method.TRAJECTORY, resizing_folder, 1, torch.float32)
    assert build_objective(Method.CERTAINTY, resizing_folder, 1, torch.float32) is certainty_forcing
