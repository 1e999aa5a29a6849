"""Outcomes: which of a debate's answers held, as a person saw it afterwards. Pure.

Rules
- A debate has answers to choose from once it is decided: its positions, and beside them the words that a person put in
  their place. An answer is named by its position or by an agent that gave it; "none of them" is an outcome too.
- The same outcome again is the one that is stored. Another one is a new version, which names the version it replaces:
  who has not seen the newest must look first. Every version stays; the newest counts.
- What the decision was worth is told by the share of the votes behind it. Where a person's words stand in place of the
  agents' answer, no vote was about them, and the outcome says nothing of that share.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from aragora import limits
from aragora.debate.model import Decision, Verdict
from aragora.errors import Conflict, InvalidInput
from aragora.ranking.calibration import Forecast
from aragora.ranking.elo import authors_of

PERMILLE: Final = 1000
"""Voted confidences are kept in thousandths, so that a curve is read from at most 1,001 of them."""

_SHOWN: Final = 20  # answers that a refusal lists
_SHOWN_CHARS: Final = 120  # of the name of each


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer of a decided debate: the name of its position, and the agents that gave it; none where a person put
    it in place of theirs."""

    name: str
    agents: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody says of a debate: `right` names the answer that held, None where none did; `at` is when that was
    seen (seconds since the epoch; None: now); `replaces` the version that this one replaces, where there is one."""

    right: str | None
    by: str
    note: str = ""
    at: float | None = None
    replaces: int | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """One version of what came of a debate. Times are seconds since the epoch. `own_words`: whoever told it had put
    their own words in place of the agents' answer.

    `right` is the name of the position that held, None where none did; `agents` gave it. `decision_right`: whether the
    decision was that. `confidence` (0..1) is the share of the votes behind the decision, None where they were not about
    it. `forecasts` are what the agents' votes foretold. `seq` numbers all outcomes of the store in their order.
    """

    debate_id: str
    org_id: str
    workspace: str
    domain: str
    right: str | None
    agents: tuple[str, ...]
    decision_right: bool
    confidence: float | None
    by: str
    note: str
    at: float
    recorded_at: float
    forecasts: tuple[Forecast, ...] = ()
    version: int = 1
    seq: int = 0
    own_words: bool = False


def answers_of(decision: Decision) -> tuple[Answer, ...]:
    """The answers that a decision counted, and a person's words where these stand in place of them."""
    counted = [Answer(tally.position or tally.agent, authors_of(tally)) for tally in decision.tallies]
    if not counted and decision.winner is not None:  # an only answer, in decisions of early versions
        counted = [Answer(decision.position or decision.winner, (decision.winner,))]
    if overruled(decision) and all(answer.name != decision.position for answer in counted):
        counted.append(Answer(decision.position))
    return tuple(counted)


def overruled(decision: Decision) -> bool:
    """Whether what stands are a person's words and none of the agents' positions."""
    return decision.winner is None and any(one.verdict is Verdict.CHANGE for one in decision.signatures)


def answer_named(answers: Sequence[Answer], name: str) -> Answer:
    """The answer of this name: as it is written, else without regard to case and spaces, else by an agent that gave it.

    Raises InvalidInput (code unknown_answer) with what there is to choose from.
    """
    exact = [answer for answer in answers if answer.name == name]
    alike = [answer for answer in answers if _plain(answer.name) == _plain(name)]
    given = [answer for answer in answers if name in answer.agents]
    for found in (exact, alike, given):
        if len(found) == 1:
            return found[0]
    raise InvalidInput(
        f"this debate has no single answer {_shortened(name)!r}. It had: {_listed(answers)}. Name one by its text or by "
        "an agent that gave it; where none of them held, say null.",
        code="unknown_answer",
    )


def worded_by(decision: Decision, user_id: str) -> bool:
    """Whether this person put their own words in place of the agents' answer."""
    changes = (one.person for one in decision.signatures if one.verdict is Verdict.CHANGE)
    return overruled(decision) and user_id in changes


def stands(decision: Decision, held: Answer | None) -> bool:
    """Whether the answer that held is the decision's own."""
    if held is None:
        return False
    if decision.winner is not None:
        return decision.winner in held.agents
    return held.name == decision.position


def voted(decision: Decision) -> float | None:
    """The share of the votes behind the decision, in whole thousandths; None where they were not about it."""
    if overruled(decision):
        return None
    return round(max(0.0, min(1.0, decision.confidence)) * PERMILLE) / PERMILLE


def repeats(newest: Outcome | None, right: str | None, wish: Wish) -> bool:
    """Whether `wish`, which means the answer `right`, says what the newest version says. Who says it does not matter,
    nor when it was seen where the wish does not tell."""
    if newest is None:
        return False
    return (newest.right, newest.note) == (right, wish.note) and wish.at in (None, newest.at)


def next_version(newest: Outcome | None, replaces: int | None) -> int:
    """The number of the version that follows.

    Raises Conflict: outcome_exists (there is one, and the caller names none that it replaces), outcome_changed (the
    newest is another than the caller knows), too_many_outcomes.
    """
    known = 0 if newest is None else newest.version
    if replaces is None and newest is not None:
        raise Conflict(
            f"this debate has an outcome already (version {known}: {told(newest.right)}). To replace it, send "
            f'"replaces": {known}, or If-Match: "{known}".',
            code="outcome_exists",
        )
    if replaces is not None and replaces != known:
        there = f"its newest version is {known}" if known else "it has none yet"
        raise Conflict(
            f"version {replaces} of this debate's outcome is not the newest: {there}. Look with GET "
            "/api/debates/{id}/outcome.",
            code="outcome_changed",
        )
    if known >= limits.OUTCOME_VERSIONS_MAX:
        raise Conflict(
            f"the outcome of this debate was replaced {limits.OUTCOME_VERSIONS_MAX} times, the most that is kept.",
            code="too_many_outcomes",
        )
    return known + 1


def told(right: str | None) -> str:
    """An outcome in a few words."""
    return "none of its answers held" if right is None else f"{_shortened(right)!r} held"


def _plain(name: str) -> str:
    return " ".join(name.casefold().split())


def _shortened(name: str) -> str:
    return name if len(name) <= _SHOWN_CHARS else name[: _SHOWN_CHARS - 1] + "…"


def _listed(answers: Sequence[Answer]) -> str:
    shown = [
        f"{_shortened(answer.name)!r}" + (f" ({', '.join(answer.agents)})" if answer.agents else "")
        for answer in answers[:_SHOWN]
    ]
    return "; ".join(shown) or "none"
