"""docs/security.md names a test for each attack and control: every name must be that of a test."""

from __future__ import annotations

from pathlib import Path

from worlds.named_tests import missing_of, rows_of

PAGE = (Path(__file__).parents[3] / "docs" / "security.md").read_text()


def test_every_test_that_the_page_names_exists() -> None:
    rows = rows_of(PAGE)
    assert len(rows) > 20
    assert missing_of(rows) == []
