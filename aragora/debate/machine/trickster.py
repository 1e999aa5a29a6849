"""The Trickster: agreement without shared reasons is hollow, and is challenged once before it may count.

Answers agree where their whole texts converge or their conclusions are close. That agreement is hollow where
  - fewer than half of the answers name any evidence, or
  - the arguments (what follows the conclusion, and the evidence) have next to nothing in common.
Agents that agree for different reasons may each be wrong in their own way, or echo the crowd; asked for their
own reasons, those who only followed tend to move. The two thresholds are judgement, not measurement.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final

from aragora.debate.machine.convergence import conclusion, features, overlap, shingles, similarity
from aragora.debate.model import AnswerGiven

CLOSE_CONCLUSIONS: Final = 0.7
DISTANT_ARGUMENTS: Final = 0.2


@dataclass(frozen=True, slots=True)
class Hollow:
    """Why an agreement is hollow, and what the agents are told about it."""

    reasons: tuple[str, ...]
    challenge: str


def look(answers: Sequence[AnswerGiven], converged: bool) -> Hollow | None:
    """The flaw in the agreement of `answers`; None where they do not agree or agree for shared reasons."""
    if len(answers) < 2:
        return None
    if not converged and _least_alike_conclusions(answers) < CLOSE_CONCLUSIONS:
        return None
    reasons = (*_missing_evidence(answers), *_distant_arguments(answers))
    if not reasons:
        return None
    challenge = (
        f"The answers agree, but the agreement is not yet sound: {'; '.join(reasons)}. "
        "Give your own reasons: name the evidence that decides for you, and the strongest case against your answer. "
        "Change your answer if it does not hold."
    )
    return Hollow(reasons, challenge)


def _least_alike_conclusions(answers: Sequence[AnswerGiven]) -> float:
    known = [features(conclusion(answer.content)) for answer in answers]
    return min(similarity(left, right) for left, right in combinations(known, 2))


def _missing_evidence(answers: Sequence[AnswerGiven]) -> tuple[str, ...]:
    cited = sum(1 for answer in answers if answer.evidence)
    if 2 * cited >= len(answers):
        return ()
    return (f"{cited} of {len(answers)} answers name evidence",)


def _distant_arguments(answers: Sequence[AnswerGiven]) -> tuple[str, ...]:
    arguments = [known for known in map(_argument, answers) if known]
    if len(arguments) < 2:
        return ()
    pairs = [overlap(left, right) for left, right in combinations(arguments, 2)]
    shared = sum(pairs) / len(pairs)
    if shared >= DISTANT_ARGUMENTS:
        return ()
    return (f"the conclusions are close but the arguments share only {shared:.0%}",)


def _argument(answer: AnswerGiven) -> frozenset[str]:
    text = answer.content.strip()
    return shingles(" ".join((text[len(conclusion(text)) :], *answer.evidence)))
