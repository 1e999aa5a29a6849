"""The tests that a page of the documentation names in its tables, and those among them that do not exist.

A page names `test_file.py::test_name` and, after it in the same row, further tests of that file by their names alone; a
folder before the file tells files of one name apart.
"""

from __future__ import annotations

import re
from pathlib import Path

TESTS = Path(__file__).parents[1]
_NAMED = re.compile(r"`((?:\w+/)*test_[\w.:]+)`")


def rows_of(page: str) -> list[str]:
    """The rows of tables that name a test."""
    return [line for line in page.splitlines() if line.startswith("|") and _NAMED.search(line)]


def missing_of(rows: list[str]) -> list[str]:
    """The names in `rows` that are those of no test, or of several files."""
    missing = []
    for row in rows:
        file = ""
        for name in _NAMED.findall(row):
            named, _, test = name.rpartition("::") if "::" in name else (name, "", "")
            if name.endswith(".py") or "::" in name:
                file = named
            else:
                test = name  # in the file that was named before
            if not _defined(file, test):
                missing.append(name)
    return missing


def _defined(file: str, test: str) -> bool:
    found = list(TESTS.rglob(file.removeprefix("tests/"))) if file else []
    return len(found) == 1 and (not test or f"def {test}(" in found[0].read_text())
