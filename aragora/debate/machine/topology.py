"""Who criticises, and who rereads, whom: directed graphs over the participants in the order they are listed.

    all_to_all  everyone and everyone else                              n(n-1) pairs
    ring        each and the next one                                   n
    star        the first one and everyone, in both directions          2(n-1)
    sparse      each and the next ceil((n-1)/2), a circulant graph      about half of all pairs

Source: Li et al. 2024, "Improving Multi-Agent Debate with Sparse Communication Topology" (arXiv:2406.11776):
fewer links cost less and keep answers diverse for longer.
"""

from __future__ import annotations

from aragora.debate.model import Topology


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
