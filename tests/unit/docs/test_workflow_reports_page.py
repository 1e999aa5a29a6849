"""docs/workflow-reports.md names the tests that hold each report: every one is there once, every name is that of a
test."""

from __future__ import annotations

import re
from pathlib import Path

from worlds.named_tests import missing_of, rows_of

PAGE = (Path(__file__).parents[3] / "docs" / "workflow-reports.md").read_text()
ROW = re.compile(r"^\| ([WAC]\d+) \| (.+) \| (.+) \|$", re.MULTILINE)
REPORTS = [*(f"W{number}" for number in range(1, 31)), *(f"A{number}" for number in range(1, 9))]
REPORTS += [f"C{number}" for number in range(1, 11)]


def test_every_report_has_one_row_and_every_row_a_test() -> None:
    assert [row[0] for row in ROW.findall(PAGE)] == REPORTS
    assert {line for line in PAGE.splitlines() if ROW.fullmatch(line)} <= set(rows_of(PAGE))


def test_every_test_that_the_page_names_exists() -> None:
    assert missing_of(rows_of(PAGE)) == []
