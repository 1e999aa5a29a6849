"""What a person would see of a text, what a check should read of it, and what was hidden in it. Pure.

Hidden are characters that show nothing: control, bidi, zero width, tags, fillers. Look-alikes are letters that stand
for others to the eye: full width and mathematical letters, and Cyrillic or Greek letters in a word that is otherwise
Latin, or in a text whose other words are.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Final

from aragora.agents import frames
from aragora.knowledge.search.folding import folded, mended
from aragora.texts import JOINERS

TEXT_MAX_CHARS: Final = 20_000
"""What lies beyond is not looked at; texts that are kept are shorter."""
FOUND_MAX: Final = 50
"""Different characters that are reported of one text."""

_WORD: Final = re.compile(r"[^\W\d_]+")
_BIDI: Final = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_TAGS: Final = range(0xE0000, 0xE0080)
_JOINED_LATIN: Final = re.compile(f"(?<=[A-Za-z])[{JOINERS}]+(?=[A-Za-z])")
_LATIN: Final = re.compile(r"[A-Za-z]")

# Cyrillic and Greek letters that look like a Latin one in most typefaces, from Unicode's confusables.txt.
_LOOK_LIKE: Final = dict(
    zip(
        "\u0430\u0441\u0435\u043e\u0440\u0445\u0443\u0456\u0458\u0455\u0501\u051b\u051d\u04bb\u04cf"
        "\u0410\u0412\u0415\u041a\u041c\u041d\u041e\u0420\u0421\u0422\u0425\u0423\u0406\u0408\u0405"
        "\u0391\u0392\u0395\u0396\u0397\u0399\u039a\u039c\u039d\u039f\u03a1\u03a4\u03a5\u03a7\u03bf\u03bd\u03b9\u03ba\u03b1\u03c1\u03c5",
        "aceopxyijsdqwhlABEKMHOPCTXYIJSABEZHIKMNOPTYXovikapu",
        strict=True,
    )
)


class Finding(Enum):
    """Why a character is reported."""

    CONTROL = "control"
    BIDI = "bidi"
    TAG = "tag"
    INVISIBLE = "invisible"
    LOOK_ALIKE = "look_alike"


@dataclass(frozen=True, slots=True)
class Found:
    """A character of a text, e.g. `U+200B` `ZERO WIDTH SPACE`, and how often it stands there."""

    code: str
    name: str
    finding: Finding
    times: int


@dataclass(frozen=True, slots=True)
class Seen:
    """
    Args:
        text: what may be shown: without what shows nothing.
        plain: what checks should read: folded, with look-alikes as the Latin letters they pose as.
        found: what was hidden or poses as another, the most frequent first, up to FOUND_MAX.
    """

    text: str
    plain: str
    found: tuple[Found, ...]


def visible(text: str) -> Seen:
    """What is to be seen of the first TEXT_MAX_CHARS characters."""
    text = text[:TEXT_MAX_CHARS]
    shown = _JOINED_LATIN.sub("", frames.visible(mended(text)))
    hidden = Counter(char for char in text if not char.isspace())
    hidden.subtract(char for char in shown if not char.isspace())
    posing = Counter(_posing(shown))
    found = [*_reported(hidden), *_reported(posing, Finding.LOOK_ALIKE)]
    found.sort(key=lambda one: (-one.times, one.code))
    letters = str.maketrans({char: _LOOK_LIKE[char] for char in posing if char in _LOOK_LIKE})
    return Seen(shown, folded(shown.translate(letters)), tuple(found[:FOUND_MAX]))


def _posing(text: str) -> Iterator[str]:
    """The letters of `text` that pose as others."""
    words = _WORD.findall(text)
    latin = any(_LATIN.search(word) for word in words)
    honest = any(char not in _LOOK_LIKE and _is_other(char) for word in words for char in word)
    for word in words:
        yield from (char for char in word if _is_styled(char))
        mixed = _LATIN.search(word) is not None
        whole = len(word) > 1 and all(char in _LOOK_LIKE for char in word)
        if mixed or (whole and latin and not honest):
            yield from (char for char in word if char in _LOOK_LIKE)


def _is_styled(char: str) -> bool:
    """Whether it is a Latin letter in other clothes: full width, mathematical, in a circle."""
    return not char.isascii() and len(char) == 1 and _plain(char).isascii() and _plain(char).isalpha()


def _plain(char: str) -> str:
    return unicodedata.normalize("NFKC", char)


def _is_other(char: str) -> bool:
    """Whether it is a Cyrillic or Greek letter."""
    return "\u0370" <= char <= "\u052f"


def _reported(counts: Counter[str], finding: Finding | None = None) -> Iterator[Found]:
    for char, times in counts.items():
        if times > 0:
            name = unicodedata.name(char, "without a name")
            yield Found(f"U+{ord(char):04X}", name, finding or _hidden(char), times)


def _hidden(char: str) -> Finding:
    if char in _BIDI:
        return Finding.BIDI
    if ord(char) in _TAGS:
        return Finding.TAG
    return Finding.CONTROL if unicodedata.category(char) in {"Cc", "Cs"} else Finding.INVISIBLE
