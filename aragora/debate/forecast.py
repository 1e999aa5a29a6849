"""What a debate will take, told before it begins: asks, phases, and what it may cost. Pure.

The least is where all first answers come to one conclusion, told by their texts, with evidence; the most where no
answer is like another, positions move in every round, an agreement is challenged besides, and nothing fails. Phases
follow each other, each as slow as the slowest agent that is waited for; asks of one phase run at once.
"""

from __future__ import annotations

from dataclasses import dataclass

from aragora.debate.machine.phases import rounds_of
from aragora.debate.machine.readers import targets
from aragora.debate.machine.state import judged, participants_of
from aragora.debate.model import ConsensusMode, DebateSpec, Protocol, Topology


@dataclass(frozen=True, slots=True)
class Forecast:
    """`usd_most` is the budget; None where nothing that the debate asks can cost anything."""

    asks_least: int
    asks_most: int
    phases_least: int
    phases_most: int
    usd_most: float | None


def forecast(spec: DebateSpec) -> Forecast:
    """What a debate by `spec` takes at least and at most."""
    least, most = _least(spec), _most(spec)
    return Forecast(sum(least), sum(most), len(least), len(most), spec.budget_usd)


def _least(spec: DebateSpec) -> list[int]:
    """The asks of each phase where all agree from the start: then there is nothing to vote on."""
    protocol, count = spec.protocol, len(participants_of(spec))
    rounds = 1 if protocol.early_stop else rounds_of(protocol)
    phases: list[int] = []
    for number in range(1, rounds + 1):
        phases.append(count)
        if not protocol.early_stop:
            phases += _critique(spec, number, positions=1)
    return phases + _decision(spec, contested=not protocol.positions)


def _most(spec: DebateSpec) -> list[int]:
    """The asks of each phase where nobody agrees with anybody until the end."""
    protocol, count = spec.protocol, len(participants_of(spec))
    rounds = rounds_of(protocol)
    grouping = [1] if protocol.positions and not spec.options and count > 1 else []
    phases: list[int] = []
    for number in range(1, rounds + 1):
        phases.append(count)
        if number == rounds or _follows_positions(protocol):
            phases += grouping
        phases += _critique(spec, number, positions=count)
    challenge = [count, *grouping] if protocol.trickster else []
    return phases + challenge + _decision(spec, contested=True)


def _follows_positions(protocol: Protocol) -> bool:
    return protocol.early_stop or protocol.settles or protocol.topology is Topology.POSITIONS


def _critique(spec: DebateSpec, number: int, positions: int) -> list[int]:
    protocol, participants = spec.protocol, participants_of(spec)
    if not protocol.critique:
        return []
    if protocol.topology is Topology.POSITIONS:
        late = 1 < number >= rounds_of(protocol)
        return [positions] if positions > 1 and not late else []
    links = sum(len(targets(protocol.topology, participants, critic)) for critic in participants)
    return [links] if links else []


def _decision(spec: DebateSpec, *, contested: bool) -> list[int]:
    protocol = spec.protocol
    chair = [1] if protocol.synthesize else []
    if not contested:
        return chair
    if judged(protocol):
        return [1, *chair]
    if protocol.consensus is ConsensusMode.NONE and not protocol.rank:
        return chair
    return [len(participants_of(spec)), *chair]
