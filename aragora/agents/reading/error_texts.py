"""Whether a text is the error message of some software that stands where an answer should stand.

Servers and frameworks in front of a model send such texts with status 200, as if the model had said them. Only short
texts are taken for one, and only in the words of such software: "Error budgets are ..." and "Error: the premise is
wrong, because ..." are answers.
"""

from __future__ import annotations

import re
from typing import Final

from aragora.agents.reading.marks import DASHES, EMPHASIS, QUOTES

_CHARS_MAX: Final = 400

_CAUSES: Final = (
    r"(?:rate[\s_-]?limit\w*|too many requests|could not (?:generate|complete|connect|process|get|fetch|parse)|"
    r"(?:failed|unable) to (?:generate|complete|connect|process|get|fetch|parse|call|load|reach)|"
    r"(?:request |connection |read |gateway )?time(?:d)?[\s-]?out|internal server error|service (?:is )?(?:temporarily )?unavailable|"
    r"overloaded|quota|insufficient (?:credits?|quota|balance|funds)|(?:maximum )?context (?:length|window)|"
    r"(?:invalid|incorrect|missing) api[\s_-]?key|unauthori[sz]ed|bad gateway|"
    r"connection (?:error|refused|reset|aborted|closed)|no response|model .{0,60}not found|(?:http|status)(?: code)?[\s:]*[45]\d\d|"
    r"please (?:retry|try again)|traceback|unexpected error|server error)\b"
)
_MARKED: Final = re.compile(
    rf"(?:[\w.]{{1,40}} )?\w{{0,40}}?(?:error|exception)\s*(?:\(?\d{{3}}\)?)?\s*[:{DASHES}]\s*.{{0,80}}{_CAUSES}.*"
)
_TAGGED: Final = re.compile(rf"[\[<(]\s*(?:error|fatal|exception)\s*[\])>]:?\s*(?:$|.{{0,200}}{_CAUSES}.*)")
_TAGGED_LOUD: Final = re.compile(r"\[\s*(?:ERROR|Error|FATAL|EXCEPTION)\s*\]:?\s*(?:[^a-z\s].*)?", re.DOTALL)
_WHOLE: Final = re.compile(
    rf"(?:(?:http |status )?(?:code )?[45]\d\d\s*[:{DASHES}]?\s*)?"
    r"(?:(?:the )?(?:request|rate|usage) (?:rate )?(?:limit )?(?:was |has been )?(?:exceeded|reached|timed out|failed)|"
    r"too many requests|internal (?:server )?error|internal server error occurred|service (?:is )?(?:temporarily )?unavailable|"
    r"bad gateway|gateway time-?out|request timed out|connection (?:error|refused|reset|timed out)|"
    r"(?:the )?(?:server|model|service|engine) is (?:currently )?(?:overloaded|unavailable|busy)|"
    r"(?:could not|failed to|unable to) generate(?: (?:an? |the )?(?:answer|response|completion|output|text))?|"
    r"(?:an )?(?:unknown |unexpected |internal )?error (?:has )?occurred(?: while [^.!]{0,100})?|something went wrong|"
    r"no response(?: (?:was )?(?:generated|received)(?: [^.!]{0,60})?| from (?:the )?model)?|\[object object\]|unauthori[sz]ed|"
    r"(?:invalid|incorrect) api key(?: provided)?)"
    r"(?:\s*[.!,;:]?\s*please (?:retry|try again|wait)[^.!]{0,60}|\s*[.!,]\s*try again[^.!]{0,40})?[.!]*"
)


def is_error(text: str) -> bool:
    """Whether `text` is an error message and nothing else."""
    text = text.strip(QUOTES + EMPHASIS + " \n")
    if text.startswith("(") and text.endswith(")"):
        text = text[1:-1]
    if len(text) > _CHARS_MAX:
        return False
    plain = " ".join(text.casefold().split())
    return bool(
        _WHOLE.fullmatch(plain) or _MARKED.fullmatch(plain) or _TAGGED.fullmatch(plain) or _TAGGED_LOUD.fullmatch(text)
    )
