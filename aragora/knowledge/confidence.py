"""How far to trust an item: a pure function of its sources and of what was seen later.

Rules
- A writer never sets it. What a source says of itself counts up to the ceiling of its kind; a debate's decision begins
  with the share of those entitled who stood behind it.
- Each further independent root (`aragora.knowledge.roots`) for or against moves it by the same step in log-odds.
  Repetition by the same root, retrieval and use move nothing.
- An outcome says more than all of that: what held is trusted by `HELD`, what did not by `FAILED`. Where outcomes of
  several people differ, their share decides between the two. One person counts once, by the newest that they said.
- An outcome about an answer that rests on the item is none of the item: it counts as one root more or less, unless
  whoever told it speaks for or against the item already.
- It never reaches 0 or 1.
"""

from __future__ import annotations

from math import exp, log
from typing import Final

from aragora.knowledge.model import Basis, Bearing, Confidence, Item, SourceKind
from aragora.knowledge.roots import independent_roots, voices

CEILING: Final = {
    SourceKind.DEBATE: 0.95,
    SourceKind.PERSON: 0.7,
    SourceKind.WORKFLOW: 0.7,  # people wrote it and started it, as they would have written the item
    SourceKind.DOCUMENT: 0.5,
    SourceKind.TASK: 0.5,  # what an agent says of its own failure
    SourceKind.IMPORT: 0.5,
    SourceKind.DERIVATION: 0.5,
}
"""The most that one source alone is trusted. Judgement, not measurement: outcomes set it right."""

STEP: Final = log(2.0)  # of one independent root: it doubles the odds, or halves them
HELD: Final = 0.95
FAILED: Final = 0.05
LEAST: Final = 0.02
MOST: Final = 0.98

_WORDS: Final = ((0.9, "very likely"), (0.7, "likely"), (0.5, "more likely than not"), (0.3, "doubtful"))


def first_confidence(kind: SourceKind, stated: float | None) -> float:
    """Where an item of one source begins; without a word of its own, at half of the ceiling."""
    ceiling = CEILING[kind]
    return ceiling / 2 if stated is None else min(max(stated, LEAST), ceiling)


def confidence_of(item: Item) -> Confidence:
    """The confidence of an item as it stands."""
    support = independent_roots(item.sources)
    against = independent_roots(item.against)
    seen = voices(item.outcomes, Bearing.ITEM)
    if seen:
        held = sum(seen.values()) / len(seen)
        return Confidence(FAILED + (HELD - FAILED) * held, Basis.CONFIRMED, support, against)
    spoken = {one.root for one in (*item.sources, *item.against)}
    beside = [held for who, held in voices(item.outcomes, Bearing.ANSWER).items() if who not in spoken]
    steps = max(support - 1, 0) - against + sum(1 if held else -1 for held in beside)
    odds = log(_bounded(item.base) / (1.0 - _bounded(item.base))) + STEP * steps
    return Confidence(_bounded(1.0 / (1.0 + exp(-odds))), item.basis, support, against)


def in_words(value: float) -> str:
    """A confidence as people and agents read it."""
    return next((words for least, words in _WORDS if value >= least), "unlikely")


def calibration_of(confidence: Confidence) -> str:
    """Whether the votes behind a confidence were set right by outcomes of earlier decisions; empty where it rests on
    something else."""
    return {Basis.VOTED: "not calibrated", Basis.CALIBRATED: "calibrated"}.get(confidence.basis, "")


def _bounded(value: float) -> float:
    return min(max(value, LEAST), MOST)
