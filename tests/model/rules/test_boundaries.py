"""Respelling a split word: the rule must join the halves and must never exclude the true text."""

import random
import sysconfig
from pathlib import Path

import pytest
import torch

from dlm_model.canvas import Canvas
from dlm_model.decode_options import DecodeOptions
from dlm_model.network.config import ModelConfig
from dlm_model.opening import Opening
from dlm_model.request import InfillRequest
from dlm_model.rules.boundaries import MAX_FRAGMENT_BYTES, Boundaries, split_prefix, split_suffix
from dlm_model.rules.constraint import Constraint
from dlm_model.tokens.tokenizer import Encoding, Tokenizer
from dlm_model.tokens.vocabulary import Vocabulary
from tests.model.tiny_checkpoints import RESIZING, SHAPE, VOCAB_SIZE, byte_level_tokenizer

TOKENIZER = Tokenizer(byte_level_tokenizer(), VOCAB_SIZE)
VOCABULARY = Vocabulary(TOKENIZER.token_bytes)
CONFIG = ModelConfig.from_dict({"model_type": "llama", "rms_norm_eps": 1e-6, "dlm": RESIZING} | SHAPE)
MASK = CONFIG.mask_token_id
STANDARD_LIBRARY = Path(sysconfig.get_paths()["stdlib"])
REAL_FILES = sorted(
    path for pattern in ("*.py", "asyncio/*.py", "email/*.py") for path in STANDARD_LIBRARY.glob(pattern)
)
REAL_FILES = [path for path in REAL_FILES if path.stat().st_size > 500][:200]


@pytest.mark.parametrize(
    ("prefix", "head"),
    [
        ("def foo(self):\n        ret", " ret"),
        ("x = valu", " valu"),
        ("if a =", " ="),
        ("def foo(self):\n    ", "\n    "),
        ("call(", "("),
        ("x = 1\n", "\n"),
        ("", ""),
    ],
    ids=["word", "after-space", "operator", "indentation", "bracket", "line-break", "empty"],
)
def test_the_unfinished_word_left_of_the_cursor_is_backed_up_over(prefix: str, head: str) -> None:
    kept, fragment = split_prefix(TOKENIZER, prefix)
    assert fragment.spelling == head.encode()
    assert TOKENIZER.spell(kept) + fragment.spelling == prefix.encode()
    assert bool(fragment.num_tokens) == bool(head)


@pytest.mark.parametrize(
    ("suffix", "tail"),
    [("urn self\n", "urn"), ("= 1:", "="), (")\n", ")"), ("    x", "   "), ("\n    x", ""), ("", "")],
    ids=["word", "operator", "bracket", "indentation", "line-break", "empty"],
)
def test_the_begun_word_right_of_the_cursor_is_taken_along(suffix: str, tail: str) -> None:
    kept, fragment = split_suffix(TOKENIZER, suffix)
    assert fragment.spelling == tail.encode()
    assert fragment.spelling + TOKENIZER.spell(kept) == suffix.encode()


def test_a_long_run_is_backed_up_over_its_last_tokens_only() -> None:
    _, fragment = split_prefix(TOKENIZER, "#" + "=" * 500)
    assert 0 < len(fragment.spelling) <= MAX_FRAGMENT_BYTES


def test_a_frontier_takes_tokens_that_agree_with_what_was_typed() -> None:
    boundaries = Boundaries(VOCABULARY, b" ret", b"urn")
    heads = [VOCABULARY.token_bytes[token] for token in boundaries.head_tokens(b" ret", room=9)]
    tails = [VOCABULARY.token_bytes[token] for token in boundaries.tail_tokens(b"urn", room=9)]
    assert b" return" in heads
    assert all(b" ret".startswith(text) or text.startswith(b" ret") for text in heads)
    assert b"n" in tails
    assert all(b"urn".endswith(text) or text.endswith(b"urn") for text in tails)


def test_a_frontier_without_room_takes_no_token_that_leaves_too_much_to_spell() -> None:
    boundaries = Boundaries(VOCABULARY, b" return", b"")
    assert VOCABULARY.beginnings.fewest_tokens(b" return") == 1
    assert all(
        VOCABULARY.token_bytes[token].startswith(b" return") for token in boundaries.head_tokens(b" return", room=1)
    )
    assert any(VOCABULARY.token_bytes[token] == b" " for token in boundaries.head_tokens(b" return", room=7))


