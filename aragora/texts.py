"""Which characters a text from outside may hold. Every edge asks here, so that no store meets what it cannot keep.

PostgreSQL keeps no NUL and no half of a surrogate pair, SQLite keeps both: what one database refuses is refused before
either. Other control characters have no place in a name or an id, and in a longer text only tab, newline and carriage
return have: a terminal would obey the rest.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

CONTROLS: Final = r"\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f"
"""For a class of a regular expression: control characters, but for those that lay a text out."""
HALVES: Final = r"\ud800-\udfff"

# Characters that show nothing, whatever their category is, for classes of regular expressions. The first three together
# are Default_Ignorable_Code_Point of Unicode's DerivedCoreProperties.txt, the same from 14.0 on. They stand apart
# because some texts need the second and third to be read.
IGNORABLE: Final = (
    r"\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\u3164"
    r"\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
JOINERS: Final = r"\u200c\u200d"  # ZWNJ and ZWJ: Persian, Indic scripts and emoji are read by them
SELECTORS: Final = r"\ufe00-\ufe0f"  # VS1 to VS16: the variants of emoji and of mathematical characters
BLANK: Final = r"\u2800"  # of Braille: a space that is a symbol

_NOT_IN_A_LINE: Final = re.compile(f"[{CONTROLS}\t\n\r{HALVES}]")
_NOT_IN_PROSE: Final = re.compile(f"[{CONTROLS}{HALVES}]")


def line(text: str) -> str:
    """`text`, where it may be a name, an id or another text of one line. Raises ValueError."""
    return _without(_NOT_IN_A_LINE, text)


def prose(text: str) -> str:
    """`text`, where it may be a longer text, with line breaks and tabs. Raises ValueError."""
    return _without(_NOT_IN_PROSE, text)


def check_all(value: Any, place: str) -> None:
    """Check every text of a JSON value, keys included. Raises ValueError with the place of the first that is wrong,
    which begins with `place`. The value must not nest deeper than Python recurses."""
    if isinstance(value, str):
        _at(place, value)
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            _at(f"a name in {place}", key)
            check_all(inner, f"{place}.{key}")
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            check_all(inner, f"{place}.{number}")


def depth_of(value: Any, most: int) -> int:
    """How deep a JSON value nests; stops counting past `most`."""
    level, depth = [value], 0
    while level and depth <= most:
        depth += 1
        level = [inner for outer in level for inner in _inside(outer)]
    return depth


def _inside(value: Any) -> list[Any]:
    children = list(value.values()) if isinstance(value, Mapping) else value if isinstance(value, list) else []
    return [child for child in children if isinstance(child, Mapping | list)]


def _at(place: str, text: str) -> None:
    try:
        prose(text)
    except ValueError as error:
        raise ValueError(f"{place}: {error}") from None


def _without(unwanted: re.Pattern[str], text: str) -> str:
    found = unwanted.search(text)
    if found is not None:
        raise ValueError(f"the control character U+{ord(found[0]):04X} is not allowed here; leave it out")
    return text


def counted(number: int, thing: str, things: str | None = None) -> str:
    """`number` of `thing`, in the singular or the plural: "1 round", "2 rounds". `things` is an irregular plural."""
    return f"{number} {thing}" if number == 1 else f"{number} {things or thing + 's'}"
