"""The alerts of the Knowledge Mound, in Prometheus' own tool: what raises each, and what does not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from worlds.promtool import SHIPPED, expect_alerts

(GROUP,) = (
    group for group in yaml.safe_load((SHIPPED / "alerts.yml").read_text())["groups"] if group["name"] == "knowledge"
)
SEVERITY: dict[str, str] = {rule["alert"]: rule["labels"]["severity"] for rule in GROUP["rules"]}

DONE = 'aragora_km_operations_total{type="search", status="done"}'
FAILED = 'aragora_km_operations_total{type="search", status="failed"}'
IN_TIME, LATE, ALL = (
    f'aragora_km_operation_latency_seconds_bucket{{type="search", le="{bound}"}}' for bound in ("1.0", "2.5", "+Inf")
)
LAG = 'aragora_km_adapter_lag_seconds{adapter="consensus"}'
UP = "aragora_km_embedder_up"
OLDEST = "aragora_km_embedding_oldest_seconds"
INDEX, STORE = "aragora_km_index_vectors", "aragora_km_index_stored_vectors"
HELD = 'aragora_km_items{kind="note", status="quarantined"}'
OTHER_HELD = 'aragora_km_items{kind="fact", status="quarantined"}'
ADAPTER = {"adapter": "consensus"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("series", "alert", "labels"),
    [
        pytest.param({}, None, {}, id="a server that knows nothing"),
        pytest.param(
            {
                DONE: "0+600x120",
                FAILED: "0+3x120",
                IN_TIME: "0+600x120",
                LATE: "0+603x120",
                ALL: "0+603x120",
                LAG: "2x120",
                UP: "1x120",
                OLDEST: "30x120",
                INDEX: "1000+60x120",
                STORE: "1004+60x120",
                HELD: "90x120",
            },
            None,
            {},
            id="all well",
        ),
        pytest.param({DONE: "0+90x120", FAILED: "0+10x120"}, "KnowledgeFails", {}, id="one in ten fails"),
        pytest.param(
            {IN_TIME: "0+90x120", LATE: "0+100x120", ALL: "0+100x120"}, "KnowledgeSlow", {}, id="one in ten is slow"
        ),
        pytest.param({LAG: "0x100 301+60x20"}, "KnowledgeAdapterLags", ADAPTER, id="an adapter lags"),
        pytest.param({LAG: "300x120"}, None, {}, id="a debate waits for five minutes"),
        pytest.param({LAG: "0x118 301x2"}, None, {}, id="an adapter lags for a moment"),
        pytest.param({UP: "1x100 0x20"}, "KnowledgeEmbedderDown", {}, id="the embedder is down"),
        pytest.param({UP: "1x118 0x2"}, None, {}, id="the embedder is down for a moment"),
        pytest.param({UP: "0x100 _x20"}, None, {}, id="an index that rests"),
        pytest.param({UP: "1x120", OLDEST: "0x100 601x20"}, "KnowledgeEmbedderDown", {}, id="an item waits for long"),
        pytest.param({INDEX: "990x120", STORE: "1000x120"}, "KnowledgeIndexApart", {}, id="vectors that lack"),
        pytest.param({INDEX: "1010x120", STORE: "1000x120"}, "KnowledgeIndexApart", {}, id="vectors too many"),
        pytest.param({INDEX: "992x120", STORE: "1000x120"}, None, {}, id="a batch on its way"),
        pytest.param({INDEX: "1000x118 500x2", STORE: "1000x120"}, None, {}, id="apart for a moment"),
        pytest.param({INDEX: "_x120", STORE: "_x120"}, None, {}, id="an index that is loaded"),
        pytest.param({HELD: "5x100 26x20", OTHER_HELD: "9x120"}, "KnowledgeQuarantineRises", {}, id="a flood"),
        pytest.param({HELD: "_x100 21x20"}, "KnowledgeQuarantineRises", {}, id="the first that are quarantined"),
        pytest.param({HELD: "5x100 25x20"}, None, {}, id="twenty of them"),
        pytest.param({HELD: "90x120"}, None, {}, id="quarantined long ago"),
    ],
)
def test_each_alert_is_raised_by_what_it_is_for_and_by_nothing_else(
    tmp_path: Path, series: dict[str, str], alert: str | None, labels: dict[str, Any]
) -> None:
    expected = {
        name: [{**labels, "severity": severity}] if name == alert else [] for name, severity in SEVERITY.items()
    }
    expect_alerts(tmp_path, series, expected, "120m")


def test_every_alert_of_knowledge_is_tried() -> None:
    (mark,) = (
        mark
        for mark in test_each_alert_is_raised_by_what_it_is_for_and_by_nothing_else.pytestmark  # type: ignore[attr-defined]
        if mark.name == "parametrize"
    )
    assert {case.values[1] for case in mark.args[1]} - {None} == set(SEVERITY)
