"""The ranking adapter: who does well in a domain, and from that a team for the next debate in it. Pure.

In:  of each debate that ended, under its domain, each agent's part: its share of the win (`aragora.ranking.elo.wins`),
     the asks that it failed, and those that it abstained from.
Out: the experts of a domain, and a team with a reason for each of its members. It is a suggestion: nothing follows it.

Only a contested debate tells who does better: several answers, and one of them reached the threshold. Who was asked in
it took part, whether it answered or failed. Experts are ordered by the lower bound of how often they win, so 1 of 1
does not come before 90 of 100. That says nothing of who was right: when a debate ends, nobody knows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from aragora.debate.model import DebateSpec, RoundStarted
from aragora.encoding import decode_as
from aragora.knowledge.calibration import wilson
from aragora.knowledge.observations import Observation
from aragora.knowledge.taught import TaughtDebate
from aragora.ranking import elo
from aragora.receipts.receipt import summary_of
from aragora.texts import counted

NAME: Final = "ranking"

LEAST: Final = 3
"""Contested debates of a domain from which on a team is suggested."""
READ: Final = 200
"""Of the newest debates of a domain so many are looked at."""


@dataclass(frozen=True, slots=True)
class Part:
    """One agent's part in one debate; `won` is its share of the win, 0..1."""

    agent: str
    won: float = 0.0
    failures: int = 0
    abstentions: int = 0


@dataclass(frozen=True, slots=True)
class Debated:
    """The agents of one debate. Stored: a field's name never changes. `contested`: somebody could win it, and did."""

    contested: bool = False
    agents: tuple[Part, ...] = ()


@dataclass(frozen=True, slots=True)
class Expert:
    """How an agent fared in a domain: it stood in the winning position of `won` of the contested `debates` that it was
    asked in. `rate` is their ratio, `low` and `high` its 95 % interval. `failures` and `abstentions` are asks."""

    agent: str
    debates: int
    won: int
    rate: float
    low: float
    high: float
    failures: int
    abstentions: int


@dataclass(frozen=True, slots=True)
class Member:
    """An agent of a suggested team, and what speaks for it."""

    agent: str
    reason: str


def observe(taught: TaughtDebate) -> tuple[Observation, ...]:
    """Who took part in a debate and won it; nothing where it did not begin."""
    events = [event for _, event in taught.events]
    if not any(isinstance(event, RoundStarted) for event in events):
        return ()
    decided = taught.decision
    won = elo.wins(decided[1]) if decided is not None else {}
    parts = tuple(
        Part(part.name, won.get(part.name, 0.0), part.failures, part.abstentions) for part in summary_of(events).agents
    )
    return (taught.noted(taught.spec.domain, Debated(bool(won), parts)),)


def read(observation: Observation) -> Debated:
    """What an observation of this adapter says. Raises ValueError for one that is damaged."""
    return decode_as(observation.body, Debated)


def contested(seen: Iterable[Debated]) -> int:
    """How many of these debates tell who does better."""
    return sum(one.contested for one in seen)


def experts(seen: Mapping[str, Debated]) -> tuple[Expert, ...]:
    """Everybody who was asked in a contested debate of those seen (by their ids), the surest first."""
    parts: dict[str, list[tuple[bool, Part]]] = {}
    for debate in seen.values():
        for part in debate.agents:
            parts.setdefault(part.agent, []).append((debate.contested, part))
    found = [_expert(agent, of) for agent, of in parts.items() if any(counts for counts, _ in of)]
    return tuple(sorted(found, key=lambda one: (-one.low, -one.high, one.agent)))


def team(planned: DebateSpec, known: Sequence[Expert], available: Iterable[str]) -> tuple[Member, ...]:
    """As many agents as would debate, of those `known` in the domain and available, the surest first. Of those who
    would debate anyhow, the ones that nobody knows there come before those that are known to lose."""
    there = frozenset(available)
    able = {one.agent: one for one in known if one.agent in there}
    unknown = [agent for agent in planned.agents if agent not in able]
    ranked = [(-one.low, -one.high, place, agent) for place, (agent, one) in enumerate(able.items())]
    ranked += [(0.0, -1.0, len(able) + place, agent) for place, agent in enumerate(unknown)]
    chosen = [agent for *_, agent in sorted(ranked)[: len(planned.agents)]]
    return tuple(Member(agent, _reason(able.get(agent), planned.domain)) for agent in chosen)


def _expert(agent: str, parts: Sequence[tuple[bool, Part]]) -> Expert:
    debates = sum(counts for counts, _ in parts)
    won = sum(counts and part.won > 0.0 for counts, part in parts)
    failures, abstentions = sum(part.failures for _, part in parts), sum(part.abstentions for _, part in parts)
    return Expert(agent, debates, won, won / debates, *wilson(won, debates), failures, abstentions)


def _reason(known: Expert | None, domain: str) -> str:
    if known is None:
        return f"would debate anyhow: nothing is known of it in {domain}"
    return f"won {known.won} of {counted(known.debates, 'debate')} in {domain}, at least {known.low:.2f}"
