"""The marks by which models set their thoughts apart from what they say.

Tags (`<think>`, with many names), marks of one family (harmony's channels, those of Mistral, Kimi, Cohere, Gemma), and
fences of that name. Servers often leave them in the text, or swallow the first of a pair.
"""

from __future__ import annotations

import re
from typing import Final

_NAMES: Final = (
    "think|thinking|thought|thoughts|reasoning|reflection|scratchpad|analysis|antthinking|thinking_process|"
    "chain_of_thought|inner_monologue"
)
_FINAL_CHANNEL: Final = (
    r"<\|channel\|>\s*final\b[^<]{0,40}(?:<\|constrain\|>[^<]{0,40})?<\|message\|>|\bassistantfinal(?=\s*[{`])"
)
_ENDS: Final = rf"<\|(?:end_of_thought|END_THINKING|/think(?:ing)?)\|>|<unused95>|<channel\|>|{_FINAL_CHANNEL}"
MARK: Final = (
    rf"<\s*(?P<closes>/?)\s*(?:[a-z]{{1,20}}:)?(?:{_NAMES})\b(?:\s[^<>]{{0,200}})?(?<!/)>"
    rf"|&lt;(?P<closes_escaped>/?)(?:{_NAMES})&gt;"
    r"|\[(?P<closes_bracketed>/?)THINK\]"
    r"|◁(?P<closes_pointed>/?)think▷"
    rf"|(?P<ends>{_ENDS})"
    r"|<\|channel\|>\s*analysis\s*<\|message\|>|<\|channel>\s*thought\b|<unused94>"
    r"|<\|(?:begin_of_thought|START_THINKING|think(?:ing)?)\|>"
    r"|(?P<fence>```\s*(?:think|thinking|thought|thoughts|reasoning)\s*\n)"
)
"""What begins or ends a thought, without regard to case; for a pattern of more. See `closes` and `end_of`."""

_CLOSING: Final = re.compile(
    rf"<\s*/\s*(?:[a-z]{{1,20}}:)?(?:{_NAMES})\b\s*>|&lt;/(?:{_NAMES})&gt;|\[/THINK\]|◁/think▷|<\|end\|>|{_ENDS}",
    re.IGNORECASE,
)
_FENCE_END: Final = re.compile(r"\n\s*```")
_MARK: Final = re.compile(MARK, re.IGNORECASE)
_BEGINNINGS: Final = ("<", "[", "◁", "&", "`")


def closes(mark: re.Match[str]) -> bool:
    """Whether `mark` ends a thought."""
    groups = ("closes", "closes_escaped", "closes_bracketed", "closes_pointed", "ends")
    return any(mark[group] for group in groups)


def end_of(mark: re.Match[str], text: str) -> int | None:
    """Where the thought is over that `mark` begins; None where it is to the end of `text`."""
    closing = (_FENCE_END if mark["fence"] else _CLOSING).search(text, mark.end())
    return None if closing is None else closing.end()


def without_thought(text: str) -> str:
    """`text` without the thoughts with which it begins, each of which has an end and is not empty."""
    begin = 0
    while text[begin:].lstrip().startswith(_BEGINNINGS):
        start = len(text) - len(text[begin:].lstrip())
        mark = _MARK.match(text, start)
        end = None if mark is None or closes(mark) else end_of(mark, text)
        if mark is None or end is None or not _CLOSING.sub("", text[mark.end() : end]).strip("` \n"):
            break
        begin = end
    return text[begin:].lstrip() if begin else text
