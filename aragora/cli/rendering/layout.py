"""Frames, indents, rules and tables: drawn to the width of a terminal, and as plain lines where there is none.

A pipe, a file or the log of a build has no width. There every paragraph is one line and every cell is whole, so that
nothing is cut and `grep` finds what it looks for.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.measure import Measurement
from rich.padding import Padding
from rich.panel import Panel
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from aragora.cli.rendering.terminal import say

INDENT: Final = "  "
WHOLE: Final = 1_000_000
"""Columns that no table needs: the widest that one is measured at."""


@dataclass(frozen=True, slots=True)
class Framed:
    """Parts under a title, in a frame."""

    title: str
    parts: Sequence[RenderableType]
    style: str

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if options.is_terminal:
            yield Panel(_Stack(self.parts), title=self.title, border_style=self.style)
        else:
            yield say(self.title, self.style)
            yield from self.parts


@dataclass(frozen=True, slots=True)
class Indented:
    """Texts that belong to the line above them."""

    parts: Sequence[Text]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if options.is_terminal:
            yield Padding(_Stack(self.parts), (0, 0, 0, len(INDENT)))
        else:
            for part in self.parts:
                for line in part.split("\n", allow_blank=True):
                    yield Text(INDENT).append_text(line)


@dataclass(frozen=True, slots=True)
class Heading:
    """A line that parts what follows from what came before."""

    title: str

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield Rule(self.title, style="dim") if options.is_terminal else say(f"-- {self.title} --", "dim")


class Listing:
    """Rows under headings. On a terminal the columns named in `wrapped` give way; the others hold what people copy
    (ids, names) and stay on one line. Where the terminal has no room for that, each row is a block of lines."""

    def __init__(self, *headings: str, wrapped: Sequence[str] = ()) -> None:
        self._headings = headings
        self._rows: list[tuple[Text, ...]] = []
        self._wrapped = wrapped

    def row(self, *cells: Text | str) -> None:
        """Add a row: one cell for each heading."""
        self._rows.append(tuple(say(cell) if isinstance(cell, str) else cell for cell in cells))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        table = self._table()
        natural = Measurement.get(console, options.update(max_width=WHOLE), table)
        if not options.is_terminal:
            for line in console.render_lines(table, options.update(width=max(1, natural.maximum)), pad=False):
                cells = Text.assemble(*((segment.text, segment.style or "") for segment in line))
                cells.rstrip()
                yield cells
        elif natural.minimum <= options.max_width:
            yield table
        else:
            for row in self._rows:
                yield from self._block(row)

    def _table(self) -> Table:
        table = Table(box=None, pad_edge=False, header_style="dim")
        for heading in self._headings:
            table.add_column(heading, overflow="fold", no_wrap=heading not in self._wrapped)
        for row in self._rows:
            table.add_row(*row)
        return table

    def _block(self, row: Sequence[Text]) -> Iterator[Text]:
        for heading, cell in zip(self._headings, row, strict=True):
            if cell:
                yield Text.assemble((f"{heading} " if heading else "", "dim"), cell)
        yield Text()


@dataclass(frozen=True, slots=True)
class _Stack:
    parts: Sequence[RenderableType]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield from self.parts
