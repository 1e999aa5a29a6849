"""The belief adapter: where the debates of one question stand, and what divided them. Pure.

In:  of each debate that ended it is noted, by the digest of its question: which position it decided for, by what share
     of the votes, whether it had been told how earlier debates of the question ended, and its cruxes: claims that
     agents of one choice named, and none of another.
Out: how likely each position is by independent debates (`priors`), and the cruxes that nothing has settled since
     (`cruxes`).

Rules
- Only debates of the same question count, word for word but for case, width and spaces.
- A debate counts once, and not at all where it had been told the decision of an earlier one, or anything else that
  came from a debate of the question: it is no independent word.
- A debate multiplies the odds of its position by c / (1 - c), c being the share of the votes behind it, held between
  `LEAST_SURE` and `MOST_SURE`: below, it says nothing for its position, and none counts for more than nine to one.
- The positions share all there is; of a question without options so does a position that nobody has chosen yet.
- A position whose decision is forgotten, held up or known to have failed takes its debates with it.
- Votes say how sure agents were, not that they were right.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from aragora.debate.hints import HINT_MAX_CHARS, OfferedCrux, OfferedPrior, fitted_cruxes, fitted_priors, line_of
from aragora.debate.knowledge import digest_of, question_digest
from aragora.debate.model import Decision, KnowledgeOffered
from aragora.encoding import decode_as
from aragora.knowledge.confidence import confidence_of
from aragora.knowledge.inspection import inspected
from aragora.knowledge.model import DEBATE, SEARCHED, Basis, Item, Status
from aragora.knowledge.mound.adapters import evidence
from aragora.knowledge.mound.adapters.consensus import decided
from aragora.knowledge.observations import Observation
from aragora.knowledge.outcomes import overruled
from aragora.knowledge.sameness import folded, item_id_of
from aragora.knowledge.taught import TaughtDebate

NAME: Final = "belief"

LEAST_SURE: Final = 0.5
MOST_SURE: Final = 0.9

READ: Final = 200
"""Of the newest debates of a question so many are looked at."""
LEAST: Final = 2
"""Independent debates from which on a prior is told: what a single one decided is offered as an item."""

CRUXES_OF: Final = 10  # of one debate
CANDIDATES: Final = 12  # cruxes whose items are read
POSITIONS: Final = 20  # the likeliest
EXPOSED_MAX: Final = 200

FAILED: Final = 0.5  # a confirmed confidence below it says that the position did not hold


@dataclass(frozen=True, slots=True)
class Held:
    """What one debate of a question came to. Stored: a field's name never changes.

    `position` is the digest of what it decided for, `item_id` the item of that decision and `confidence` the share of
    the votes behind it; without a decision of the votes the first two are empty. `told`: it had been offered how an
    earlier debate of the question ended. `exposed` are the debates behind all that it had been offered. `cruxes` are
    ids of items, `votes` how many voted for each position, the most first.
    """

    position: str = ""
    item_id: str = ""
    confidence: float = 0.0
    told: bool = False
    exposed: tuple[str, ...] = ()
    cruxes: tuple[str, ...] = ()
    votes: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Stand:
    """What independent debates say for one position: the sum of their log-odds, and how many chose it."""

    position: str
    item_id: str
    odds: float
    debates: int


@dataclass(frozen=True, slots=True)
class Beliefs:
    """What is known of a question: its positions, the likeliest first, and the claims that divided its debates, those
    of most debates first, with how many."""

    stands: tuple[Stand, ...] = ()
    cruxes: tuple[tuple[str, int], ...] = ()

    @property
    def item_ids(self) -> list[str]:
        """The items that say them."""
        return list(dict.fromkeys((*(one.item_id for one in self.stands), *(item_id for item_id, _ in self.cruxes))))


def observe(taught: TaughtDebate) -> tuple[Observation, ...]:
    """What a debate came to; nothing where it decided nothing."""
    found = taught.decision
    if found is None:
        return ()
    decision, spec = found[1], taught.spec
    statement = None if overruled(decision) else decided(taught)
    debates = (root.removeprefix(DEBATE) for root in taught.offered.roots if root.startswith(DEBATE))
    own = question_digest(spec.question)
    held = Held(
        position="" if statement is None else position_digest(statement.value),
        item_id="" if statement is None else item_id_of(taught.home, statement),
        confidence=decision.confidence,
        told=_is_told(taught, own),
        exposed=tuple(sorted(one for one in debates if one != spec.debate_id)[:EXPOSED_MAX]),
        cruxes=tuple(_cruxes(taught, decision)),
        votes=tuple(sorted((len(tally.voters) for tally in decision.tallies), reverse=True)),
    )
    return (taught.noted(own, held),)


def read(observation: Observation) -> Held:
    """What an observation of this adapter says. Raises ValueError for one that is damaged."""
    return decode_as(observation.body, Held)


def beliefs(seen: Mapping[str, Held]) -> Beliefs:
    """What the debates of one question come to; `seen` by debate."""
    counted = [one for one in seen.values() if one.item_id and not one.told and seen.keys().isdisjoint(one.exposed)]
    of: dict[tuple[str, str], list[float]] = {}
    for one in counted:
        of.setdefault((one.position, one.item_id), []).append(log_odds(one.confidence))
    stands = (Stand(*key, math.fsum(odds), len(odds)) for key, odds in of.items())
    claims = Counter(item_id for one in seen.values() for item_id in set(one.cruxes))
    ordered = sorted(claims.items(), key=lambda one: (-one[1], one[0]))
    likeliest = sorted(stands, key=lambda one: (-one.odds, one.item_id))
    return Beliefs(tuple(likeliest[:POSITIONS]), tuple(ordered[:CANDIDATES]))


def priors(found: Beliefs, options: Sequence[str], items: Mapping[str, Item]) -> tuple[OfferedPrior, ...]:
    """How likely the positions are, the likeliest first; nothing where fewer than `LEAST` independent debates count.
    Of a question with `options` only these are positions."""
    named = {position_digest(option): option for option in options}
    standing = [
        one
        for one in found.stands
        if (one.position in named or not options) and one.item_id in items and _may_count(items[one.item_id])
    ]
    of = sum(one.debates for one in standing)
    if of < LEAST:
        return ()
    unchosen = max(len(named) - len({one.position for one in standing}), 0) if options else 1
    whole = math.fsum((*(math.exp(one.odds) for one in standing), float(unchosen)))
    return fitted_priors(
        OfferedPrior(
            line_of(named.get(one.position) or items[one.item_id].statement.value, HINT_MAX_CHARS),
            one.item_id,
            round(math.exp(one.odds) / whole, 4),
            one.debates,
            of,
        )
        for one in standing
    )


def cruxes(found: Beliefs, items: Mapping[str, Item]) -> tuple[OfferedCrux, ...]:
    """The claims that divided debates of the question and that nobody has confirmed or refuted since."""
    return fitted_cruxes(
        OfferedCrux(line_of(items[item_id].statement.content, HINT_MAX_CHARS), item_id, debates)
        for item_id, debates in found.cruxes
        if item_id in items and _is_open(items[item_id])
    )


def log_odds(confidence: float) -> float:
    """What a share of votes adds to the log-odds of a position: 0 up to `LEAST_SURE`."""
    held = min(max(confidence, LEAST_SURE), MOST_SURE)
    return math.log(held / (1.0 - held))


def position_digest(position: str) -> str:
    """What two positions have in common that are the same but for case, width and spaces."""
    return digest_of(folded(position))


def _is_told(taught: TaughtDebate, own: str) -> bool:
    offers = [event for _, event in taught.events if isinstance(event, KnowledgeOffered)]
    same = (item.question_digest == own for event in offers for item in event.items)
    return any(event.priors or event.cruxes for event in offers) or any(same)


def _cruxes(taught: TaughtDebate, decision: Decision) -> Iterator[str]:
    """The claims that agents of one choice name and none of another, those first that most agents name. An agent's
    choice is what it voted for, or its own answer where it did not vote."""
    choice: dict[str, str] = {}
    for tally in decision.tallies:
        for author in tally.authors or (tally.agent,):
            choice.setdefault(author, tally.agent)
    choice |= {voter: tally.agent for tally in decision.tallies for voter in tally.voters}
    if len(set(choice.values())) < 2:
        return
    divided = [
        (item_id, len(agents))
        for item_id, agents in evidence.claims(taught).items()
        if len({choice[agent] for agent in agents if agent in choice}) == 1
    ]
    divided.sort(key=lambda one: (-one[1], one[0]))
    yield from (item_id for item_id, _ in divided[:CRUXES_OF])


def _may_count(item: Item) -> bool:
    if item.status in (Status.FORGOTTEN, Status.QUARANTINED):
        return False
    trust = confidence_of(item)
    return trust.basis is not Basis.CONFIRMED or trust.value >= FAILED


def _is_open(item: Item) -> bool:
    unsettled = item.status in SEARCHED and confidence_of(item).basis is not Basis.CONFIRMED
    return unsettled and not inspected(item.statement.content, external=True).quarantined
