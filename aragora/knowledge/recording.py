"""Telling what came of a debate: the outcome is checked against the decision, kept, and brought to the agents'
calibration and to the items that the debate gave.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

import msgspec
import structlog

from aragora.clock import Clock
from aragora.debate.journal import readable
from aragora.debate.model import WIRE_NAMES, DebateStatus, Decision, VoteCast
from aragora.debate.records import DebateRecord
from aragora.encoding import decode_as, encode_text
from aragora.errors import AragoraError, Conflict, InvalidInput
from aragora.knowledge.heeding import Heeding
from aragora.knowledge.outcomes import (
    Answer,
    Outcome,
    Wish,
    answer_named,
    answers_of,
    repeats,
    stands,
    voted,
    worded_by,
)
from aragora.knowledge.scoring import Scoring
from aragora.knowledge.store.outcomes import OutcomeStore
from aragora.observability.registry import REGISTRY, Registry
from aragora.ranking.calibration import Forecast, forecasts_of
from aragora.scope import DEFAULT_WORKSPACE

OUTCOMES: Final = "aragora_km_outcomes_total"

_PAGE: Final = 200  # rows of a journal in memory at once
_VOTE: Final = encode_text({"type": WIRE_NAMES[VoteCast]}).removesuffix("}")  # an envelope begins with its type
_AHEAD_S: Final = 300.0  # a clock may be so far ahead of ours

log = structlog.get_logger("aragora.knowledge")


class Journals(Protocol):
    """Reads journals (`aragora.debate.store.debates.DebateStore`)."""

    async def events(self, debate_id: str, after: int = 0, limit: int = 500) -> list[str]:
        """Encoded envelopes with seq > after, in order."""
        ...


class _Spec(msgspec.Struct):
    """What an outcome needs of a stored specification."""

    domain: str = "general"
    workspace: str = DEFAULT_WORKSPACE


@dataclass(frozen=True, slots=True)
class Meant:
    """What a wish means in its debate: the answer that held, None where none did."""

    decision: Decision
    held: Answer | None

    @property
    def right(self) -> str | None:
        return None if self.held is None else self.held.name


class Recording:
    """Over the stores of outcomes and of journals. Every method raises Unavailable where one of them fails."""

    def __init__(
        self,
        outcomes: OutcomeStore,
        journals: Journals,
        scoring: Scoring,
        clock: Clock,
        *,
        heeding: Heeding,
        registry: Registry = REGISTRY,
    ) -> None:
        self._outcomes = outcomes
        self._journals = journals
        self._scoring = scoring
        self._heeding = heeding
        self._clock = clock
        self._registry = registry

    def meant(self, debate: DebateRecord, wish: Wish) -> Meant:
        """What a wish means. Raises Conflict (not_decided, decision_unreadable) and InvalidInput (an answer that the
        debate did not have; a time to come)."""
        decision = _decision_of(debate)
        if wish.at is not None and wish.at > self._clock.now() + _AHEAD_S:
            raise InvalidInput("at lies in the future: say when it was seen which answer held.")
        return Meant(decision, None if wish.right is None else answer_named(answers_of(decision), wish.right))

    async def known(self, debate: DebateRecord, wish: Wish, meant: Meant) -> Outcome | None:
        """The stored outcome, where it says the same already."""
        newest = await self._outcomes.newest(debate.debate_id)
        return newest if repeats(newest, meant.right, wish) else None

    async def record(self, debate: DebateRecord, wish: Wish, meant: Meant) -> tuple[Outcome, bool]:
        """Keep an outcome; the outcome as kept, and whether it is new. Raises Conflict as
        `aragora.knowledge.outcomes.next_version`."""
        spec = _spec_of(debate)
        agents = meant.held.agents if meant.held is not None else ()
        now = self._clock.now()
        proposed = Outcome(
            debate_id=debate.debate_id,
            org_id=debate.org_id,
            workspace=spec.workspace,
            domain=spec.domain,
            right=meant.right,
            agents=agents,
            decision_right=stands(meant.decision, meant.held),
            confidence=voted(meant.decision),
            by=wish.by,
            note=wish.note,
            at=now if wish.at is None else wish.at,
            recorded_at=now,
            forecasts=await self._forecasts(debate.debate_id, frozenset(agents)),
            own_words=worded_by(meant.decision, wish.by),
        )
        kept, new = await self._outcomes.add(proposed, wish)
        if new:
            self._registry.inc(OUTCOMES, right="yes" if kept.decision_right else "no")
            await self._follow(kept.debate_id)
        return kept, new

    async def _forecasts(self, debate_id: str, right: frozenset[str]) -> tuple[Forecast, ...]:
        """What the votes of a debate foretold; those that can be read, of a damaged journal."""
        votes: list[str] = []
        after = 0
        while rows := await self._journals.events(debate_id, after, _PAGE):
            votes += (row for row in rows if row.startswith(_VOTE))
            after += len(rows)  # a row for each seq
        return forecasts_of(readable(votes), right)

    async def _follow(self, debate_id: str) -> None:
        """Bring it to the agents' calibration and to what is known of the debate now; where that cannot be,
        `Scoring.task` and `aragora.knowledge.heeding` do so later."""
        for step in (self._scoring.step(), self._heeding.of((debate_id,))):
            try:
                await step
            except AragoraError as error:
                log.warning("an outcome is followed later", debate_id=debate_id, error=error.message)


def _decision_of(debate: DebateRecord) -> Decision:
    if debate.status is not DebateStatus.COMPLETED or debate.decision is None:
        raise Conflict(
            f"debate {debate.debate_id} is {debate.status}, and not decided: it has no answer that could hold.",
            code="not_decided",
        )
    try:
        return decode_as(debate.decision, Decision)
    except ValueError as error:
        raise Conflict(
            f"the stored decision of {debate.debate_id} cannot be read: nothing can be told of its answers.",
            code="decision_unreadable",
        ) from error


def _spec_of(debate: DebateRecord) -> _Spec:
    try:
        return decode_as(debate.spec, _Spec)
    except ValueError:
        log.warning("a stored specification cannot be read", debate_id=debate.debate_id)
        return _Spec()
