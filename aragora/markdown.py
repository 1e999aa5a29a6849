"""Texts of agents and people as Markdown that reads as they wrote it: none becomes a heading, an image, code or HTML.

None becomes a link that hides where it leads, either. A bare address stays one: GitHub makes it a link to itself.

The rules are CommonMark's (https://spec.commonmark.org/0.31.2/) and GitHub's tables.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import escape
from typing import Final

_MARKUP: Final = re.compile(r"([\\`*_\[\]#|~])")
# What opens a list, a rule or a heading at the start of a line
_BLOCK: Final = re.compile(r"^(\s*\d*)([.)](?=\s|$)|[-+=](?=\s|$|[-=]))")

# So much space at the start of a line opens a block of code, in which escapes stand as they are
_INDENT: Final = re.compile(r"^(?: {4,}| *\t)[ \t]*")


def inline(text: str) -> str:
    """`text` on one line, for a heading, a list or the cell of a table."""
    return _escaped(" ".join(text.split()))


def quoted(text: str) -> Iterator[str]:
    """The lines of `text` as a block quotation; one empty line where there is none."""
    for line in text.splitlines() or [""]:
        yield f"> {_escaped(_INDENT.sub(_kept, line.rstrip()))}".rstrip()


def _kept(space: re.Match[str]) -> str:
    return space[0].expandtabs(4).replace(" ", "\N{NO-BREAK SPACE}")


def _escaped(text: str) -> str:
    return _BLOCK.sub(r"\1\\\2", _MARKUP.sub(r"\\\1", escape(text, quote=False)))
