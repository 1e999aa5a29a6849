"""The cost adapter: what debates took, and from that what the next one will take. Pure.

In:  of each debate that ended, whatever its end: asks, tokens, USD and seconds, by agent, under its protocol.
Out: what debates like the planned one took (`like`), and whether one took far more than those before it (`anomaly`).

A debate is like the planned one where protocol, rounds and team are the same; where fewer than `LEAST` are, those of
the same protocol and rounds with as many agents. Quantiles are by the nearest rank: each is what one debate took.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from statistics import median
from typing import Final

from aragora.debate.model import DebateEnded, DebateSpec, DebateStatus, RoundStarted
from aragora.encoding import decode_as
from aragora.knowledge.observations import Observation
from aragora.knowledge.taught import TaughtDebate
from aragora.receipts.receipt import AgentPart, summary_of

NAME: Final = "cost"

LEAST: Final = 3
"""Debates from which on what they took is told."""
READ: Final = 200
"""Of the newest debates of a protocol so many are looked at."""

ANOMALY_LEAST: Final = 10
"""Debates from which on one may be told from the others."""
ANOMALY: Final = 3.5
"""Modified z-score from which on a debate is one: Iglewicz and Hoaglin, How to Detect and Handle Outliers, 1993."""
MAD_TO_SD: Final = 0.6745
"""Median absolute deviation of a normal distribution, in standard deviations."""
RECENT: Final = 10
"""Of the newest debates like the planned one so many are compared with those before them."""
APART: Final = 2.0
"""It took at least so many times the median besides: of debates that cost nearly the same none is an anomaly."""


@dataclass(frozen=True, slots=True)
class AgentSpent:
    """What one agent took in one debate; of its `asks`, `failures` were not answered in time or not at all."""

    agent: str
    asks: int = 0
    failures: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    usd: float = 0.0
    latency_s: float = 0.0  # of its calls together


@dataclass(frozen=True, slots=True)
class Spent:
    """What one debate took. Stored: a field's name never changes. `rounds` were allowed, `played` were begun; `seconds`
    are from its opening to its end."""

    protocol: str = ""
    rounds: int = 0
    domain: str = "general"
    status: DebateStatus = DebateStatus.COMPLETED
    played: int = 0
    seconds: float = 0.0
    agents: tuple[AgentSpent, ...] = ()

    @property
    def usd(self) -> float:
        return math.fsum(one.usd for one in self.agents)

    @property
    def asks(self) -> int:
        return sum(one.asks for one in self.agents)

    @property
    def tokens(self) -> int:
        """In and out."""
        return sum(one.input_tokens + one.output_tokens for one in self.agents)

    @property
    def team(self) -> frozenset[str]:
        return frozenset(one.agent for one in self.agents)


class Likeness(StrEnum):
    """Which debates an estimate rests on."""

    SAME_TEAM = "same_team"
    SAME_SIZE = "same_size"  # other agents, as many


@dataclass(frozen=True, slots=True)
class Range:
    """What half of the debates stayed within, and nine of ten."""

    p50: float
    p90: float


@dataclass(frozen=True, slots=True)
class Estimate:
    """What `debates` like the planned one took. `dear`: of the newest `RECENT` of the same team those that cost far
    more than those before them, as multiples of their median, the newest first."""

    debates: int
    likeness: Likeness
    usd: Range
    seconds: Range
    asks: Range
    tokens: Range
    dear: tuple[float, ...] = ()


def observe(taught: TaughtDebate) -> tuple[Observation, ...]:
    """What a debate took; nothing where it did not begin."""
    events = [event for _, event in taught.events]
    played = max((event.round for event in events if isinstance(event, RoundStarted)), default=0)
    if not played:
        return ()
    ends = [event.status for event in events if isinstance(event, DebateEnded)]
    spec = taught.spec
    spent = Spent(
        protocol=spec.protocol.name,
        rounds=spec.protocol.rounds,
        domain=spec.domain,
        status=ends[-1] if ends else DebateStatus.FAILED,
        played=played,
        seconds=max(0.0, taught.at - taught.began_at),
        agents=tuple(map(_spent, summary_of(events).agents)),
    )
    return (taught.noted(spent.protocol, spent),)


def read(observation: Observation) -> Spent:
    """What an observation of this adapter says. Raises ValueError for one that is damaged."""
    return decode_as(observation.body, Spent)


def like(planned: DebateSpec, seen: Sequence[Spent]) -> Estimate | None:
    """What debates like the planned one took, of those `seen`, the newest first; None where there are not `LEAST` of
    them. Debates that did not come to their end are left out."""
    ended = [
        one
        for one in seen
        if one.status is DebateStatus.COMPLETED
        and one.protocol == planned.protocol.name
        and one.rounds == planned.protocol.rounds
    ]
    team = frozenset(planned.agents)
    same = [one for one in ended if one.team == team]
    if len(same) >= LEAST:
        found = (anomaly(one, same[place + 1 :]) for place, one in enumerate(same[:RECENT]))
        return replace(_estimate(same, Likeness.SAME_TEAM), dear=tuple(one for one in found if one is not None))
    size = [one for one in ended if len(one.agents) == len(planned.agents)]
    return _estimate(size, Likeness.SAME_SIZE) if len(size) >= LEAST else None


def anomaly(one: Spent, before: Sequence[Spent]) -> float | None:
    """How many times the median of the like ones before it a debate cost, where that is far more than they differ
    among each other; None where it is not, or where there are fewer than `ANOMALY_LEAST`."""
    costs = [
        other.usd
        for other in before
        if (other.protocol, other.rounds, other.team) == (one.protocol, one.rounds, one.team)
    ]
    if len(costs) < ANOMALY_LEAST:
        return None
    middle = median(costs)
    spread = median(abs(cost - middle) for cost in costs)
    if middle <= 0.0 or one.usd < APART * middle or MAD_TO_SD * (one.usd - middle) < ANOMALY * spread:
        return None
    return one.usd / middle


def _spent(part: AgentPart) -> AgentSpent:
    return AgentSpent(
        agent=part.name,
        asks=part.answers + part.failures,
        failures=part.failures,
        input_tokens=part.input_tokens,
        output_tokens=part.output_tokens,
        usd=part.cost_usd,
        latency_s=part.latency_s,
    )


def _estimate(seen: Sequence[Spent], likeness: Likeness) -> Estimate:
    def of(what: Callable[[Spent], float]) -> Range:
        values = sorted(map(what, seen))
        return Range(_ranked(values, 0.5), _ranked(values, 0.9))

    return Estimate(
        debates=len(seen),
        likeness=likeness,
        usd=of(lambda one: one.usd),
        seconds=of(lambda one: one.seconds),
        asks=of(lambda one: one.asks),
        tokens=of(lambda one: one.tokens),
    )


def _ranked(values: Sequence[float], share: float) -> float:
    """The value of which so great a share of the sorted values is no greater (nearest rank)."""
    return values[max(0, math.ceil(share * len(values)) - 1)]
