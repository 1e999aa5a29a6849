"""The alerts of executions, in Prometheus' own tool: what raises each, and what does not."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from worlds.promtool import SHIPPED, expect_alerts

(GROUP,) = (
    group for group in yaml.safe_load((SHIPPED / "alerts.yml").read_text())["groups"] if group["name"] == "workflows"
)
SEVERITY: dict[str, str] = {rule["alert"]: rule["labels"]["severity"] for rule in GROUP["rules"]}

DUE = "aragora_workflow_oldest_due_seconds"
FAILED = 'aragora_workflow_executions_ended_total{status="failed"}'
DONE = 'aragora_workflow_executions_ended_total{status="completed"}'


@pytest.mark.slow
@pytest.mark.parametrize(
    ("series", "alert"),
    [
        pytest.param({}, None, id="a server without executions"),
        pytest.param({DUE: "2x120", FAILED: "0+1x120", DONE: "0+9x120"}, None, id="all well"),
        pytest.param({DUE: "0x100 61+60x20"}, "WorkflowsStandStill", id="nobody does what is due"),
        pytest.param({DUE: "0x118 61x2"}, None, id="something is late for a moment"),
        pytest.param({FAILED: "0+2x120", DONE: "0+1x120"}, "WorkflowsMostlyFail", id="most fail"),
        pytest.param({FAILED: "0+1x120", DONE: "0+1x120"}, None, id="half of them fail"),
        pytest.param({FAILED: "0x110 3x10", DONE: "0x120"}, None, id="three fail, and nothing else ends"),
    ],
)
def test_each_alert_of_workflows_is_raised_by_what_it_is_for_alone(
    tmp_path: Path, series: dict[str, str], alert: str | None
) -> None:
    expected = {name: [{"severity": severity}] if name == alert else [] for name, severity in SEVERITY.items()}
    expect_alerts(tmp_path, series, expected, "120m")


def test_every_alert_of_workflows_is_tried() -> None:
    (mark,) = (
        mark
        for mark in test_each_alert_of_workflows_is_raised_by_what_it_is_for_alone.pytestmark  # type: ignore[attr-defined]
        if mark.name == "parametrize"
    )
    assert {case.values[1] for case in mark.args[1]} - {None} == set(SEVERITY)
