"""A receipt as Markdown. Texts of agents and people are quoted and escaped: none of them becomes markup."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any, Final

from aragora.receipts.formats.view import Rows, Table, view_of

_MARKUP: Final = re.compile(r"([\\`*_\[\]#|~])")
# What opens a list, a rule or a heading at the start of a line
_BLOCK: Final = re.compile(r"^(\s*\d*)([.)](?=\s|$)|[-+=](?=\s|$|[-=]))")
_NOTE: Final = "This page is for reading. The JSON form is the original: check it with `aragora verify`."


def to_markdown(document: Mapping[str, Any]) -> str:
    """The receipt as a Markdown page. Raises KeyError or TypeError where the document is not a receipt's."""
    view = view_of(document)
    return "\n".join(
        [
            f"# Receipt {_inline(view.receipt_id)}",
            "",
            *_quote(view.question),
            "",
            f"**{_inline(view.verdict)}**",
            "",
            *_quote(view.answer),
            "",
            *((_inline(view.explanation), "") if view.explanation else ()),
            "## Votes",
            "",
            *_table(view.votes),
            "",
            "## Dissent",
            "",
            *(line for who, why in view.dissent for line in (f"{_inline(who)}:", "", *_quote(why), "")),
            *(() if view.dissent else ("None.", "")),
            "## Agents",
            "",
            *_table(view.agents),
            "",
            "## Debate",
            "",
            *_pairs(view.facts),
            "",
            "## Proof",
            "",
            *_pairs(view.proof),
            "",
            _NOTE,
            "",
        ]
    )


def _table(table: Table) -> Iterator[str]:
    yield f"| {' | '.join(table.heading)} |"
    yield f"|{'---|' * len(table.heading)}"
    for row in table.rows:
        yield f"| {' | '.join(_inline(cell) for cell in row)} |"


def _pairs(rows: Rows) -> Iterator[str]:
    for name, value in rows:
        yield f"- {name}: {_inline(value)}"


def _quote(text: str) -> Iterator[str]:
    for line in text.splitlines() or [""]:
        yield f"> {_escaped(line)}".rstrip()


def _inline(text: str) -> str:
    return _escaped(" ".join(text.split()))


def _escaped(text: str) -> str:
    return _BLOCK.sub(r"\1\\\2", _MARKUP.sub(r"\\\1", escape(text, quote=False)))
