r"""JSON with the two mistakes that models make most and that leave no doubt of what is meant.

- A backslash that begins no escape of JSON stands for itself: `"\(x\)"`, `"C:\Windows"`.
- A comma before a closing brace or bracket is one too many.

A backslash of LaTeX may be an escape by chance: `"\frac"` reads as a form feed and "rac". No answer has form feeds or
backspaces before a letter, and none has a tab before "heta", so these are taken back (`with_backslashes`).
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass
from typing import Final

_TOKEN: Final = re.compile(r'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)|,(?=\s*+[}\]])', re.DOTALL)
_ESCAPE: Final = re.compile(r'\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})|\\')
_LATEX: Final = re.compile(
    r"[\b\f](?=[A-Za-z])"
    r"|\t(?=(?:heta|imes|frac|ilde|riangle)(?![a-z])|ext[a-z]{0,2}\{)"
    r"|\n(?=(?:abla|otin)(?![a-z]))"
    r"|\r(?=(?:ho|ight|angle|ceil|floor)(?![a-z]))"
)
_SIGNS: Final = ("\b", "\f", "\t", "\r", "\nabla", "\notin")
_LETTERS: Final = {"\b": "b", "\f": "f", "\t": "t", "\n": "n", "\r": "r"}


@dataclass(frozen=True, slots=True)
class Mended:
    """A text that was mended, and for places in it those of the same characters before."""

    text: str
    _places: tuple[int, ...]
    _before: tuple[int, ...]

    def before(self, place: int) -> int:
        """Where what stands at `place` stood before."""
        last = bisect_right(self._places, place) - 1
        return self._before[last] + place - self._places[last]


def mended(text: str) -> Mended:
    """`text`, which begins with an object, without these mistakes."""
    parts: list[str] = []
    places, before = [0], [0]
    read = size = 0
    for token in _TOKEN.finditer(text):
        for start, end, instead in _changes(token):
            parts.extend((text[read:start], instead))
            size += start - read + len(instead)
            read = end
            places.append(size)
            before.append(read)
    parts.append(text[read:])
    return Mended("".join(parts), tuple(places), tuple(before))


def with_backslashes(text: str) -> str:
    """`text` with the backslashes of LaTeX that were read as escapes."""
    if text.isprintable() or not any(sign in text for sign in _SIGNS):
        return text  # as nearly all are
    return _LATEX.sub(lambda found: "\\" + _LETTERS[found.group()], text)


def _changes(token: re.Match[str]) -> list[tuple[int, int, str]]:
    """What to put in whose place in this token: from, to, instead."""
    if token.group() == ",":
        return [(token.start(), token.end(), "")]
    if "\\" not in token.group():
        return []
    lone = (found for found in _ESCAPE.finditer(token.string, token.start(), token.end()) if found.group() == "\\")
    return [(found.start(), found.end(), "\\\\") for found in lone]
