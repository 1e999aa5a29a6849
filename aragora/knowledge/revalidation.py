"""Which decisions are debated again, and what that may take. Pure; times are seconds since the epoch.

A decision is due where it is disputed, or where the time that it is good for has passed
(`aragora.knowledge.mound.adapters.pulse`). People have `SETTLE_S` to settle a dispute themselves. A question has one
row, which goes through these states:

    planned    it is due, and waits for its turn and for the day's budget
    opening    what its debate may cost is held of the day's budget
    opened     its debate runs, or has ended and was not learnt from yet
    ended      `result` says what came of it
    refused    it cannot be debated: `why` says what stands in the way
    dropped    it is not due any more, or a person has dropped it

After the last three the question can be planned again from `not_before` on.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from aragora.debate.budget import micros_of
from aragora.knowledge.model import SEARCHED, Home, Item, Status
from aragora.knowledge.mound.adapters.pulse import DAY_S, Asked, Precedent, asked_since

SETTLE_S: Final = DAY_S
AGAIN_S: Final = 7 * DAY_S
"""After an end or a refusal a question rests for so long: a dispute that no debate settles is not debated each day."""
DROPPED_S: Final = 90 * DAY_S
"""What a person has dropped rests for so long."""
ASKED_DAYS: Final = 90
"""Of the debates of a question those of so many days count for its turn."""

REVALIDATION_ID: Final = re.compile(r"rev_[0-9a-f]{32}")


class Reason(StrEnum):
    """Why a decision is due; disputed ones have their turn first."""

    DISPUTED = "disputed"
    STALE = "stale"


class State(StrEnum):
    """Where a revalidation stands (see above)."""

    PLANNED = "planned"
    OPENING = "opening"
    OPENED = "opened"
    ENDED = "ended"
    REFUSED = "refused"
    DROPPED = "dropped"


CLOSED: Final = frozenset({State.ENDED, State.REFUSED, State.DROPPED})


class Result(StrEnum):
    """What came of it."""

    NONE = ""
    CONFIRMED = "confirmed"  # the same decision
    CHANGED = "changed"  # another one
    UNDECIDED = "undecided"
    FAILED = "failed"  # the debate came to no end of its own, or nothing was learnt from it


@dataclass(frozen=True, slots=True)
class Due:
    """A decision that is to be debated again.

    `item_id` is the decision's as pulse notes it, `settled_by` the newest debate that came to it. It is due `since`;
    its question was `asked` in so many debates of the last `ASKED_DAYS` days.
    """

    item_id: str
    settled_by: str
    reason: Reason
    since: float
    asked: int


@dataclass(frozen=True, slots=True)
class Revalidation:
    """One row: the newest revalidation of a question, whose digest `question` is.

    `day` (UTC, YYYY-MM-DD) is the one whose budget it counts in, empty before; there it holds `held_micros`
    micro-dollars. `debate_id` is empty until its debate is opened.
    """

    revalidation_id: str
    org_id: str
    workspace: str
    question: str
    item_id: str
    settled_by: str
    reason: Reason
    since: float
    asked: int
    state: State
    found_at: float
    changed_at: float
    not_before: float = 0.0
    day: str = ""
    held_micros: int = 0
    debate_id: str = ""
    result: Result = Result.NONE
    why: str = ""

    @property
    def home(self) -> Home:
        return Home(self.org_id, self.workspace)


@dataclass(frozen=True, slots=True)
class Allowance:
    """What all revalidations of a day may take together: debates, and USD."""

    debates: int
    usd: float

    @property
    def micros(self) -> int:
        return micros_of(self.usd)


def due(seen: Iterable[Asked], found: Precedent, item: Item | None, now: float) -> Due | None:
    """Whether what a question was settled on is due, by the item that says it as it stands; None where it is not."""
    if item is None or item.status not in SEARCHED:
        return None
    asked = list(seen)
    ends = item.statement.valid_to
    valid_until = found.valid_until if ends is None else ends
    if item.status is Status.DISPUTED:
        reason, since = Reason.DISPUTED, max([item.changed_at, *(one.at for one in asked)]) + SETTLE_S
    else:
        reason, since = Reason.STALE, valid_until
    if now < since:
        return None
    often = asked_since(asked, now - ASKED_DAYS * DAY_S)
    return Due(found.item_id, found.debate_id, reason, since, often)


def result_of(before: Revalidation, seen: Iterable[Asked]) -> Result:
    """What came of the debate of a revalidation, by what is noted of its question; NONE where that debate was not
    learnt from yet."""
    ours = next((one for one in seen if one.debate_id == before.debate_id), None)
    if ours is None:
        return Result.NONE
    if not ours.reached:
        return Result.UNDECIDED if ours.decided else Result.FAILED
    return Result.CONFIRMED if ours.item_id == before.item_id else Result.CHANGED
