"""A causal reader expects what its network expects from the left: token by token, and of whole candidates."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from dlm_model.cache.prefix_cache import PrefixCache
from dlm_model.canvas import Canvas
from dlm_model.engine import Engine
from dlm_model.guides.causal_reader import CausalReader, Reading
from dlm_model.guides.own_prompt import OwnPrompt
from dlm_model.network.transformer import Transformer
from tests.model.tiny_checkpoints import CAUSAL

MASK = int(CAUSAL["mask_token_id"])


def counted_columns(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many columns each pass of any network computes from now on."""
    num_columns: list[int] = []
    forward = Transformer.forward

    def counted(self: Transformer, token_ids: Tensor, *arguments: object, **keywords: object) -> Tensor:
        num_columns.append(token_ids.shape[1])
        return forward(self, token_ids, *arguments, **keywords)  # type: ignore[arg-type]

    monkeypatch.setattr(Transformer, "forward", counted)
    return num_columns


def reader_of(network: Transformer, control_ids: Sequence[int] = (), *, sees: int = 2048) -> CausalReader:
    """A reader whose prefixes begin as the diffusion model's do, and have no lines to be cut between."""
    config = replace(network.config, context_length=sees)
    prompt = OwnPrompt(config, config.bos_token_id, [b"a"] * config.vocab_size)
    return CausalReader(network, PrefixCache(network), control_ids, prompt, document="")


@pytest.mark.parametrize("prefix", [(0,), (0, 40, 41)], ids=["one", "three"])
def test_the_reader_sees_what_is_left_of_a_position_and_nothing_else(causal_engine: Engine, prefix: tuple[int]) -> None:
    network = causal_engine.network
    reader = reader_of(network)
    draft = torch.tensor([[60, 61, 62, 63]])
    found = reader.logits(torch.tensor(prefix), draft, torch.ones_like(draft, dtype=torch.bool))
    text = torch.tensor([[*prefix, 60, 61, 62, 63]])
    for column in range(4):
        before = text[:, : len(prefix) + column]
        with torch.inference_mode():
            causal = torch.ones(1, before.shape[1], before.shape[1], dtype=torch.bool).tril()
            hidden = network(before, torch.arange(before.shape[1])[None], may_attend=causal)
        torch.testing.assert_close(found[column].float(), network.logits(hidden[0, -1]).float(), atol=0.1, rtol=0.05)
    assert reader.num_forwards == 1


@pytest.mark.parametrize("prefix", [(0,), (0, 40, 41)], ids=["one", "three"])
def test_rows_that_begin_like_a_text_are_read_from_where_they_part(
    causal_network: Transformer, monkeypatch: pytest.MonkeyPatch, prefix: tuple[int, ...]
) -> None:
    reader, reading = reader_of(causal_network, [MASK]), Reading(is_fixed=True)
    prefix_ids, text = torch.tensor(prefix), torch.tensor([[60, 61, 62, MASK, 64, 65]])
    whole = torch.ones_like(text, dtype=torch.bool)
    assert torch.equal(reader.logits(prefix_ids, text, whole, reading), reader.logits(prefix_ids, text, whole))
    rows = torch.tensor([[60, 61, 62, MASK, 64, 70, 71], [60, 72, 73, 74, 0, 0, 0], [60, 61, 62, 75, 76, 77, 0]])
    columns = torch.arange(7)
    firsts, lasts = torch.tensor([[4], [1], [2]]), torch.tensor([[6], [3], [5]])
    is_asked = (columns >= firsts) & (columns <= lasts)
    expected = reader.logits(prefix_ids, rows, is_asked)
    num_read = counted_columns(monkeypatch)
    found = reader.logits(prefix_ids, rows, is_asked, reading)
    assert num_read == [4], "no more than the longest row from its own start, asked or shared, to what is asked last"
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


