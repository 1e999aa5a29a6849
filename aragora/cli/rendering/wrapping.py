"""Sentences in lines that a terminal of 80 columns holds, whatever others have put into them."""

from __future__ import annotations

from textwrap import wrap
from typing import Final

from aragora.agents.frames import one_line
from aragora.cli.rendering.plain import plain

WIDTH: Final = 80


def wrapped(text: str, indent: str = "") -> list[str]:
    """`text` on lines of `WIDTH` characters at most, those after the first behind `indent`. Names are not cut at their
    hyphens."""
    return wrap(plain(one_line(text)), WIDTH, subsequent_indent=indent, break_on_hyphens=False)
