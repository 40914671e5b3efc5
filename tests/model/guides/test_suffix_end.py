"""A text ends where the suffix follows best: at the likeliest middle of all that it begins with."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlm_model.decode_options import DecodeOptions
from dlm_model.guides.suffix_end import NUM_TOGETHER, PATIENCE, STRIDE, ends_at_suffix
from dlm_model.request import InfillRequest
from tests.model.endings import Between
from tests.model.lettered_guides import (
    BOTH,
    BRACKET,
    BREAK,
    LEAD,
    MASK,
    PAREN,
    SEMICOLON,
    SPACE,
    SPELLINGS,
    TRAIL,
    A,
    B,
    C,
    Counting,
    canvas,
    drawn,
    follows,
    row_of,
    suffix_end,
)


def test_a_text_that_wrote_the_suffix_too_ends_before_it() -> None:
    guide = follows((B, A), (A, C), (C, BREAK), (BREAK, B))
    after = suffix_end(guide)(canvas([A, C, BREAK, B, A, C, BREAK, B, MASK, MASK], suffix=[C, BREAK]))
    assert row_of(after) == [A]


def test_a_token_that_holds_both_ends_is_cut_within() -> None:
    guide = follows((B, A), (A, BOTH), (BOTH, BREAK), (BREAK, C))
    written = [A, BOTH, BREAK, C, C, C, C, C]
    assert row_of(suffix_end(guide)(canvas([*written, MASK], suffix=[BRACKET, BREAK]))) == [A, PAREN]
    after = suffix_end(guide, tail=b"]")(canvas([*written, MASK, BRACKET], suffix=[BREAK]))
    assert row_of(after) == [A, PAREN, BRACKET]


def test_what_was_read_into_the_tail_is_dropped_where_another_end_is_better() -> None:
    guide = follows((B, A), (A, BRACKET), (BRACKET, BREAK), (BREAK, C), (C, BOTH))
    after = suffix_end(guide, tail=b"]")(canvas([A, BRACKET, BREAK, C, BOTH], suffix=[BREAK]))
    assert row_of(after) == [A, BRACKET]
    kept = canvas([A, BOTH], suffix=[BREAK])
    assert suffix_end(follows((B, A), (A, BOTH), (BOTH, BREAK)), tail=b"]")(kept) is kept


def test_a_text_goes_on_while_something_longer_may_be_likelier() -> None:
    guide = follows((B, A), (A, A), (A, C))
    going_on = canvas([A] * STRIDE + [MASK], suffix=[BREAK])
    assert suffix_end(guide)(going_on) is going_on


def test_nothing_but_white_space_is_no_middle() -> None:
    guide = follows((B, SEMICOLON), (SPACE, A), (A, SEMICOLON))
    assert row_of(suffix_end(guide)(canvas([SPACE, A, C], suffix=[SEMICOLON]))) == [SPACE, A]
    blank = canvas([BREAK, SPACE], suffix=[SEMICOLON])
    assert suffix_end(guide)(blank) is blank


def test_no_character_is_cut_within() -> None:
    guide = follows((B, A), (A, LEAD), (LEAD, SEMICOLON), (TRAIL, C))
    assert row_of(suffix_end(guide)(canvas([A, LEAD, TRAIL, C], suffix=[SEMICOLON]))) != [A, LEAD]
    assert row_of(suffix_end(guide)(canvas([LEAD, TRAIL, C], suffix=[SEMICOLON])))[:2] == [LEAD, TRAIL]


@pytest.mark.parametrize(
    ("row", "head", "tail"),
    [([A, C, MASK, C], b"", b""), ([MASK, C, A], b"a", b""), ([A, C, MASK], b"", b"]")],
    ids=["committed-further-right", "head-unspelled", "tail-unspelled"],
)
def test_a_row_that_is_not_read_yet_stays(row: list[int], head: bytes, tail: bytes) -> None:
    guide, before = follows((A, BREAK)), canvas(row, suffix=[BREAK])
    assert suffix_end(guide, head, tail)(before) is before
    assert guide.num_forwards == 0


def test_head_and_kept_text_stay() -> None:
    guide = follows((B, SEMICOLON), (A, SEMICOLON))
    written = [A, *[C] * 2 * STRIDE, MASK]
    assert row_of(suffix_end(guide, head=b"a")(canvas(written, suffix=[SEMICOLON])))[:2] == [A, C]
    kept = canvas(written, suffix=[SEMICOLON]).anchor(0, [2], [A])
    assert row_of(suffix_end(guide)(kept)) == [A, C, A]


def test_rows_end_on_their_own() -> None:
    guide = follows((B, A), (A, SEMICOLON), (SEMICOLON, C))
    before = canvas([A, SEMICOLON, *[C] * STRIDE, MASK], [A, MASK], [A, A], suffix=[SEMICOLON])
    after = suffix_end(guide)(before)
    assert [row_of(after, row) for row in range(3)] == [[A], [A, MASK], [A]]


def test_a_row_is_looked_at_every_few_tokens_and_when_it_is_full() -> None:
    guide = follows(*((token, token) for token in range(len(SPELLINGS))))
    end = suffix_end(guide)
    looks = []
    for written in range(2 * STRIDE + 1):
        before = guide.num_forwards
        end(canvas([C] * written + [MASK], suffix=[SEMICOLON]))
        looks.append(guide.num_forwards > before)
    assert [written for written, is_look in enumerate(looks) if is_look] == [STRIDE, 2 * STRIDE]
    before = guide.num_forwards
    end(canvas([C] * (2 * STRIDE + 1), suffix=[SEMICOLON]))
    assert guide.num_forwards > before


def test_a_row_that_has_ended_is_not_looked_at_again() -> None:
    guide = follows((B, A), (A, SEMICOLON))
    end, before = suffix_end(guide), canvas([A, A], [A, MASK], suffix=[SEMICOLON])
    ended = end(before)
    num_forwards = guide.num_forwards
    end(end(ended))
    assert guide.num_forwards <= num_forwards + 1  # for the row as it was cut


def test_a_row_as_it_stands_is_read_no_further_than_its_rivals() -> None:
    guide = follows((B, A), (A, BOTH), (BOTH, C))
    guide.table[C] = -3.0
    kept = canvas([A, BOTH], suffix=[C] * 12)
    assert suffix_end(guide, tail=b"]")(kept) is kept


def test_a_better_end_is_not_waited_for_forever() -> None:
    certain = follows((B, A), (A, C), (C, C))
    certain.table[C, C] = 60.0  # so that the text stays as likely as it was
    certain.table[:, SEMICOLON] = -60.0
    end = suffix_end(certain)
    for written in range(STRIDE, 2 * PATIENCE, STRIDE):
        before = canvas([A, *[C] * (written - 1), MASK], suffix=[SEMICOLON])
        if end(before) is not before:
            break
    assert PATIENCE <= written <= PATIENCE + 2 * STRIDE


@given(
    st.integers(0, 2**32),
    st.lists(st.sampled_from([A, B, C, SPACE, PAREN, BRACKET, SEMICOLON]), min_size=1, max_size=7),
    st.lists(st.sampled_from([A, C, PAREN, SEMICOLON]), min_size=1, max_size=4),
)
def test_a_full_row_ends_where_its_middle_fits_best(seed: int, written: list[int], suffix: list[int]) -> None:
    guide = drawn(seed)
    ends = [n for n in range(1, len(written) + 1) if b"".join(SPELLINGS[each] for each in written[:n]).strip()]
    fits = {n: guide.fit(written[:n], suffix) for n in ends}
    after = row_of(suffix_end(guide)(canvas(written, suffix=suffix)))
    if ends:
        assert after == written[: len(after)]
        assert fits[len(after)] == pytest.approx(max(fits.values()), abs=1e-4)
    else:
        assert after == written


@given(
    st.integers(0, 2**32),
    st.lists(st.sampled_from([A, C, PAREN, BRACKET]), min_size=PATIENCE - STRIDE, max_size=PATIENCE - STRIDE),
    st.lists(st.sampled_from([A, C, PAREN, SEMICOLON]), min_size=1, max_size=2),
)
def test_a_text_that_is_ended_early_would_have_ended_no_better(
    seed: int, written: list[int], suffix: list[int]
) -> None:
    guide = drawn(seed)
    end = suffix_end(guide)
    after = canvas(written, suffix=suffix)
    for length in range(STRIDE, len(written), STRIDE):
        going_on = canvas([*written[:length], MASK], suffix=suffix)
        if (after := end(going_on)) is not going_on:
            break
    else:
        return
    best = guide.fit(row_of(after), suffix)
    assert all(guide.fit(written[:n], suffix) < best + 1e-3 for n in range(length, len(written) + 1))


@pytest.mark.parametrize("num_letters", [1, 9, 16, 24])
def test_no_end_is_taken_while_an_unread_one_may_be_better(num_letters: int) -> None:
    guide = Counting(num_letters)
    complete = canvas([A] * 24, suffix=[PAREN, SEMICOLON])
    assert row_of(suffix_end(guide)(complete)) == [A] * num_letters


@given(
    st.integers(0, 2**32),
    st.lists(st.sampled_from([A, C, PAREN, BRACKET]), min_size=3 * STRIDE, max_size=3 * STRIDE),
    st.lists(st.sampled_from([A, C, PAREN, SEMICOLON]), min_size=1, max_size=2),
)
def test_no_later_look_cuts_off_what_is_settled(seed: int, written: list[int], suffix: list[int]) -> None:
    end, settled = suffix_end(drawn(seed)), []
    for row in (*([*written[:length], MASK] for length in range(STRIDE, len(written), STRIDE)), written):
        before = canvas(row, suffix=suffix)
        after = end(before)
        assert row_of(after)[: len(settled)] == settled
        if after is not before:
            break
        settled = written[: end.num_settled(0)]


def test_nothing_is_settled_behind_an_unread_end_that_may_be_better() -> None:
    guide = Counting(3, reluctance=0.25)
    end = suffix_end(guide)
    end(canvas([A] * 24 + [MASK], suffix=[PAREN, SEMICOLON]))
    assert 0 < end.num_settled(0) <= 3
    assert row_of(end(canvas([A] * 24, suffix=[PAREN, SEMICOLON]))) == [A] * 3


def test_a_token_that_holds_all_of_the_suffix_needs_no_reading() -> None:
    guide = follows((B, BOTH), (BOTH, BOTH))  # so that these are more promising than all ends that are to be read
    after = suffix_end(guide)(canvas([BOTH] * NUM_TOGETHER + [C], suffix=[BRACKET]))
    assert row_of(after) == [PAREN]


def test_before_a_line_break_a_text_ends_with_a_line() -> None:
    guide = follows((B, A), (A, BREAK), (C, BREAK), (BREAK, SEMICOLON))
    suffix = [BREAK, SEMICOLON]
    assert row_of(suffix_end(guide)(canvas([A, BREAK, C, A, C, A, C], suffix=suffix))) == [A]
    assert row_of(suffix_end(guide)(canvas([A, C, BREAK, C, A, C, A], suffix=suffix))) == [A, C]
    going_on = canvas([A] * 2 * STRIDE + [MASK], suffix=suffix)
    assert suffix_end(guide)(going_on) is going_on


@pytest.mark.parametrize(
    ("request_", "options", "expected"),
    [
        (InfillRequest("a", ")"), DecodeOptions(), True),
        (InfillRequest("a", ")\n", single_line=True), DecodeOptions(), True),
        (InfillRequest("a", ")\n", ending=Between()), DecodeOptions(), True),
        (InfillRequest("a", "\n"), DecodeOptions(), True),
        (InfillRequest("a", ""), DecodeOptions(), False),
        (InfillRequest("a", " \nb", single_line=True), DecodeOptions(), False),
        (InfillRequest("a", "\nb", ending=Between()), DecodeOptions(), False),
        (InfillRequest("a", ")", closing="b"), DecodeOptions(), False),
        (InfillRequest("a", ")"), DecodeOptions(grammar="json"), False),
        (InfillRequest("a", ")"), DecodeOptions(middle_length=3), False),
    ],
)
def test_when_the_suffix_decides(request_: InfillRequest, options: DecodeOptions, expected: bool) -> None:
    assert ends_at_suffix(request_, options) is expected


class Balanced:
    """A checker of brackets: more of one kind than of the other is an error at the end."""

    def errors(self, middle: str) -> list[tuple[int, int]]:
        is_balanced = middle.count(")") == middle.count("]")
        return [] if is_balanced else [(len(middle) - 1, len(middle))]


def test_an_end_that_adds_no_syntax_error_is_preferred() -> None:
    guide = follows((B, A), (A, PAREN), (PAREN, BRACKET), (BRACKET, SEMICOLON))
    guide.table[PAREN, SEMICOLON] = 9.0
    written = canvas([A, PAREN, BRACKET, C], suffix=[SEMICOLON])
    assert row_of(suffix_end(guide)(written)) == [A, PAREN]
    assert row_of(suffix_end(guide, syntax=Balanced())(written)) == [A, PAREN, BRACKET]


def test_where_every_end_adds_an_error_the_best_one_is_taken() -> None:
    guide = follows((B, PAREN), (PAREN, A), (A, SEMICOLON), (SEMICOLON, C))
    written = canvas([PAREN, A, SEMICOLON, C], suffix=[SEMICOLON])
    assert row_of(suffix_end(guide, syntax=Balanced())(written)) == [PAREN, A]


def test_the_checker_reads_what_the_document_gets() -> None:
    read: list[str] = []

    class Recorder:
        def errors(self, middle: str) -> list[tuple[int, int]]:
            read.append(middle)
            return []

    guide = follows((B, A), (A, BOTH), (BOTH, BREAK))
    suffix_end(guide, head=b"a", tail=b"]", syntax=Recorder())(canvas([A, C, BOTH], suffix=[BREAK]))
    assert set(read) <= {"c", "c)", "c)]"}
    assert {"c", "c)"} <= set(read)
