"""Whether a TOML text has a key of so many parts that reading it takes memory by their square: `tomllib` keeps every
beginning of a dotted key, so 200 KB of `a.a.a...` would take all there is.

The check is one pass: strings and comments are blanked, and outside of them a dot is in a key or in a number.
"""

from __future__ import annotations

import re
from typing import Final

PARTS_MAX: Final = 16
_TEXT: Final = re.compile(
    # Each alternative matches up to the end where its closing mark is missing: else it would be looked for anew from
    # every mark that follows.
    r'"""(?:[^\\"]|\\.|"(?!""))*+(?:"""|\Z|\\)'
    r"|'''(?:[^']|'(?!''))*+(?:'''|\Z)"
    r'|"(?:[^\\"\n]|\\[^\n])*+"?'
    r"|'[^'\n]*+'?"
    r"|\#[^\n]*+",
    re.DOTALL,
)
_BETWEEN_KEYS: Final = re.compile(r"[=,\[\]{}]")


def line_of_too_long_key(source: str) -> int | None:
    """The line (from 1) of the first key that has more parts than any setting; None where there is none."""
    blanked = _TEXT.sub(lambda text: "\n" * text[0].count("\n"), source)
    for number, line in enumerate(blanked.split("\n"), 1):
        if line.count(".") >= PARTS_MAX and any(key.count(".") >= PARTS_MAX for key in _BETWEEN_KEYS.split(line)):
            return number
    return None