def reaches(truth: list[int], boundaries: Boundaries) -> bool:
    """Whether committing these tokens, frontiers first, is never forbidden: by the rules and the logits they limit."""
    constraint = Constraint(
        CONFIG, VOCABULARY, boundaries, InfillRequest("", ""), max_length=len(truth), is_resizing=False
    )
    canvas = Canvas.open([0], [], [len(truth)], MASK)
    predicted = torch.tensor([truth])
    while canvas.is_masked.any():
        rules = constraint.rules(canvas, is_last=False)
        limited = constraint.limit(torch.zeros(int(canvas.is_masked.sum()), VOCAB_SIZE), canvas, rules)
        free = rules.eligibility.is_open
        wanted = limited[torch.arange(len(limited)), predicted[canvas.is_masked]]
        if not free.any() or wanted[free[canvas.is_masked]].isinf().any():
            return False
        canvas = canvas.guess(predicted, torch.ones(canvas.confidence.shape)).commit(free)
    return True


def test_nothing_is_committed_beside_a_boundary_that_is_not_respelled() -> None:
    """A token chosen in the same step has not seen the boundary: nothing would take a stray sign back."""
    boundaries = Boundaries(VOCABULARY, b" ret", b"")
    constraint = Constraint(CONFIG, VOCABULARY, boundaries, InfillRequest("", ""), max_length=20, is_resizing=False)
    canvas = Canvas.open([0], [], [20], MASK)
    rules = constraint.rules(canvas, is_last=False)
    assert rules.is_urgent[0].nonzero()[:, 0].tolist() == [0]
    assert rules.eligibility.is_open[0].nonzero()[:, 0].tolist() == [0]
    respelled = boundaries.head_tokens(b" ret", room=20)
    whole = next(token for token in respelled if VOCABULARY.token_bytes[token].startswith(b" ret"))
    canvas = canvas.guess(torch.full((1, 20), whole), torch.ones(1, 20)).commit(rules.is_urgent)
    assert torch.equal(constraint.rules(canvas, is_last=False).eligibility.is_open, canvas.is_masked)


def spelled(text: str) -> int:
    """The token that spells exactly this text."""
    (token_id, *_) = VOCABULARY.beginnings.exact(text.encode())
    return token_id


def frontier_spellings(head: bytes, tail: bytes, *texts: str | None) -> dict[int, list[bytes]]:
    """The tokens that may stand at the frontiers of a row, by column; all but its masks is committed."""
    constraint = Constraint(
        CONFIG,
        VOCABULARY,
        Boundaries(VOCABULARY, head, tail),
        InfillRequest("", ""),
        max_length=len(texts),
        is_resizing=False,
    )
    ids = torch.tensor([[MASK if text is None else spelled(text) for text in texts]])
    canvas = Canvas.open([0], [], [len(texts)], MASK)
    canvas = canvas.guess(ids, torch.ones(ids.shape)).commit(ids != MASK)
    found = constraint.rules(canvas, is_last=False).frontier_tokens
    return {column: [VOCABULARY.token_bytes[token] for token in tokens] for (_, column), tokens in found.items()}


def test_a_head_has_only_the_masks_before_what_is_committed() -> None:
    """With two of them, `r` would leave `etq` to a single token: the committed one behind would count as the rest."""
    assert b"r" in frontier_spellings(b"retq", b"", None, None, None, None)[0]
    assert frontier_spellings(b"retq", b"", None, None, "(", ")", None)[0] == [b"ret"]
    assert frontier_spellings(b"retq", b"", "ret", None, "(", ")", None)[1] == [b"q"]


@pytest.mark.parametrize(("head", "before"), [(b"", (None, "(")), (b"", ("(",)), (b"(", ("(", "x"))])
def test_a_tail_has_only_the_masks_after_the_last_commit(head: bytes, before: tuple[str | None, ...]) -> None:
    assert b"t" in frontier_spellings(b"", b"ret", None, None, None)[2]
    found = frontier_spellings(head, b"ret", *before, None)[len(before)]
    assert found
    assert all(text.endswith(b"ret") for text in found)


def test_a_boundary_with_too_few_masks_left_may_still_be_begun() -> None:
    assert b"h" in frontier_spellings(b"hei", b"", None, None, "(", None)[0]
    assert b"q" in frontier_spellings(b"", b"xyq", None, "(", None, None)[3]


