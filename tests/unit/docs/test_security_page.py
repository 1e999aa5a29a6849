"""docs/security.md names a test for each attack and control: every name must be that of a test."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "security.md").read_text()
ROWS = [line for line in PAGE.splitlines() if line.startswith("|") and "`test_" in line]


def test_every_test_that_the_page_names_exists() -> None:
    missing = []
    for row in ROWS:
        file = ""
        for name in re.findall(r"`(test_[\w.:]+)`", row):
            named, _, test = name.rpartition("::") if "::" in name else (name, "", "")
            if name.endswith(".py") or "::" in name:
                file = named
            else:
                test = name  # in the file that was named before
            if not _defined(file, test):
                missing.append(name)
    assert len(ROWS) > 20
    assert missing == []


def _defined(file: str, test: str) -> bool:
    found = list((ROOT / "tests").rglob(file))
    return len(found) == 1 and (not test or f"def {test}(" in found[0].read_text())
