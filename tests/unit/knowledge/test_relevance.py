"""How much of a query an item covers, and which of its words tell anything."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aragora.knowledge.relevance import cover_of, telling

TOKENS = st.sets(st.sampled_from(("the", "of", "cache", "replicas", "v2", "zx6161", "42")))


def test_a_short_word_weighs_a_fifth_of_a_long_one_or_of_a_number() -> None:
    cover = cover_of(("the", "cache", "42"))
    assert cover({"the"}) == pytest.approx(0.2 / 2.2)
    assert cover({"42"}) == cover({"cache"}) == pytest.approx(1.0 / 2.2)


@given(query=TOKENS, held=TOKENS, more=TOKENS)
def test_what_holds_more_covers_no_less_and_never_more_than_all(
    query: set[str], held: set[str], more: set[str]
) -> None:
    cover = cover_of(query)
    assert 0.0 <= cover(held) <= cover(held | more) <= cover(query) + 1e-12
    assert cover(query) == pytest.approx(1.0 if query else 0.0)


def test_the_telling_words_are_those_that_are_not_short_unless_all_are() -> None:
    assert telling(("is", "the", "cache", "42")) == ("cache", "42")
    assert telling(("is", "it", "on")) == ("is", "it", "on")
