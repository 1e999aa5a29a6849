"""docs/odd-inputs.md names the tests that hold each input: every row is there once, every name is that of a test."""

from __future__ import annotations

import re
from pathlib import Path

from worlds.named_tests import missing_of, rows_of

PAGE = (Path(__file__).parents[3] / "docs" / "odd-inputs.md").read_text()
ROW = re.compile(r"^\| (\d+) \| (.+) \| (.+) \| (.+) \|$", re.MULTILINE)


def test_every_input_has_one_row_and_every_row_a_test() -> None:
    numbers = [int(row[0]) for row in ROW.findall(PAGE)]
    assert sorted(numbers) == list(range(1, 139))
    assert len(rows_of(PAGE)) == len(numbers)


def test_every_test_that_the_page_names_exists() -> None:
    assert missing_of(rows_of(PAGE)) == []
