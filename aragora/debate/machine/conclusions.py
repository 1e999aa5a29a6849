"""What an answer comes to, read off its first words: the sentence that tells it, and whether that says yes or no."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from aragora.debate.machine.convergence import conclusion

_STANCE: Final = re.compile(
    r"\W*(?:(yes)\b(?![-'\u2019]\w|\W+and\W+no\b)|(no)\b(?=\W*\Z|\s*[^\w\s'\u2019./-]|\s*\.(?!\s?\d)|\s+[-\u2013\u2014]"
    r"|\s+(?:because|since|as|but|and|if|unless|i|we|you|he|she|it|they|this|that|these|those|there|the|a|an)\b))",
    re.IGNORECASE,
)
"""A yes or a no that answers: what follows a no must show that it is not the "no" of "no more than ten", "no doubt"."""
_FRAME_MAX_CHARS: Final = 300  # a longer sentence is none, and would take long to compare
_NUMBERED: Final = re.compile(r"\W*no\.\s?\d", re.IGNORECASE)
_FRAME: Final = re.compile(
    r"\s*(?:#.*|\*\*.*\*\*|.*:\W*|\W*(?:\d+|[a-z])\W*|.*\w\W+no|.*\b(?:st|dr|mr|mrs|ms|prof|nr|vs|e\.?g|i\.?e|approx|ca|fig|vol|art|sec)"
    r"|\W*(?:(?:my|the|final|short|direct)\s+)*(?:answer|recommendation|conclusion|summary|decision|verdict|proposal|position)\W*"
    r"|\W*(?:(?:great|good|excellent|interesting)\s+question|that.s\s+a\s+\w+\s+question|thanks?|hello|hi|hey|sure|certainly"
    r"|absolutely|of\s+course|here(?:.s|\s+is|\s+are)|as\s+an\s+ai|i(?:.d|\s+would)\s+be\s+(?:happy|glad)|let(?:.s|\s+me)"
    r"|it\s+depends)\b.*)\Z",
    re.IGNORECASE | re.DOTALL,
)
"""A first sentence that many write before what they conclude, whatever that is."""


@lru_cache(maxsize=256)  # of each answer this is asked several times
def telling(text: str) -> str:
    """What tells to what `text` comes: its first sentence, or all of it where that one is no more than a heading, the
    number of a list, a greeting, or a piece that an abbreviation cut off."""
    first = conclusion(text)
    frame = len(first) <= _FRAME_MAX_CHARS and _FRAME.match(first)
    return text if frame or _NUMBERED.match(text) else first


def stance(text: str) -> str:
    """`yes` or `no`, where `text` begins with one that answers; else empty."""
    found = _STANCE.match(text)
    return (found[1] or found[2]).lower() if found else ""