def test_drafts_that_grow_are_read_from_where_they_differ_from_the_last(
    causal_network: Transformer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two rows: guesses that stay, one that changes, a text that becomes shorter, and more columns than had room."""
    reader, reading = reader_of(causal_network, [MASK]), Reading()
    prefix_ids = torch.arange(40, 60)
    longer = list(range(100, 220))
    drafts = [
        ([60, 61, 62, 63], [70, 71, 72, 73], (0, 0), 19 + 4),
        ([60, 61, 62, 64, 65], [70, 71, 72, 73, 74], (2, 3), 3),
        ([60, 80, 81, 82, 83], [70, 71, 72, 75, 74], (1, 2), 4),
        ([60, 80], [70, 71], (1, 1), 1),
        ([60, 80, 81, 82, 83], [70, 71, 72, 75, 74], (1, 1), 4),
        ([60, 80, *longer], [70, 71, *longer], (2, 2), len(longer)),
    ]
    num_columns = counted_columns(monkeypatch)
    for *rows, firsts, num_new in drafts:
        token_ids = torch.tensor(rows)
        is_asked = torch.arange(token_ids.shape[1]) >= torch.tensor(firsts)[:, None]
        num_columns.clear()
        found = reader.logits(prefix_ids, token_ids, is_asked, reading)
        assert sum(num_columns) == num_new
        alone = reader_of(causal_network, [MASK]).logits(prefix_ids, token_ids, is_asked)
        torch.testing.assert_close(found, alone, atol=1e-4, rtol=1e-4)


def test_what_was_not_read_of_a_row_is_read_later(causal_network: Transformer) -> None:
    """Rows that part at different places are read to different ends; what is right of an end is not known."""
    reader, reading = reader_of(causal_network, [MASK]), Reading()
    prefix_ids, columns = torch.arange(40, 60), torch.arange(6)
    before = torch.tensor([[60, 61, 62, 63, 64, 65], [70, 71, 72, 73, 74, 75]])
    after = torch.tensor([[60, 91, 62, 63, 64, 65], [70, 71, 72, 73, 94, 75]])
    reader.logits(prefix_ids, before, torch.ones_like(before, dtype=torch.bool), reading)
    reader.logits(prefix_ids, after, torch.stack(((columns == 1) | (columns == 2), columns >= 4)), reading)
    is_asked = (columns >= 4).expand(2, -1)
    alone = reader_of(causal_network, [MASK]).logits(prefix_ids, after, is_asked)
    torch.testing.assert_close(reader.logits(prefix_ids, after, is_asked, reading), alone, atol=1e-4, rtol=1e-4)


def test_a_fixed_reading_holds_its_first_text(causal_network: Transformer, monkeypatch: pytest.MonkeyPatch) -> None:
    reader, reading = reader_of(causal_network, [MASK]), Reading(is_fixed=True)
    prefix_ids, text = torch.arange(40, 44), torch.tensor([[60, 61, 62, 63]])
    reader.logits(prefix_ids, text, torch.ones_like(text, dtype=torch.bool), reading)
    is_last = torch.tensor([[False, False, False, True]])
    num_columns = counted_columns(monkeypatch)
    reader.logits(prefix_ids, torch.tensor([[60, 70, 71, 72], [60, 61, 71, 72]]), is_last.expand(2, -1), reading)
    reader.logits(prefix_ids, text, is_last, reading)
    assert num_columns == [2, 1]


def test_what_was_read_after_another_prefix_is_not_read_again(causal_network: Transformer) -> None:
    reader, reading = reader_of(causal_network, sees=16), Reading()
    prefix_ids, text = torch.arange(40, 52), torch.arange(60, 72)[None]
    reader.logits(prefix_ids, text[:, :6], torch.ones(1, 6, dtype=torch.bool), reading)
    is_asked = torch.arange(12)[None] >= 6
    expected = reader.logits(prefix_ids, text, is_asked)
    torch.testing.assert_close(reader.logits(prefix_ids, text, is_asked, reading), expected, atol=1e-4, rtol=1e-4)


def test_likelihood_is_that_of_the_draft_and_of_the_suffix_after_it(causal_engine: Engine) -> None:
    network = causal_engine.network
    reader = reader_of(network)
    rows = Canvas.open((0, 40, 41), [50, 51], [3, 1], MASK).guess(
        torch.tensor([[60, 61, 62], [63, 0, 0]]), torch.ones(2, 3)
    )
    found = reader.log_likelihoods(rows)
    for row_ids, likelihood in zip(([60, 61, 62, 50, 51], [63, 50, 51]), found.tolist(), strict=True):
        text = torch.tensor([0, 40, 41, *row_ids])
        asked = torch.ones(1, len(row_ids), dtype=torch.bool)
        alone = reader_of(network).logits(text[:3], text[None, 3:], asked).float().log_softmax(-1)
        assert likelihood == pytest.approx(float(alone.gather(1, text[3:, None]).sum()), abs=0.2)
    assert reader.num_forwards == 1


def test_what_spells_nothing_has_no_likelihood(causal_engine: Engine) -> None:
    network, delete = causal_engine.network, int(CAUSAL["delete_token_id"])
    reader = reader_of(network, [MASK, delete])
    ids = torch.tensor([[60, 61, delete, 0], [60, 61, 0, 0], [60, 0, 61, 0]])
    opened = Canvas.open((0, 40, 41), [50], [3, 2, 3], MASK)
    guessed = ids[:, :3].clone()
    guessed[2, 1] = MASK  # opened since the last guess
    found = reader.log_likelihoods(opened.guess(guessed, torch.ones(3, 3)))
    assert found.isfinite().all()
    assert found.tolist() == pytest.approx([float(found[1])] * 3, abs=0.2)


def test_where_nothing_was_written_and_nothing_follows_nothing_is_likelier(causal_engine: Engine) -> None:
    reader = reader_of(causal_engine.network)
    assert reader.log_likelihoods(Canvas.open((0, 40, 41), [], [0, 0], MASK)).tolist() == [0.0, 0.0]
