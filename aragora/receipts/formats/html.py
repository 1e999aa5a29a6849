"""A receipt as one self-contained HTML page: no script, nothing loaded, fit for printing, every text escaped."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape
from typing import Any, Final

from aragora.receipts.formats.view import ReceiptView, Rows, Table, view_of

_STYLE: Final = """
:root { color-scheme: light dark; --ink: #1b1f24; --soft: #5b6470; --line: #d8dde3; --paper: #fff; --ground: #f3f5f7; --mark: #1f6f54 }
@media (prefers-color-scheme: dark) { :root { --ink: #e8eaed; --soft: #a3abb5; --line: #3a424c; --paper: #1c2128; --ground: #12161b; --mark: #6cc5a3 } }
* { box-sizing: border-box }
body { margin: 0; padding: 2rem 1rem; background: var(--ground); color: var(--ink); font: 16px/1.55 system-ui, sans-serif }
main { max-width: 52rem; margin: 0 auto; padding: 2.5rem; background: var(--paper); border: 1px solid var(--line); border-radius: 12px }
header p { margin: 0; color: var(--soft); font-size: .85rem }
h1 { margin: .4rem 0 1.2rem; font-size: 1.5rem; line-height: 1.3; white-space: pre-wrap; overflow-wrap: anywhere }
h2 { margin: 2.2rem 0 .7rem; font-size: .85rem; letter-spacing: .06em; text-transform: uppercase; color: var(--soft) }
.verdict { color: var(--mark); font-weight: 600 }
.answer, blockquote { margin: .5rem 0 1rem; padding: .2rem 0 .2rem 1.1rem; border-left: 3px solid var(--mark); white-space: pre-wrap; overflow-wrap: anywhere }
blockquote { border-color: var(--line) }
.wide { overflow-x: auto }
table { width: 100%; border-collapse: collapse; font-size: .88rem }
th, td { padding: .45rem .7rem .45rem 0; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top }
th { color: var(--soft); font-weight: 500 }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .35rem 1.4rem; margin: 0; font-size: .88rem }
dt { color: var(--soft) }
dd { margin: 0; overflow-wrap: anywhere }
.proof dd { font-family: ui-monospace, monospace; font-size: .8rem }
footer { margin-top: 2rem; color: var(--soft); font-size: .82rem }
@media (max-width: 40rem) { main { padding: 1.2rem } dl { grid-template-columns: 1fr; gap: 0 } dd { margin-bottom: .5rem } }
@media print { :root { color-scheme: light; --ink: #000; --soft: #444; --line: #bbb; --paper: #fff; --ground: #fff; --mark: #000 }
  body { padding: 0; font-size: 11pt } main { max-width: none; padding: 0; border: 0 } h2, tr { break-inside: avoid; break-after: auto } h2 { break-after: avoid } }
"""


def to_html(document: Mapping[str, Any]) -> str:
    """The receipt as an HTML page. Raises KeyError or TypeError where the document is not a receipt's."""
    return "".join(_page(view_of(document)))


def _page(view: ReceiptView) -> Iterator[str]:
    yield '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
    yield f"<title>Receipt {escape(view.receipt_id)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n"
    yield f"<header><p>Decision receipt {escape(view.receipt_id)}</p>\n<h1>{escape(view.question)}</h1></header>\n"
    yield f'<p class="verdict">{escape(view.verdict)}</p>\n<div class="answer">{escape(view.answer)}</div>\n'
    if view.explanation:
        yield f"<p>{escape(view.explanation)}</p>\n"
    yield f"<h2>Votes</h2>\n{_table(view.votes)}<h2>Dissent</h2>\n"
    for who, why in view.dissent:
        yield f"<p>{escape(who)}:</p>\n<blockquote>{escape(why)}</blockquote>\n"
    if not view.dissent:
        yield "<p>None.</p>\n"
    yield f"<h2>Agents</h2>\n{_table(view.agents)}"
    yield f"<h2>Debate</h2>\n<dl>{_pairs(view.facts)}</dl>\n"
    yield f'<h2>Proof</h2>\n<dl class="proof">{_pairs(view.proof)}</dl>\n'
    yield "<footer>This page is for reading. The JSON form is the original: check it with <code>aragora verify</code>."
    yield "</footer>\n</main>\n</body>\n</html>\n"


def _table(table: Table) -> str:
    head = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in table.heading)
    rows = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>\n" for row in table.rows)
    return f'<div class="wide"><table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}</tbody>\n</table></div>\n'


def _pairs(rows: Rows) -> str:
    return "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>\n" for name, value in rows)
