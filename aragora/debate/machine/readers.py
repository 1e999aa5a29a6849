"""Whose answers an agent reads, in which order, and under which labels.

The topology says who criticises and rereads whom, as a directed graph over the participants in the order they are
listed:

    all_to_all  everyone and everyone else                              n(n-1) pairs
    ring        each and the next one                                   n
    star        the first one and everyone, in both directions          2(n-1)
    sparse      each and the next ceil((n-1)/2), a circulant graph      about half of all pairs

Source: Li et al. 2024, "Improving Multi-Agent Debate with Sparse Communication Topology" (arXiv:2406.11776):
fewer links cost less and keep answers diverse for longer.

The order in which a reader sees answers is a pure function of the debate's seed, the ask's round and kind, and the
reader: a replay shuffles alike, two readers do not see the same order, and no position is favoured across readers. The
permutation is the Lehmer code of a 512-bit BLAKE2b digest, which holds every order of up to `MAX_LABELS` answers.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Final

from aragora.debate.model import Ask, Topology

MAX_LABELS: Final = 32
_LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
LABELS: Final[tuple[str, ...]] = (*_LETTERS, *(f"A{letter}" for letter in _LETTERS))[:MAX_LABELS]


def targets(topology: Topology, participants: tuple[str, ...], critic: str) -> tuple[str, ...]:
    """The participants whose answers `critic` reads, in a fixed order. Never the critic itself."""
    count = len(participants)
    if count < 2:
        return ()
    here = participants.index(critic)
    if topology is Topology.STAR:
        return participants[1:] if here == 0 else participants[:1]
    reach = {Topology.RING: 1, Topology.SPARSE: count // 2}.get(topology, count - 1)
    return tuple(participants[(here + step) % count] for step in range(1, reach + 1))


def shuffled(names: tuple[str, ...], seed: int, ask: Ask) -> tuple[str, ...]:
    """`names` in the order in which the agent of `ask` sees their answers."""
    if len(names) < 2:
        return names
    digest = blake2b(f"{seed}/{ask.round}/{ask.kind}/{ask.agent}".encode()).digest()
    number = int.from_bytes(digest, "big")
    order = list(names)
    for last in range(len(order) - 1, 0, -1):
        number, chosen = divmod(number, last + 1)
        order[last], order[chosen] = order[chosen], order[last]
    return tuple(order)


def named(label: str, order: tuple[str, ...]) -> str | None:
    """The name behind `label` where the reader saw `order`; None where there is no such label."""
    for known, name in zip(LABELS, order, strict=False):
        if known == label:
            return name
    return None


def ranked(labels: tuple[str, ...], order: tuple[str, ...]) -> tuple[str, ...]:
    """A ranking of labels as names, each once. What the reader left out has no place in it."""
    return tuple(dict.fromkeys(name for label in labels if (name := named(label, order)) is not None))
