"""Support is counted by independent roots."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from worlds.knowledge import source

from aragora.knowledge.model import Source
from aragora.knowledge.roots import independent_roots


def test_debates_that_saw_nothing_of_each_other_are_roots_of_their_own() -> None:
    assert independent_roots([source(1), source(2), source(3)]) == 3


def test_a_debate_that_was_offered_the_item_does_not_corroborate_it() -> None:
    assert independent_roots([source(1), source(2, 1)]) == 1


def test_a_chain_of_debates_that_elaborate_on_each_other_is_one_source() -> None:
    assert independent_roots([source(1), source(2, 1), source(3, 2), source(4, 3)]) == 1


def test_what_a_debate_was_shown_of_other_things_takes_nothing_from_its_word() -> None:
    assert independent_roots([source(1), source(2, 7, 8)]) == 2


def test_the_same_debate_counts_once_however_often_it_says_it() -> None:
    assert independent_roots([source(1), source(1), source(1, 2)]) == 1


def test_roots_that_were_shown_each_other_count_as_one_together() -> None:
    assert independent_roots([source(1, 3), source(2, 1), source(3, 2)]) == 1


def test_nobody_supports_nothing() -> None:
    assert independent_roots([]) == 0


graphs = st.lists(
    st.builds(lambda number, seen: source(number, *seen), st.integers(1, 6), st.sets(st.integers(1, 8), max_size=4)),
    max_size=8,
)


@given(graphs, st.randoms(use_true_random=False))
def test_the_order_of_sources_changes_nothing(sources: list[Source], random: object) -> None:
    shuffled = list(sources)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert independent_roots(shuffled) == independent_roots(sources)


@given(graphs)
def test_there_is_at_least_one_root_and_never_more_than_names(sources: list[Source]) -> None:
    roots = {one.root for one in sources}
    assert min(1, len(roots)) <= independent_roots(sources) <= len(roots)


@given(graphs)
def test_one_more_source_that_saw_all_others_adds_nothing(sources: list[Source]) -> None:
    everything = source(9, *(range(1, 9)))
    with_it = independent_roots([*sources, everything])
    assert with_it == max(independent_roots(sources), 1)
