"""What is kept of a question: the debate that answers it, and under which policy and knowledge that stands. Pure.

The states of an entry follow from its debate, and from nothing else that could differ from it:

    opening    claimed by a request that is about to open the debate; after `CLAIM_S` nobody is any more
    running    the debate has not ended: whoever asks the same joins it
    ended      the debate has ended, and nobody has looked yet whether its decision may be given again
    kept       it may; it is given until its time is over
    stale      policy or knowledge have moved on, its time is over, or its debate is gone: the next request takes its
               place
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from aragora.debate.model import DebateStatus
from aragora.decisions.keys import Keys

CLAIM_S: Final = 60.0
"""Longer than the opening of a debate may take."""


class State(StrEnum):
    """Where an entry stands."""

    OPENING = "opening"
    RUNNING = "running"
    ENDED = "ended"
    KEPT = "kept"
    STALE = "stale"


@dataclass(frozen=True, slots=True)
class Standing:
    """Under what an entry stands: the generation of the policy, and what the workspace knows in the question's domain.
    Only ever compared: each change of one of them makes another standing, and none comes back."""

    policy: int
    knowledge: str


@dataclass(frozen=True, slots=True)
class Claim:
    """A question that a debate is about to be opened for. `agents` are its agents with the model of each."""

    keys: Keys
    org_id: str
    workspace: str
    standing: Standing
    debate_id: str
    question: str
    agents: dict[str, str]
    tags: tuple[str, ...]
    at: float


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry with what its debate tells now. Times are seconds since the epoch; `decision` and `receipt` are JSON
    texts, None where there is none. `status` None: the debate is not there (yet)."""

    key: str
    debate_id: str
    question: str
    standing: Standing
    claimed_at: float
    opened_at: float | None
    kept_at: float | None
    ends_at: float | None
    status: DebateStatus | None
    decision: str | None
    cost_usd: float
    decided_at: float | None
    receipt: str | None

    @property
    def size_bytes(self) -> int:
        """What it takes of the bound on all entries."""
        return sum(len(text.encode()) for text in (self.decision or "", self.receipt or "", self.question))

    def state(self, standing: Standing, now: float) -> State:
        """Where it stands at `now`, under what holds now."""
        if self.standing != standing:
            return State.STALE
        if self.status is None:
            waits = self.opened_at is None and now - self.claimed_at < CLAIM_S
            return State.OPENING if waits else State.STALE
        if not self.status.ended:
            return State.RUNNING
        if self.kept_at is None or self.ends_at is None:
            return State.ENDED
        return State.KEPT if now < self.ends_at and self.receipt is not None else State.STALE

    def age_s(self, now: float) -> float:
        """How long ago it was decided, in seconds; a clock that was set back makes nothing younger than 0."""
        return max(0.0, now - (self.claimed_at if self.decided_at is None else self.decided_at))