def test_a_row_that_does_not_begin_with_the_head_is_not_reached() -> None:
    boundaries = Boundaries(VOCABULARY, b" ret", b"")
    assert reaches(TOKENIZER.encode(" return x").ids, boundaries)
    assert not reaches(TOKENIZER.encode(" x return").ids, boundaries)


@pytest.mark.parametrize(("num_columns", "is_needed"), [(2, False), (1, True)])
def test_a_rejected_piece_of_a_boundary_comes_back_only_if_nothing_else_spells_it(
    num_columns: int, *, is_needed: bool
) -> None:
    boundaries, opened = Boundaries(VOCABULARY, b"em", b""), Canvas.open([0], [], [num_columns], MASK)
    constraint = Constraint(CONFIG, VOCABULARY, boundaries, InfillRequest("", ""), max_length=2, is_resizing=False)
    is_first = torch.arange(num_columns)[None] == 0
    committed = opened.guess(torch.full(is_first.shape, spelled("em")), torch.ones(is_first.shape)).commit(is_first)
    canvas = committed.reject(is_first, limit=1)
    logits = torch.zeros(num_columns, VOCAB_SIZE)
    allowed = constraint.limit(logits, canvas, constraint.rules(canvas, is_last=False))[0].isfinite()
    assert allowed[[spelled("em"), spelled("e")]].tolist() == [is_needed, not is_needed]


def test_there_are_enough_real_files() -> None:
    assert len(REAL_FILES) == 200


@pytest.mark.parametrize("path", REAL_FILES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_the_true_middle_is_reachable_for_any_split_of_a_real_file(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    generator = random.Random(path.name)
    for _ in range(4):
        start = generator.randrange(len(source) + 1)
        stop = min(len(source), start + generator.randrange(120))
        prefix, middle, suffix = source[max(0, start - 300) : start], source[start:stop], source[stop : stop + 300]
        kept, head = split_prefix(TOKENIZER, prefix)
        _, tail = split_suffix(TOKENIZER, suffix)
        boundaries = Boundaries(VOCABULARY, head.spelling, tail.spelling)
        apart = [
            *TOKENIZER.encode(prefix).ids[len(kept) :],
            *TOKENIZER.encode(middle).ids,
            *TOKENIZER.encode(suffix).ids[: tail.num_tokens],
        ]
        if apart:
            assert reaches(apart, boundaries)
        whole = (head.spelling + middle.encode() + tail.spelling).decode(errors="replace")
        joined = TOKENIZER.encode(whole).ids
        if len(joined) >= head.num_tokens + tail.num_tokens and len(joined) > 1 and "�" not in whole:
            assert reaches(joined, boundaries)


@pytest.mark.parametrize(("head", "tail"), [(b"abcd", b""), (b"", b"abcd"), (b"abc", b"cde")])
def test_a_boundary_claims_no_position_that_is_committed(head: bytes, tail: bytes) -> None:
    constraint = Constraint(
        CONFIG, VOCABULARY, Boundaries(VOCABULARY, head, tail), InfillRequest("", ""), max_length=9, is_resizing=False
    )
    (other,) = TOKENIZER.encode("x").ids
    opened = Canvas.open([1], [2], [2], MASK)
    ones = torch.ones(opened.is_masked.shape, dtype=torch.bool)
    full = opened.guess(torch.full_like(opened.token_ids, other), ones.float()).commit(ones)
    for is_last in (False, True):
        assert not constraint.rules(full, is_last=is_last).frontier_tokens


@pytest.mark.parametrize(
    ("options", "closing"), [(DecodeOptions(), ""), (DecodeOptions(), ")"), (DecodeOptions(grammar="json"), "")]
)
def test_each_side_is_tokenised_once(monkeypatch: pytest.MonkeyPatch, options: DecodeOptions, closing: str) -> None:
    texts, encode = [], Tokenizer.encode

    def counted(self: Tokenizer, text: str) -> Encoding:
        texts.append(text)
        return encode(self, text)

    monkeypatch.setattr(Tokenizer, "encode", counted)
    Opening.read(InfillRequest("x = val", "ue + 1", closing=closing), options, TOKENIZER, CONFIG)
    assert (texts.count("x = val"), texts.count("ue + 1")) == (1, 1)
