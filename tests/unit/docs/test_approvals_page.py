"""docs/approvals.md: its example is a step, its codes are those that are raised."""

from __future__ import annotations

import json
import re
from pathlib import Path

from pydantic import TypeAdapter

from aragora.workflows.definition import Approval

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "approvals.md").read_text()
SOURCES = [
    ROOT / "aragora" / name
    for name in ("workflows/approving.py", "workflows/approvals.py", "server/chapters/workflow_approvals.py")
]


def test_the_example_is_a_step() -> None:
    (example,) = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    step = TypeAdapter(Approval).validate_python(json.loads(example))
    assert (step.quorum, step.next, dict(step.on)) == (2, "publish", {"rejected": "tell", "expired": "tell"})


def test_every_code_that_the_page_names_is_raised() -> None:
    rows = re.findall(r"^\| (?:409|422) (.+?) \|", PAGE, re.MULTILINE)
    named = {code for row in rows for code in re.findall(r"`(\w+)`", row)}
    source = "".join(path.read_text() for path in SOURCES).replace('code=f"already_{status}"', "")
    assert len(named) == 10
    assert {code for code in named if f'code="{code}"' not in source} == {"already_approved", "already_rejected"}
