"""Who reads whom."""

import pytest
from hypothesis import given, strategies

from aragora.debate.machine.topology import targets
from aragora.debate.model import Topology

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
