"""Who reads whom; anonymous ballots, shuffled per reader and the same at every replay."""

from collections import Counter

import pytest
from hypothesis import given, strategies

from aragora.debate.machine.readers import LABELS, MAX_LABELS, named, ranked, shuffled, targets
from aragora.debate.model import Ask, AskKind, Topology

NAMES = ("claude", "gpt", "gemini", "grok")


def ask_of(agent: str = "claude", round_number: int = 1, kind: AskKind = AskKind.VOTE) -> Ask:
    return Ask("id", "deb_1", agent, kind, round_number)


@given(strategies.integers(), strategies.integers(1, MAX_LABELS))
def test_a_shuffle_loses_and_adds_nobody(seed: int, count: int) -> None:
    names = tuple(f"agent-{number}" for number in range(count))
    assert sorted(shuffled(names, seed, ask_of())) == sorted(names)


@given(strategies.integers())
def test_the_same_reader_sees_the_same_order_again(seed: int) -> None:
    assert shuffled(NAMES, seed, ask_of()) == shuffled(NAMES, seed, ask_of())


def test_readers_rounds_and_kinds_see_different_orders() -> None:
    names = tuple(f"agent-{number}" for number in range(12))
    asks = (ask_of("a"), ask_of("b"), ask_of("a", 2), ask_of("a", 1, AskKind.REVISE))
    assert len({shuffled(names, 1, ask) for ask in asks}) == len(asks)


def test_no_answer_is_favoured_by_its_place() -> None:
    first = Counter(shuffled(NAMES, seed, ask_of())[0] for seed in range(4_000))
    assert all(900 < count < 1_100 for count in first.values())


@given(strategies.integers(), strategies.integers(1, MAX_LABELS))
def test_every_label_leads_back_to_its_name(seed: int, count: int) -> None:
    order = shuffled(tuple(f"agent-{number}" for number in range(count)), seed, ask_of())
    assert tuple(named(label, order) for label in LABELS[:count]) == order


def test_a_label_that_was_not_on_the_ballot_names_nobody() -> None:
    assert named("C", ("claude", "gpt")) is None
    assert named("", ("claude",)) is None


def test_a_ranking_keeps_what_was_ranked_once_and_invents_no_order_for_the_rest() -> None:
    assert ranked(("C", "A", "C", "Z"), NAMES) == ("gemini", "claude")


# --- Who reads whom ----------------------------------------------------------------------------------------

FOUR = ("a", "b", "c", "d")


@pytest.mark.parametrize(
    ("topology", "links"),
    [(Topology.ALL_TO_ALL, 12), (Topology.RING, 4), (Topology.STAR, 6), (Topology.SPARSE, 8)],
)
def test_each_topology_has_its_number_of_links_among_four(topology: Topology, links: int) -> None:
    assert sum(len(targets(topology, FOUR, critic)) for critic in FOUR) == links


def test_a_ring_closes() -> None:
    assert targets(Topology.RING, FOUR, "d") == ("a",)


def test_in_a_star_the_first_reads_all_and_all_read_the_first() -> None:
    assert targets(Topology.STAR, FOUR, "a") == ("b", "c", "d")
    assert targets(Topology.STAR, FOUR, "c") == ("a",)


@given(strategies.sampled_from(Topology), strategies.integers(2, 32))
def test_nobody_reads_itself_and_everybody_is_read(topology: Topology, count: int) -> None:
    names = tuple(f"agent-{number}" for number in range(count))
    links = {name: targets(topology, names, name) for name in names}
    assert all(name not in read and len(set(read)) == len(read) for name, read in links.items())
    assert {name for read in links.values() for name in read} == set(names)


def test_one_alone_has_nobody_to_read() -> None:
    assert targets(Topology.RING, ("a",), "a") == ()
