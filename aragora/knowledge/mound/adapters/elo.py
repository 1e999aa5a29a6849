"""The Elo adapter: what to expect of an agent that has no rating in a domain, by what its model did there. Pure.

In:  of each contested debate, under its domain, for each agent that answered: provider and model as it answered, its
     share of the win (`aragora.ranking.elo.wins`), and the share of the weight of votes that its position held.
Out: the record of an agent's model, or else of its provider, in a domain. Where there is none it says so (n = 0).

It never changes a rating: ratings follow from journals alone, and nothing of the mound is read to make one. Each agent
of a debate counts in the record of its model, so of a team of one model as many lose as the rest of it wins.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from aragora.encoding import decode_as
from aragora.knowledge.calibration import wilson
from aragora.knowledge.observations import Observation
from aragora.knowledge.taught import TaughtDebate
from aragora.ranking.elo import authors_of, wins

NAME: Final = "elo"

READ: Final = 200
"""Of the newest contested debates of a domain so many are looked at."""


@dataclass(frozen=True, slots=True)
class Model:
    """Who answers for an agent. An empty `model` is not known."""

    provider: str
    model: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """How one agent ended in one debate: `won` is its share of the win, `share` that of the weight of votes which its
    position held, both 0..1."""

    agent: str
    provider: str
    model: str
    won: float = 0.0
    share: float = 0.0


@dataclass(frozen=True, slots=True)
class Places:
    """The agents of one debate. Stored: a field's name never changes."""

    agents: tuple[Place, ...] = ()


class Basis(StrEnum):
    """Whose record stands in for that of an agent."""

    MODEL = "model"
    PROVIDER = "provider"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Prior:
    """What to expect of an agent, by the record of `of` (a provider, or PROVIDER/MODEL): it stood in the winning
    position `won` of `n` times. `rate` is their ratio, `low` and `high` its 95 % interval, `share` what part of the
    votes its positions held on average; `rate` and `share` are None where n is 0."""

    agent: str
    basis: Basis
    of: str
    n: int
    won: int
    rate: float | None
    low: float
    high: float
    share: float | None


def observe(taught: TaughtDebate) -> tuple[Observation, ...]:
    """How the agents of a debate ended; nothing where it was not contested, or not decided."""
    decided = taught.decision
    won = wins(decided[1]) if decided is not None else {}
    if decided is None or not won:
        return ()
    answered = {answer.agent: answer.usage for _, answer in taught.answers}
    whole = math.fsum(tally.weight for tally in decided[1].tallies)
    places = tuple(
        Place(author, usage.provider, usage.model, won.get(author, 0.0), tally.weight / whole)
        for tally in decided[1].tallies
        for author in authors_of(tally)
        if (usage := answered.get(author)) is not None
    )
    return (taught.noted(taught.spec.domain, Places(places)),)


def read(observation: Observation) -> Places:
    """What an observation of this adapter says. Raises ValueError for one that is damaged."""
    return decode_as(observation.body, Places)


def priors(who: Mapping[str, Model | None], seen: Mapping[str, Places]) -> tuple[Prior, ...]:
    """What to expect of agents (by name; who answers for each, where that is known), by the debates of a domain that
    were seen (by their ids)."""
    records: dict[tuple[str, ...], list[Place]] = {}
    for debate in seen.values():
        for place in debate.agents:
            records.setdefault((place.provider, place.model), []).append(place)
            records.setdefault((place.provider,), []).append(place)
    return tuple(_prior(agent, model, records) for agent, model in who.items())


def _prior(agent: str, who: Model | None, records: Mapping[tuple[str, ...], Sequence[Place]]) -> Prior:
    if who is not None:
        if who.model and (places := records.get((who.provider, who.model))):
            return _expected(agent, Basis.MODEL, f"{who.provider}/{who.model}", places)
        if places := records.get((who.provider,)):
            return _expected(agent, Basis.PROVIDER, who.provider, places)
    return Prior(agent, Basis.NOTHING, "", 0, 0, None, *wilson(0, 0), None)


def _expected(agent: str, basis: Basis, of: str, places: Sequence[Place]) -> Prior:
    n, won = len(places), sum(place.won > 0.0 for place in places)
    share = math.fsum(place.share for place in places) / n
    return Prior(agent, basis, of, n, won, won / n, *wilson(won, n), share)
