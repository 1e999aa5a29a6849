"""The marks that models put around and between words, by their code points: quotation marks, dashes, full stops.

They are for classes of regular expressions and for `str.strip`.
"""

from __future__ import annotations

from typing import Final

QUOTES: Final = (
    "\"'`\u00b4"
    "\u2018\u2019\u201a\u201b\u201c\u201d\u201e\u201f"  # single and double, low and high
    "\u00ab\u00bb\u2039\u203a"  # guillemets
    "\u300c\u300d\u300e\u300f\u3010\u3011"  # corner brackets
)
APOSTROPHES: Final = "`\u00b4\u2018\u2019"
EMPHASIS: Final = "*_~"
DASHES: Final = "\u2013\u2014-"  # the hyphen last, as a class needs it
STOPS: Final = ".,;:!?\u2026\u3001\u3002\uff0c\uff01\uff1a\uff1b\uff1f"  # with those of Chinese and Japanese
