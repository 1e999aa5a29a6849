"""How far the answers agree: similarity of texts in pure Python, fast enough to run after every round.

A text is the set of its words and word pairs (shingles, Broder 1997; character triples where a script has no
spaces), and two texts are as similar as the cosine of their sets, |A & B| / sqrt(|A| |B|) (Ochiai 1957). Texts
whose conclusions differ in a number or in a yes, no or not are not similar at all, however alike they read.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from string import punctuation
from typing import Final

_PUNCTUATION: Final = str.maketrans(
    dict.fromkeys(punctuation + "\u2013\u2014\u2018\u2019\u201c\u201d\u2026\u00ab\u00bb", " ")
)
_SENTENCE_END: Final = re.compile(r"[.!?](?=\s|$)|[\u3002\uff01\uff1f\n]")
_DECISIVE: Final = re.compile(r"\b(?:yes|no|not|never|cannot|neither|nor)\b|n't\b|\d+(?:[.,]\d+)*")
_READ_CHARS: Final = 8_000  # what lies beyond does not change the verdict, and is not worth the time
_LONGEST_WORD: Final = 14  # a mean word length above it means a script without spaces


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


def shingles(text: str) -> frozenset[str]:
    """The words and word pairs of `text`, lower case."""
    words = text[:_READ_CHARS].translate(_PUNCTUATION).lower().split()
    joined = "".join(words)
    if words and len(joined) > _LONGEST_WORD * len(words):
        return frozenset(joined[start : start + 3] for start in range(max(1, len(joined) - 2)))
    return frozenset(words).union(map(" ".join, pairwise(words)))


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
    there is nobody to agree with.
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
