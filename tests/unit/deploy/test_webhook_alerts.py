"""The alerts of webhooks, in Prometheus' own tool: what raises each, and what does not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from worlds.promtool import SHIPPED, expect_alerts

(GROUP,) = (
    group for group in yaml.safe_load((SHIPPED / "alerts.yml").read_text())["groups"] if group["name"] == "webhooks"
)
SEVERITY: dict[str, str] = {rule["alert"]: rule["labels"]["severity"] for rule in GROUP["rules"]}
ENDPOINT = "wh_01a218225813745e98a7910652148f4a"

DEAD = 'aragora_webhook_dead_lettered_total{event_type="debate_end"}'
OTHER_DEAD = 'aragora_webhook_dead_lettered_total{event_type="consensus"}'
OVERDUE = "aragora_webhook_oldest_due_seconds"
BREAKER = f'aragora_webhook_circuit_breaker_state{{endpoint="{ENDPOINT}"}}'
RETRIES = 'aragora_webhook_retries_total{event_type="debate_end"}'
DELIVERED = 'aragora_webhook_deliveries_total{event_type="debate_end", status="delivered"}'
FAILED = 'aragora_webhook_deliveries_total{event_type="debate_end", status="failed"}'
BLOCKED = 'aragora_webhook_blocked_total{reason="metadata"}'
OTHER_BLOCKED = 'aragora_webhook_blocked_total{reason="private"}'
HELD = "aragora_webhook_oldest_held_seconds"
EVENT = "aragora_webhook_oldest_event_seconds"
IN_TIME, LATE, ALL = (f'aragora_webhook_lag_seconds_bucket{{le="{bound}"}}' for bound in ("1.0", "300.0", "+Inf"))
DISABLED = 'aragora_webhook_endpoints{status="disabled"}'


@pytest.mark.slow
@pytest.mark.parametrize(
    ("series", "alert", "labels"),
    [
        pytest.param({}, None, {}, id="a server without webhooks"),
        pytest.param(
            {
                DELIVERED: "0+60x60",
                FAILED: "0+3x60",
                RETRIES: "0+3x60",
                OVERDUE: "300x60",
                HELD: "86400x60",
                EVENT: "2x60",
                IN_TIME: "0+60x60",
                LATE: "0+62x60",
                ALL: "0+62x60",
                BREAKER: "0x60",
                BLOCKED: "3x60",
                DISABLED: "1x60",
                DEAD: "4x60",
            },
            None,
            {},
            id="all well",
        ),
        pytest.param({DEAD: "0+0x45 0+1x15", OTHER_DEAD: "3x60"}, "WebhookDeadLettersGrow", {}, id="dead letters"),
        pytest.param({DEAD: "_x55 11x5"}, "WebhookDeadLettersGrow", {}, id="the first dead letters of all"),
        pytest.param({DEAD: "0x50 10x10"}, None, {}, id="ten dead letters"),
        pytest.param({DEAD: "90x60"}, None, {}, id="dead letters of old"),
        pytest.param({OVERDUE: "0x50 301x10"}, "WebhooksNotSent", {}, id="overdue"),
        pytest.param(
            {OVERDUE: "0x50 301x10", DELIVERED: "0+9x60"}, "WebhooksNotSent", {}, id="overdue, while others are sent"
        ),
        pytest.param({OVERDUE: "0x50 300x10"}, None, {}, id="due for five minutes"),
        pytest.param({OVERDUE: "0x58 301x2"}, None, {}, id="overdue for a moment"),
        pytest.param({HELD: "0+60x60"}, None, {}, id="held back by its receiver"),
        pytest.param({EVENT: "0x40 0+60x20"}, "WebhookFanOutLags", {}, id="events that nobody takes"),
        pytest.param({EVENT: "0x57 90x3"}, None, {}, id="events that wait for a restart"),
        pytest.param(
            {IN_TIME: "0+54x60", LATE: "0+60x60", ALL: "0+60x60"}, "WebhookFanOutLags", {}, id="one in ten is late"
        ),
        pytest.param({IN_TIME: "0+58x60", LATE: "0+60x60", ALL: "0+60x60"}, None, {}, id="one in thirty is late"),
        pytest.param({BREAKER: "1x60"}, "WebhookBreakerOpen", {"endpoint": ENDPOINT}, id="breaker"),
        pytest.param(
            {BREAKER: "1x40 0x1 1x10 0x1 1x8"}, "WebhookBreakerOpen", {"endpoint": ENDPOINT}, id="breaker with trials"
        ),
        pytest.param({BREAKER: "_x51 1x9"}, None, {}, id="breaker for some minutes"),
        pytest.param({BREAKER: "1x40 _x20"}, None, {}, id="breaker of an endpoint that is gone"),
        pytest.param({BREAKER: "1x40 0x20"}, None, {}, id="breaker closed again"),
        pytest.param(
            {DELIVERED: "0+10x60", FAILED: "0+30x60", RETRIES: "0+25x60"}, "WebhooksMostlyRetried", {}, id="retries"
        ),
        pytest.param({DELIVERED: "0+30x60", FAILED: "0+10x60", RETRIES: "0+10x60"}, None, {}, id="some retries"),
        pytest.param({BLOCKED: "_x55 1x5"}, "WebhooksBlocked", {"reason": "metadata"}, id="blocked"),
        pytest.param(
            {BLOCKED: "0x55 1x5", OTHER_BLOCKED: "7x60"}, "WebhooksBlocked", {"reason": "metadata"}, id="blocked anew"
        ),
        pytest.param({BLOCKED: "7x60"}, None, {}, id="blocked long ago"),
        pytest.param({DISABLED: "0x50 1x10"}, "WebhookDisabled", {}, id="disabled"),
        pytest.param({DISABLED: "2x50 1x10"}, None, {}, id="enabled again"),
    ],
)
def test_each_alert_is_raised_by_what_it_is_for_and_by_nothing_else(
    tmp_path: Path, series: dict[str, str], alert: str | None, labels: dict[str, Any]
) -> None:
    expected = {
        name: [{**labels, "severity": severity}] if name == alert else [] for name, severity in SEVERITY.items()
    }
    expect_alerts(tmp_path, series, expected, "60m")


def test_every_alert_of_webhooks_is_tried() -> None:
    (mark,) = (
        mark
        for mark in test_each_alert_is_raised_by_what_it_is_for_and_by_nothing_else.pytestmark  # type: ignore[attr-defined]
        if mark.name == "parametrize"
    )
    assert {case.values[1] for case in mark.args[1]} - {None} == set(SEVERITY)
