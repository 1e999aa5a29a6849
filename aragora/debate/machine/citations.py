"""Which offered items an answer cites: labels such as [K3] in its text and in its evidence.

Rules
- In brackets, square ones or those of Chinese and Japanese, one label or several: [K3], [K1, K3], [K1 and K3], [k3],
  【K3】, and what follows a colon is passed over: [K3: the decision of May]. In round ones too: (K2).
- Without brackets only where a piece of evidence begins with it: "K3", "K3: ...", "K3 says ...". In the middle of a
  text "K2" may be a mountain, a vitamin or a train.
- The letter may be full width, or the Cyrillic or Greek one that looks the same: people who write these have it at
  hand. "K3s", "[K3s]" and "[see K3]" are no labels.
- A label that was not offered is `unknown` where it stands in other brackets than round ones: "the summit (K2)" names
  no source.

Every label is told once, in the order of their first places. Pure, and linear in the length of the text.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Final

UNKNOWN_MAX: Final = 8
"""Labels that were not offered, told of one answer at most."""

_GROUP_CHARS: Final = 80
_GROUP: Final = re.compile(
    rf"([\[(\u3010\u3014])([^\[\]()\u3010\u3011\u3014\u3015]{{2,{_GROUP_CHARS}}})[\])\u3011\u3015]"
)
_LABEL: Final = re.compile(r"[kK\u041a\u043a\u039a\u03ba](\d{1,3})")
_BETWEEN: Final = re.compile(r"[\s,;/&+\u3001]+(?:(?:and|und|et|y|e|и)\s+)?")
_LEADING: Final = re.compile(r"\s*[K\u041a\u039a](\d{1,3})(?!\w)")


@dataclass(frozen=True, slots=True)
class Citations:
    """The labels that an answer cites: those that were offered, and those that were not."""

    labels: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.labels or self.unknown)


def citations(text: str, evidence: Collection[str], offered: Collection[str]) -> Citations:
    """What an answer of this text and evidence cites of the labels in `offered`."""
    known: dict[str, None] = {}
    unknown: dict[str, None] = {}
    for label, round_brackets in _labels(text, evidence):
        if label in offered:
            known[label] = None
        elif not round_brackets:
            unknown[label] = None
    return Citations(tuple(known), tuple(unknown)[:UNKNOWN_MAX])


def _labels(text: str, evidence: Collection[str]) -> Iterator[tuple[str, bool]]:
    """Each label with whether it stands in round brackets, or in none."""
    for number, part in enumerate((text, *evidence)):
        plain = unicodedata.normalize("NFKC", part)
        leading = _LEADING.match(plain) if number else None
        if leading is not None:
            yield _label(leading[1]), True
        for group in _GROUP.finditer(plain):
            for label in _of_group(group[2]):
                yield label, group[1] == "("


def _of_group(inside: str) -> list[str]:
    """The labels of a bracket that holds nothing else before a colon; none where it does."""
    parts = [part for part in _BETWEEN.split(inside.partition(":")[0].strip()) if part]
    found = [_LABEL.fullmatch(part) for part in parts]
    return [_label(one[1]) for one in found if one is not None] if all(found) else []


def _label(digits: str) -> str:
    return f"K{int(digits)}"
