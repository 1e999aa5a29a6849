"""C9: what docs/decision-routing.md prints is what there is; its snippets for a running installation are run in
`tests/integration/decisions/test_runbook_router.py`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

import yaml

from aragora.decisions.near import near
from aragora.decisions.rules_file import parsed, rules_of

ROOT: Final = Path(__file__).parents[3]
PAGE: Final = (ROOT / "docs" / "decision-routing.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def test_the_rules_on_the_page_are_those_that_come_along() -> None:
    (rules,) = blocks("toml")
    assert parsed(rules) == rules_of(None)


def test_the_lines_for_the_cache_run() -> None:
    names: dict[str, Any] = {}
    exec(blocks("python")[1], names)
    assert names["count"] == 1


def test_the_figures_of_the_gate_are_those_of_its_pairs() -> None:
    pairs = yaml.safe_load((Path(__file__).parent / "near_pairs.yaml").read_text())
    same = pairs["same"]
    rate = sum(near(pair[1], pair[2]) for pair in same) / len(same)
    assert f"{len(pairs['refused'])} pairs that must be refused" in PAGE
    assert f"{len(same)} that ask the same" in PAGE
    assert f"lets {int(rate * 100)} % pass" in PAGE
