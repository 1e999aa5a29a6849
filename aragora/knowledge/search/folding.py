"""One spelling for texts that people take for the same: the form in which words are indexed, sought and checked. Pure.

- compatibility forms (full width, ligatures, mathematical letters) become plain ones, marks are composed: NFKC;
- case is folded; the Turkish dotted and dotless i are both `i`, `ß` is `ss`;
- what shows nothing is removed: control and bidi characters, zero width, tags, soft hyphens, joiners, selectors;
- Arabic vowel marks and the tatweel, and Hebrew points, are removed: most texts are written without them;
- decimal digits of every script become ASCII digits; typographic apostrophes and hyphens become those of ASCII;
- two halves of a surrogate pair are mended into their character, a lone half becomes U+FFFD.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from aragora.texts import HALVES, IGNORABLE, JOINERS, SELECTORS

_HALF: Final = re.compile(f"[{HALVES}]")
_INVISIBLE: Final = re.compile(f"[{IGNORABLE}{JOINERS}{SELECTORS}]")
_INVISIBLE_CATEGORIES: Final = frozenset({"Cc", "Cf", "Cs"})
_VOWEL_MARKS: Final = re.compile(
    "[\u0610-\u061a\u0640\u064b-\u0652\u0656-\u065f\u0670\u06d6-\u06dc\u06df-\u06e4\u06e7\u06e8\u06ea-\u06ed"
    "\u08d3-\u08e1\u08e3-\u08ff\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7]"
)
_PLAIN: Final = {
    "\u0131": "i",
    "\u2018": "'",
    "\u2019": "'",
    "\u02bc": "'",
    "\u2010": "-",
    "\u2011": "-",
    "\u2212": "-",
}
_DOTTED_I: Final = "i\u0307"  # what İ is in lower case
_PASSES: Final = 4  # each pass may open up what the next one folds; two are enough for all known characters
_REMEMBERED: Final = 8_192  # characters; more than any language has in use, and a bound for hostile texts


class _Simpler(dict[int, str]):
    """For `str.translate`: what each character is written as."""

    def __missing__(self, point: int) -> str:
        plain = _simpler(chr(point))
        if len(self) < _REMEMBERED:
            self[point] = plain
        return plain


_SIMPLER: Final = _Simpler()


def folded(text: str) -> str:
    """`text` in the one spelling. Folding twice changes nothing more; white space stays as it is."""
    if text.isascii():
        return text.translate(_SIMPLER).lower()
    text = mended(text)
    for _ in range(_PASSES):
        before, text = text, _once(text)
        if text == before:
            break
    return text


def mended(text: str) -> str:
    """`text` as it can be written in UTF-8: halves of a surrogate pair are joined, a lone half becomes U+FFFD."""
    if not _HALF.search(text):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _once(text: str) -> str:
    plain = unicodedata.normalize("NFKC", text.translate(_SIMPLER)).casefold().replace(_DOTTED_I, "i")
    return unicodedata.normalize("NFKC", plain.translate(_SIMPLER))


def _simpler(char: str) -> str:
    if char.isspace():
        return char
    if unicodedata.category(char) in _INVISIBLE_CATEGORIES or _INVISIBLE.match(char) or _VOWEL_MARKS.match(char):
        return ""
    digit = unicodedata.decimal(char, None)
    return _PLAIN.get(char, char) if digit is None else str(digit)
