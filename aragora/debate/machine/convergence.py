"""How alike the words of the answers are, and whether their agreement is hollow: fast enough to run after every round.

Whether answers agree is a question of positions (`aragora.debate.machine.positions`). The similarity of words is a
secondary figure; only protocols without positions, those of old journals, take it for agreement. A text is the set of
its words and word pairs (shingles, Broder 1997; character triples where a script has no spaces), and two texts are as
similar as the cosine of their sets, |A & B| / sqrt(|A| |B|) (Ochiai 1957). Texts whose conclusions differ in a number
or in a yes, no or not are not similar at all, however alike they read.

The Trickster challenges an agreement once, before it may count. Answers that hold one position agree, and their
agreement is hollow where fewer than half of them name any evidence: that their reasons differ is what independent
answers should do. Without positions answers agree where their whole texts converge or their conclusions are close, and
that agreement is hollow where
  - fewer than half of the answers name any evidence, or
  - the arguments (what follows the conclusion, and the evidence) have next to nothing in common.
Agents that agree for different reasons may each be wrong in their own way, or echo the crowd; asked for their
own reasons, those who only followed tend to move. The two thresholds are judgement, not measurement.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from string import punctuation
from typing import Final

from aragora.debate.model import AnswerGiven

_PUNCTUATION: Final = str.maketrans(
    dict.fromkeys(punctuation + "\u2013\u2014\u2018\u2019\u201c\u201d\u2026\u00ab\u00bb", " ")
)
_SENTENCE_END: Final = re.compile(r"[.!?](?=\s|$)|[\u3002\uff01\uff1f\n]")
_DECISIVE: Final = re.compile(r"\b(?:yes|no|not|never|cannot|neither|nor)\b|n't\b|\d+(?:[.,]\d+)*")
_READ_CHARS: Final = 8_000  # what lies beyond does not change the verdict, and is not worth the time
_LONGEST_WORD: Final = 14  # a mean word length above it means a script without spaces

CLOSE_CONCLUSIONS: Final = 0.7
DISTANT_ARGUMENTS: Final = 0.2


@dataclass(frozen=True, slots=True)
class Features:
    """What is compared of one text."""

    shingles: frozenset[str]
    decisive: frozenset[str]  # numbers and negations of the conclusion


def conclusion(text: str) -> str:
    """The first sentence: agents are asked to begin with their conclusion."""
    stripped = text.strip()
    end = _SENTENCE_END.search(stripped)
    return stripped[: end.start()] if end else stripped


def words(text: str) -> tuple[str, ...]:
    """The words of `text`, lower case, without punctuation."""
    return tuple(text[:_READ_CHARS].translate(_PUNCTUATION).lower().split())


def shingles(text: str) -> frozenset[str]:
    """The words and word pairs of `text`, lower case."""
    said = words(text)
    joined = "".join(said)
    if said and len(joined) > _LONGEST_WORD * len(said):
        return frozenset(joined[start : start + 3] for start in range(max(1, len(joined) - 2)))
    return frozenset(said).union(map(" ".join, pairwise(said)))


def features(text: str) -> Features:
    return Features(shingles(text), frozenset(_DECISIVE.findall(conclusion(text).lower())))


def overlap(left: frozenset[str], right: frozenset[str]) -> float:
    """Cosine of two sets, 0..1; two empty ones are alike."""
    if not left or not right:
        return 1.0 if left == right else 0.0
    return float(min(1.0, len(left & right) / (len(left) * len(right)) ** 0.5))


def similarity(left: Features, right: Features) -> float:
    """How alike two texts are, 0..1."""
    return overlap(left.shingles, right.shingles) if left.decisive == right.decisive else 0.0


def agreement(texts: Sequence[str]) -> float:
    """How far the texts agree, 0..1: the mean similarity to the others of the text that agrees least.

    One dissenter thus keeps the agreement low however many the others are. Fewer than two texts agree by 0:
    there is no other to agree with.
    """
    if len(texts) < 2:
        return 0.0
    known = [features(text) for text in texts]
    sums = [0.0] * len(known)
    for left, right in combinations(range(len(known)), 2):
        alike = similarity(known[left], known[right])
        sums[left] += alike
        sums[right] += alike
    return min(sums) / (len(known) - 1)


# --- The Trickster -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Hollow:
    """Why an agreement is hollow, and what the agents are told about it."""

    reasons: tuple[str, ...]
    challenge: str


def hollow_agreement(answers: Sequence[AnswerGiven], converged: bool) -> Hollow | None:
    """The flaw in the agreement of `answers`; None where they do not agree or agree for shared reasons."""
    if len(answers) < 2:
        return None
    if not converged and _least_alike_conclusions(answers) < CLOSE_CONCLUSIONS:
        return None
    return _challenged((*_missing_evidence(answers), *_distant_arguments(answers)))


def agreement_without_evidence(answers: Sequence[AnswerGiven]) -> Hollow | None:
    """The flaw in the agreement of `answers` that hold one position; None where half of them name evidence."""
    return _challenged(_missing_evidence(answers)) if len(answers) > 1 else None


def _challenged(reasons: tuple[str, ...]) -> Hollow | None:
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
