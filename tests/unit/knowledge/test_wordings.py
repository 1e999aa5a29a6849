"""Texts in nearly the same words are one, told without the words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aragora.knowledge.wordings import SAME, SIGNATURE, alike, grouped, signature

LOAD = "It names no source for the load that it expects."


@pytest.mark.parametrize(
    "other",
    [
        LOAD.upper(),
        "It names no source for the load it expects",
        "It names no source at all for the expected load.",
        "No source is named for the load that it expects.",
    ],
)
def test_nearly_the_same_words_are_one(other: str) -> None:
    assert alike(signature(LOAD), signature(other)) >= SAME


@pytest.mark.parametrize(
    "other",
    [
        "It names no cost for the second node.",
        "The load that was measured in March is out of date.",
        "No source.",
        "\u8ca0\u8377\u306e\u51fa\u5178\u304c\u306a\u3044",
        "",
    ],
)
def test_other_words_are_not(other: str) -> None:
    assert alike(signature(LOAD), signature(other)) < SAME


def test_a_signature_is_short_and_holds_no_word() -> None:
    words = " ".join(f"word{number}" for number in range(100))
    assert len(signature(words)) == SIGNATURE
    assert all(0 <= digest < 2**32 for digest in signature(words))


signatures = st.lists(st.integers(0, 12), max_size=8, unique=True).map(lambda found: tuple(sorted(found)))


@given(signatures, signatures)
def test_likeness_is_mutual_and_whole_only_for_the_same(left: tuple[int, ...], right: tuple[int, ...]) -> None:
    assert alike(left, right) == alike(right, left)
    assert (alike(left, right) == 1.0) == (left == right != ())


@given(st.lists(signatures, max_size=12))
def test_each_text_joins_the_leader_it_is_most_like_and_leaders_are_apart(found: list[tuple[int, ...]]) -> None:
    texts = {str(number): one for number, one in enumerate(found)}
    order = list(texts)
    of = grouped(texts, order)
    leaders = [name for name in order if of[name] == name]
    for name in order:
        before = [one for one in leaders if order.index(one) < order.index(name)]
        best = max((alike(texts[name], texts[one]) for one in before), default=0.0)
        if of[name] == name:
            assert best < SAME
        else:
            assert alike(texts[name], texts[of[name]]) == best >= SAME
