"""Where a middle ends: in a hole of one line at a line break, in any other where the caller says so."""

import pytest
import torch

from dlm_model.canvas import Canvas
from dlm_model.request import Ending
from dlm_model.rules.boundaries import Boundaries
from dlm_model.rules.ending import MOST_TIMES_MORE, NUM_MORE, LineEnd, TextEnd
from dlm_model.tokens.vocabulary import Vocabulary
from tests.model.endings import Between
from tests.model.test_canvas import MASK, canvas

SPACE, BREAK, WORD, BREAK_INDENT, DELETE, COLON_BREAK = range(6)
VOCABULARY = Vocabulary([b" ", b"\n", b"x", b"\n    ", b"", b":\n", *[b""] * 94])


def folded(*rows: list[int], is_begun: bool = False) -> torch.Tensor:
    """Probability of the delete token at every mask, if all five tokens were equally probable before."""
    before = canvas(*rows)
    logits = torch.full((int(before.is_asked.sum()), 100), -torch.inf)
    logits[:, [SPACE, BREAK, WORD, BREAK_INDENT, DELETE]] = 0.0
    after = LineEnd(VOCABULARY, DELETE, is_begun=is_begun).fold(logits, before)
    assert torch.equal(after[:, :DELETE], logits[:, :DELETE])
    return after[:, DELETE].exp()


def test_a_line_break_counts_as_the_end_of_a_line_with_something_on_it() -> None:
    assert folded([WORD, MASK, SPACE, MASK]).tolist() == pytest.approx([3, 3])


def test_before_that_it_is_a_blank_line_and_does_not_count() -> None:
    assert folded([SPACE, MASK, BREAK, MASK]).tolist() == pytest.approx([1, 1])
    assert folded([MASK, WORD, MASK]).tolist() == pytest.approx([1, 3])


def test_what_stands_before_a_line_break_is_on_another_line() -> None:
    assert folded([COLON_BREAK, MASK, WORD, MASK]).tolist() == pytest.approx([1, 3])
    assert folded([BREAK, MASK], is_begun=True).tolist() == pytest.approx([1])


def test_what_the_prefix_has_on_the_line_counts() -> None:
    assert folded([MASK, MASK], is_begun=True).tolist() == pytest.approx([3, 3])


class Over(Between):
    """An ending that is over once the text is this one."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text

    def is_over(self, text: str) -> bool:
        return text == self.text


def text_end(ending: Ending, head: bytes = b"", tail: bytes = b"", max_length: int = 99) -> TextEnd:
    return TextEnd(ending, Boundaries(VOCABULARY, head, tail), max_length)


def cut(row: list[int], *, over: str, protected: list[int] = (), head: bytes = b"") -> list[int]:  # type: ignore[assignment]
    before = canvas(row)
    is_protected = torch.zeros_like(before.is_masked)
    is_protected[0, list(protected)] = True
    after = text_end(Over(over), head).cut(before, is_protected)
    after.check_integrity()
    ids: list[int] = after.token_ids[0, : int(after.lengths[0])].tolist()
    return ids


def test_masks_after_the_end_are_dropped() -> None:
    assert cut([WORD, BREAK, MASK, MASK], over="x\n") == [WORD, BREAK]


def test_an_unfinished_middle_keeps_its_masks() -> None:
    assert cut([WORD, BREAK, MASK], over="x") == [WORD, BREAK, MASK]
    assert cut([MASK, MASK], over="") == [MASK, MASK]


def test_the_head_is_the_documents_and_not_read() -> None:
    assert cut([BREAK, WORD, MASK], over="x", head=b"\n") == [BREAK, WORD]


def test_a_row_with_a_commit_after_its_first_mask_is_not_cut() -> None:
    assert cut([WORD, BREAK, MASK, WORD, MASK], over="x\n") == [WORD, BREAK, MASK, WORD, MASK]


def test_a_row_with_a_boundary_still_to_spell_is_not_cut() -> None:
    assert cut([WORD, MASK, MASK], over="x", protected=[2]) == [WORD, MASK, MASK]


def test_rows_end_on_their_own() -> None:
    before = canvas([WORD, MASK, MASK], [SPACE, MASK, MASK])
    after = text_end(Over("x")).cut(before, torch.zeros_like(before.is_masked))
    assert after.lengths.tolist() == [1, 3]


def test_a_full_row_that_may_not_end_grows() -> None:
    before = canvas([WORD, WORD], [WORD, MASK], [WORD, WORD, WORD])
    after = text_end(Between(fewest=3)).grow(before)
    after.check_integrity()
    assert after.lengths.tolist() == [2 + NUM_MORE, 2, 3]
    assert after.is_masked.sum(dim=1).tolist() == [NUM_MORE, 1, 0]
    assert after.token_ids[0, :2].tolist() == [WORD, WORD]
    assert not after.lacked_room.any()


@pytest.mark.parametrize(
    ("head", "tail", "ending"),
    [(b"", b"x", Between(fewest=9)), (b"", b"", Between(fewest=9, most=2)), (b"x", b"", Between(fewest=1))],
    ids=["a-boundary-stands-behind", "nothing-more-would-be-kept", "the-head-is-the-documents"],
)
def test_a_row_that_has_nothing_to_gain_stays(head: bytes, tail: bytes, ending: Ending) -> None:
    before = canvas([WORD, WORD])
    assert text_end(ending, head, tail).grow(before) is before


def test_a_row_that_ends_with_what_must_be_kept_stays() -> None:
    before = canvas([WORD, MASK]).anchor(0, [1], [WORD])
    assert text_end(Between(fewest=9)).grow(before) is before


def test_a_row_grows_no_further_than_it_may() -> None:
    ending = text_end(Between(fewest=9), max_length=5)
    after = ending.grow(canvas([WORD, WORD]))
    assert (after.lengths.tolist(), after.lacked_room.tolist()) == ([5], [True])
    assert ending.grow(canvas([WORD] * 5)).lacked_room.tolist() == [True]


def test_what_never_ends_is_given_up() -> None:
    ending = text_end(Between(fewest=99))
    row: Canvas = canvas([WORD])
    for _ in range(MOST_TIMES_MORE + 2):
        row = ending.grow(row)
        row = row.guess(torch.full_like(row.token_ids, WORD), torch.ones(row.token_ids.shape)).commit(row.is_masked)
    assert row.lengths.tolist() == [1 + MOST_TIMES_MORE * NUM_MORE]


def test_a_model_that_wants_nothing_more_is_asked_once() -> None:
    ending, before = text_end(Between(fewest=9)), canvas([WORD, WORD])
    grown = ending.grow(before)
    assert grown.lengths.tolist() == [2 + NUM_MORE]
    assert ending.grow(grown.remove(grown.is_masked)).lengths.tolist() == [2]
