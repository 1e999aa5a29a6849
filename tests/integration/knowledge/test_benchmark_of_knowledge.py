"""The scenarios of `benchmarks.knowledge` still run: tiny, so their figures mean nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from worlds.knowledge import AT

from benchmarks.knowledge_quality.worlds import Kind, languages, world_of

ROOT = Path(__file__).parents[3]
TINY = (
    *("--vectors", "3000", "--searches", "3", "--texts", "3", "--pairs", "3"),
    *("--items", "1200", "--spread", "300", "--switched", "40", "--learnt", "16"),
)


@pytest.mark.slow
def test_every_scenario_prints_its_figures() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "benchmarks.knowledge", *TINY],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    lines = [json.loads(line) for line in ran.stdout.splitlines()]
    assert {line["scenario"] for line in lines} == {
        *("tokens", "scan", "embedding", "floor"),
        *("writes", "index", "search", "recall", "at once", "spread", "switch", "summaries", "learning"),
    }
    exact = [line for line in lines if line["scenario"] == "scan" and line["kind"] == "exact"]
    assert len(exact) == 8
    assert all(line["recall_at_10"] == 1.0 for line in exact)
    by_scenario = {line["scenario"]: line for line in lines}
    assert by_scenario["recall"]["met"]
    assert by_scenario["switch"]["met"], by_scenario["switch"]
    (rebuilt,) = [line for line in lines if "rebuilt" in line]
    assert rebuilt["met"], rebuilt


def test_a_made_world_is_the_same_each_time_and_holds_its_answers() -> None:
    for name, words in languages().items():
        world = world_of(name, words, AT)
        assert world == world_of(name, words, AT)
        texts = {one.added.statement.content for one in world.additions}
        assert {question.answer for question in world.questions if question.answer} <= texts
        assert world.stale < texts
        assert not texts & {one.added.statement.content for one in world.foreign}
        assert {question.kind for question in world.questions} == set(Kind)
