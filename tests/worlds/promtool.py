"""Prometheus' own programs, and which of the shipped alerts they raise for given figures.

`make install-dev` unpacks Debian's prometheus into the environment. Without that, and without an installed one, what
needs the programs is skipped.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from worlds.waiting import WAIT_S

SHIPPED: Final = Path(__file__).parents[2] / "deploy/prometheus"


@cache
def program(name: str) -> str:
    """The path of one of its programs; skips the test where there is none."""
    found = filter(None, map(shutil.which, (f"{sys.prefix}/debian/usr/bin/{name}", name)))
    return next(found, None) or pytest.skip(f"{name} is not here")


def promtool(*arguments: str, directory: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [program("promtool"), *arguments], cwd=directory, capture_output=True, text=True, timeout=WAIT_S, check=False
    )


def expect_alerts(
    directory: Path, series: Mapping[str, str], expected: Mapping[str, Sequence[Mapping[str, str]]], at: str
) -> None:
    """Fails unless, of the alerts that `expected` names, exactly those with these labels are raised at the time `at`.

    Args:
        directory: for files.
        series: values by minutes, in promtool's notation (value, step, count).
        expected: by the name of an alert, the labels of each time that it is raised.
    """
    rules: dict[str, Any] = yaml.safe_load((SHIPPED / "alerts.yml").read_text())
    for rule in (rule for group in rules["groups"] for rule in group["rules"]):
        rule.pop("annotations", None)
    (directory / "alerts.yml").write_text(yaml.safe_dump(rules))
    told = [
        {
            "eval_time": at,
            "alertname": name,
            "exp_alerts": [{"exp_labels": dict(labels), "exp_annotations": {}} for labels in each],
        }
        for name, each in expected.items()
    ]
    case = {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "alert_rule_test": told,
    }
    cases = {"rule_files": ["alerts.yml"], "evaluation_interval": "1m", "tests": [case]}
    (directory / "cases.yml").write_text(yaml.safe_dump(cases))
    checked = promtool("test", "rules", "cases.yml", directory=directory)
    assert checked.returncode == 0, checked.stdout + checked.stderr
