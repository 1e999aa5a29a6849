"""The pulse adapter: which questions are asked again, and what was settled on before. Pure.

In:  of each debate that ended, under the digest of its question: when, whether a decision was reached, and the id of
     that decision's item.
Out: what the newest debates of the same question settled on, how many of them, and how long that is good for
     (`settled`). The words stand in the item, which may be forgotten or superseded meanwhile.

How long an answer is good for: `VALID_DAYS` from the newest debate that gave it. Each time the answer to the question
changed halves that, each further debate in a row that came to the same answer doubles it unless it had been shown the
answer; the bounds are `VALID_DAYS_LEAST` and `VALID_DAYS_MOST`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise, takewhile
from typing import Final

from aragora.debate.knowledge import question_digest
from aragora.encoding import decode_as
from aragora.knowledge.mound.adapters.consensus import decided
from aragora.knowledge.observations import Observation
from aragora.knowledge.sameness import item_id_of
from aragora.knowledge.taught import TaughtDebate

NAME: Final = "pulse"

READ: Final = 200
"""Of the newest debates of a question so many are looked at."""

DAY_S: Final = 86_400.0
RECENT_DAYS: Final = 30
"""A question counts as asked of late for so long."""

VALID_DAYS: Final = 90.0
VALID_DAYS_LEAST: Final = 7.0
VALID_DAYS_MOST: Final = 360.0
_DOUBLED_MOST: Final = 16  # beyond the bounds either way


@dataclass(frozen=True, slots=True)
class Asked:
    """One debate of a question. Stored: a field's name never changes.

    `at` is when it ended. `decided`: its votes were counted; `reached`: that gave a decision, whose item is `item_id`,
    with `confidence` 0 to 1 as voted. `shown`: the debate had been offered that very item. `domain` is empty in older
    notes.
    """

    debate_id: str = ""
    at: float = 0.0
    decided: bool = False
    reached: bool = False
    confidence: float = 0.0
    item_id: str = ""
    shown: bool = False
    domain: str = ""


@dataclass(frozen=True, slots=True)
class Precedent:
    """What a question was settled on.

    `item_id` is the decision's, `debate_id` the newest debate that came to it, which ended `at`. So many `debates` in a
    row did, and the answer had changed `changes` times before. `undecided` debates since then reached none.
    `valid_until` follows from these (see above); times are seconds since the epoch.
    """

    item_id: str
    debate_id: str
    at: float
    debates: int
    changes: int
    undecided: int
    valid_until: float


def observe(taught: TaughtDebate) -> tuple[Observation, ...]:
    """That a question was asked, and what came of it."""
    spec, found, statement = taught.spec, taught.decision, decided(taught)
    item_id = "" if statement is None else item_id_of(taught.home, statement)
    asked = Asked(
        debate_id=spec.debate_id,
        at=taught.at,
        decided=found is not None,
        reached=statement is not None,
        confidence=0.0 if found is None else found[1].confidence,
        item_id=item_id,
        shown=bool(item_id) and item_id in taught.offered.item_ids,
        domain=spec.domain,
    )
    key = question_digest(spec.question)
    return (taught.noted(key, asked),)


def read(observation: Observation) -> Asked:
    """What an observation of this adapter says. Raises ValueError for one that is damaged."""
    return decode_as(observation.body, Asked)


def settled(seen: Iterable[Asked]) -> Precedent | None:
    """What the debates of one question settled on; None where none of them reached a decision. Each debate counts once,
    and their order does not matter."""
    ended = _in_order(seen)
    reached = [one for one in ended if one.reached]
    if not reached:
        return None
    newest = reached[-1]
    same = list(takewhile(lambda one: one.item_id == newest.item_id, reversed(reached)))
    changes = sum(one.item_id != after.item_id for one, after in pairwise(reached))
    undecided = sum(one.decided for one in takewhile(lambda one: not one.reached, reversed(ended)))
    return Precedent(
        item_id=newest.item_id,
        debate_id=newest.debate_id,
        at=newest.at,
        debates=len(same),
        changes=changes,
        undecided=undecided,
        valid_until=newest.at + DAY_S * valid_days(changes, sum(not one.shown for one in same[:-1])),
    )


def valid_days(changes: int, repeated: int) -> float:
    """How many days an answer is good for that changed so often, and that so many more debates came to unprompted."""
    doubled = max(-_DOUBLED_MOST, min(_DOUBLED_MOST, repeated - changes))
    return max(VALID_DAYS_LEAST, min(VALID_DAYS_MOST, VALID_DAYS * 2.0**doubled))


def asked_since(seen: Iterable[Asked], since: float) -> int:
    """How many debates of a question ended at `since` or later."""
    return sum(one.at >= since for one in _in_order(seen))


def _in_order(seen: Iterable[Asked]) -> list[Asked]:
    """Each debate once, the oldest first."""
    return sorted({one.debate_id: one for one in seen}.values(), key=lambda one: (one.at, one.debate_id))
