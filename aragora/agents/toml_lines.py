"""Where in a TOML file a field stands: `tomllib` tells the line of what it cannot read, but not of what it has read.

The field is looked for and not parsed: a name that stands in a longer text, too, may lead to the line of that.
"""

from __future__ import annotations

import re


def line_of(source: str, place: tuple[int | str, ...]) -> int:
    """The line (from 1) of the field at `place`, or of the table that it is in; 1 where neither is found."""
    lines = source.split("\n")  # as TOML counts: `splitlines` ends a line at U+2028 and others, too
    names = [str(part) for part in place if isinstance(part, str)]
    start, depth = _table(lines, names)
    for name in names[depth:]:
        assigned = re.compile(rf"""[^#]*?(^|[\s{{,.])["']?{re.escape(name)}["']?\s*[=.]""")
        stop = next((n for n in range(start + 1, len(lines)) if lines[n].lstrip().startswith("[")), len(lines))
        found = next((number for number in range(start, stop) if assigned.match(lines[number])), None)
        if found is None:
            break
        start = found
    return start + 1


def _table(lines: list[str], names: list[str]) -> tuple[int, int]:
    """The line of the header of the innermost table on the way to `names`, and how many of them it names."""
    for depth in range(len(names), 0, -1):
        path = r"\s*\.\s*".join(rf"""["']?{re.escape(name)}["']?""" for name in names[:depth])
        header = re.compile(rf"\s*\[{{1,2}}\s*{path}\s*\]")
        for number, line in enumerate(lines):
            if header.match(line):
                return number, depth
    return 0, 0
