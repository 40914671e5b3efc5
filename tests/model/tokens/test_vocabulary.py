"""Look-ups by spelling: how many of them are remembered, and which."""

from dlm_model.tokens.vocabulary import Spellings

SPELLINGS = Spellings([b"a", b"ab", b"b", b""])


def test_a_look_up_is_remembered_however_many_came_before() -> None:
    for room in range(1000):
        SPELLINGS.compatible(b"a", room)
    assert SPELLINGS.compatible(b"ab", 2) is SPELLINGS.compatible(b"ab", 2)


def test_look_ups_of_long_ago_are_forgotten() -> None:
    first = SPELLINGS.compatible(b"a", 1)
    for room in range(2, 1000):
        SPELLINGS.compatible(b"a", room)
    assert SPELLINGS.compatible(b"a", 1) is not first
