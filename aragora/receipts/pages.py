"""A receipt as a page for people to read: Markdown, and one self-contained HTML page (no script, nothing loaded, fit
for printing).

A page is what stands on it, in order; both forms are made of it. Texts of agents and people are plain text here, and
are quoted and escaped where they are written: see `aragora.markdown`. The JSON document itself is the original.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from typing import Final

from aragora.markdown import inline, quoted

Rows = tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A line of text. `mark` sets it off: `headline`, or `verdict`, in which the outcome is told."""

    text: str
    mark: str = ""


@dataclass(frozen=True, slots=True)
class Quote:
    """Somebody's words, as they wrote them."""

    text: str
    answer: bool = False  # the one that was decided on


@dataclass(frozen=True, slots=True)
class Table:
    """A heading row and the rows below it."""

    heading: tuple[str, ...]
    rows: Rows


@dataclass(frozen=True, slots=True)
class Pairs:
    """Names and their values. `proof`: values that are compared character by character."""

    rows: Rows
    proof: bool = False


Block = Paragraph | Quote | Table | Pairs


@dataclass(frozen=True, slots=True)
class Section:
    """Blocks under a title of ours."""

    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """`kind` names the receipt ("Decision receipt"); `heading` is what it is about, in somebody's words."""

    receipt_id: str
    kind: str
    heading: str
    opening: tuple[Block, ...]
    sections: tuple[Section, ...]


def second(seconds: float) -> str:
    """A moment in UTC, to the second."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


# --- HTML


_STYLE: Final = """
:root { color-scheme: light dark; --ink: #1b1f24; --soft: #5b6470; --line: #d8dde3; --paper: #fff; --ground: #f3f5f7; --mark: #1f6f54 }
@media (prefers-color-scheme: dark) { :root { --ink: #e8eaed; --soft: #a3abb5; --line: #3a424c; --paper: #1c2128; --ground: #12161b; --mark: #6cc5a3 } }
* { box-sizing: border-box }
body { margin: 0; padding: 2rem 1rem; background: var(--ground); color: var(--ink); font: 16px/1.55 system-ui, sans-serif }
main { max-width: 52rem; margin: 0 auto; padding: 2.5rem; background: var(--paper); border: 1px solid var(--line); border-radius: 12px }
header p { margin: 0; color: var(--soft); font-size: .85rem }
h1 { margin: .4rem 0 1.2rem; font-size: 1.5rem; line-height: 1.3; white-space: pre-wrap; overflow-wrap: anywhere }
h2 { margin: 2.2rem 0 .7rem; font-size: .85rem; letter-spacing: .06em; text-transform: uppercase; color: var(--soft) }
.headline { font-weight: 600 }
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


def html_of(page: Page) -> str:
    """The page as HTML."""
    return "".join(_html(page))


def _html(page: Page) -> Iterator[str]:
    yield '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
    yield f"<title>Receipt {escape(page.receipt_id)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n"
    yield f"<header><p>{escape(page.kind)} {escape(page.receipt_id)}</p>\n<h1>{escape(page.heading)}</h1></header>\n"
    for block in page.opening:
        yield _html_block(block)
    for section in page.sections:
        yield f"<h2>{escape(section.title)}</h2>\n"
        for block in section.blocks:
            yield _html_block(block)
    yield "<footer>This page is for reading. The JSON form is the original: check it with <code>aragora verify</code>."
    yield "</footer>\n</main>\n</body>\n</html>\n"


def _html_block(block: Block) -> str:
    match block:
        case Paragraph(text, mark):
            return f"<p{_class(mark)}>{escape(text)}</p>\n"
        case Quote(text, answer):
            return (
                f'<div class="answer">{escape(text)}</div>\n'
                if answer
                else f"<blockquote>{escape(text)}</blockquote>\n"
            )
        case Pairs(rows, proof):
            pairs = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>\n" for name, value in rows)
            return f"<dl{_class('proof' if proof else '')}>{pairs}</dl>\n"
        case Table():
            return _html_table(block)


def _html_table(table: Table) -> str:
    head = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in table.heading)
    rows = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>\n" for row in table.rows)
    return f'<div class="wide"><table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}</tbody>\n</table></div>\n'


def _class(name: str) -> str:
    return f' class="{name}"' if name else ""


# --- Markdown

_NOTE: Final = "This page is for reading. The JSON form is the original: check it with `aragora verify`."


def markdown_of(page: Page) -> str:
    """The page as Markdown."""
    return "\n".join(_markdown(page))


def _markdown(page: Page) -> Iterator[str]:
    yield from (f"# Receipt {inline(page.receipt_id)}", "", *quoted(page.heading), "")
    for block in page.opening:
        yield from (*_markdown_block(block), "")
    for section in page.sections:
        yield from (f"## {section.title}", "")
        for block in section.blocks:
            yield from (*_markdown_block(block), "")
    yield from (_NOTE, "")


def _markdown_block(block: Block) -> Iterator[str]:
    match block:
        case Paragraph(text, mark):
            yield f"**{inline(text)}**" if mark else inline(text)
        case Quote(text):
            yield from quoted(text)
        case Pairs(rows):
            yield from (f"- {name}: {inline(value)}" for name, value in rows)
        case Table():
            yield f"| {' | '.join(block.heading)} |"
            yield f"|{'---|' * len(block.heading)}"
            yield from (f"| {' | '.join(inline(cell) for cell in row)} |" for row in block.rows)
