"""The check of the tests that a page names finds what is missing."""

from __future__ import annotations

from worlds.named_tests import missing_of, rows_of

HERE = "docs/test_named_tests.py"
ITSELF = "test_a_name_that_is_none_is_found_and_one_that_is_stays_unmentioned"


def test_a_name_that_is_none_is_found_and_one_that_is_stays_unmentioned() -> None:
    page = f"""
| x | `{HERE}::{ITSELF}`, `test_of_no_such_name` |
| y | `test_of_no_such_file.py` |
| z | `test_signs_of_life.py`, a name of two files |
| without a test | a reason |
`{HERE}::outside_of_a_table`
"""
    rows = rows_of(page)
    assert len(rows) == 3
    assert missing_of(rows) == ["test_of_no_such_name", "test_of_no_such_file.py", "test_signs_of_life.py"]
