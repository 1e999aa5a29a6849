"""Which decisions may be given again. Pure.

Kept is what would be the same if it were asked now: a decision that its agents agreed on, undisturbed, and with enough
behind it. What rests on people's votes, or on an agent that failed, is not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aragora.debate.model import DebateStatus


@dataclass(frozen=True, slots=True)
class Who:
    """The part of a decision's participation that counts here."""

    degraded: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Ended:
    """What counts of a stored decision."""

    reached: bool
    confidence: float
    stopped_by: str = "rounds"
    participation: Who | None = None
    signatures: Sequence[object] = ()


BUDGET = "budget"
"""`stopped_by` of a debate that its budget ended."""


def why_not(status: DebateStatus, decision: Ended | None, *, people: bool, receipt: bool, least: float) -> str | None:
    """Why a debate's decision is not to be given again, in words; None where it may be.

    Args:
        status: where the debate stands.
        decision: None where it has none, or none that can be read.
        people: whether anybody voted, suggested or corrected something.
        receipt: whether it has one.
        least: the confidence that it must have, 0 to 1.
    """
    if status is not DebateStatus.COMPLETED or decision is None:
        return f"the debate is {status}, without a decision"
    reasons = (
        (not decision.reached, "no consensus was reached"),
        (not decision.confidence >= least, f"its confidence is below {least:g}"),
        (decision.stopped_by == BUDGET, "its budget ended it"),
        (people, "people took part in it"),
        (bool(decision.signatures), "people signed it"),
        (decision.participation is not None and bool(decision.participation.degraded), "not every agent took part"),
        (not receipt, "it has no receipt"),
    )
    return next((reason for holds, reason in reasons if holds), None)
