"""docs/knowledge-reports.md names the tests that hold each of the seventy: every number is there once, every name is
that of a test."""

from __future__ import annotations

import re
from pathlib import Path

from worlds.named_tests import missing_of, rows_of

PAGE = (Path(__file__).parents[3] / "docs" / "knowledge-reports.md").read_text()
ROW = re.compile(r"^\| ([\d, ]+) \| (.+) \| (.+) \|$", re.MULTILINE)


def test_every_report_has_one_row_and_every_row_a_test() -> None:
    numbers = [int(number) for row in ROW.findall(PAGE) for number in row[0].split(",")]
    assert sorted(numbers) == list(range(1, 71))
    assert {line for line in PAGE.splitlines() if ROW.fullmatch(line)} <= set(rows_of(PAGE))


def test_every_test_that_the_page_names_exists() -> None:
    assert missing_of(rows_of(PAGE)) == []
