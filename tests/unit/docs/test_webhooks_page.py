"""docs/webhooks.md says what the code does: its settings, metrics, alerts, numbers and events are those there are."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import yaml

from aragora.config.settings import Settings, variable_of
from aragora.observability.metrics import METRICS
from aragora.server.webhook_delivery import WebhookDeliveryManager
from aragora.webhooks.answers import KEPT_BYTES
from aragora.webhooks.certificates import EXPIRES_SOON_S
from aragora.webhooks.events import CATALOGUE
from aragora.webhooks.machine import DISABLE_AFTER_S, DISABLE_MIN_FAILURES, FAILING_AFTER, THROTTLED_FREE
from aragora.webhooks.rotation import OLD_SECRETS_MAX
from aragora.webhooks.schedule import PATIENT, RUNBOOK, SCHEDULES
from aragora.webhooks.verification import ANSWER_HEADER, CHALLENGE_HEADER, TYPE

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs/webhooks.md").read_text()
SETTINGS = {variable_of(name, field): field for name, field in Settings.model_fields.items()}


def test_every_setting_that_is_named_is_one() -> None:
    assert set(re.findall(r"\bARAGORA_[A-Z_]+", PAGE)) <= set(SETTINGS)


def test_the_times_that_things_are_kept_are_the_defaults() -> None:
    told = dict(re.findall(r"([\d,]+)(?: days| of one organisation)? \(`(ARAGORA_WEBHOOK_\w+)`\)", PAGE))
    assert {name: float(number.replace(",", "")) for number, name in told.items()} == {
        name: float(SETTINGS[name].default)
        for name in (
            "ARAGORA_WEBHOOK_DELIVERED_DAYS",
            "ARAGORA_WEBHOOK_ANSWER_DAYS",
            "ARAGORA_WEBHOOK_DEAD_LETTER_DAYS",
            "ARAGORA_WEBHOOK_DEAD_LETTERS_MAX",
        )
    }
    assert f"{KEPT_BYTES // 1_024} KiB" in PAGE


def test_every_metric_of_webhooks_is_explained_with_its_labels() -> None:
    told = {
        name: tuple(label for label in labels.strip("{}").split(",") if label)
        for name, labels in re.findall(r"`(aragora_webhook_\w+)(\{[\w,]+\})?`", PAGE)
    }
    assert told == {one.name: tuple(one.labels) for one in METRICS if one.name.startswith("aragora_webhook_")}


def test_every_alert_of_webhooks_is_explained() -> None:
    groups = yaml.safe_load((ROOT / "deploy/prometheus/alerts.yml").read_text())["groups"]
    alerts = {rule["alert"] for group in groups if group["name"] == "webhooks" for rule in group["rules"]}
    assert set(re.findall(r"^\| `(Webhook[A-Za-z]+)` \|", PAGE, re.MULTILINE)) == alerts


def test_the_schedules_are_drawn_as_they_are() -> None:
    drawn = dict(re.findall(r"^(\w+) +(0 +.*) \d+ requests", PAGE, re.MULTILINE))
    assert set(drawn) == set(SCHEDULES)
    units = {"s": 1.0, "min": 60.0, "h": 3_600.0}
    patient = [float(number) * units[unit] for number, unit in re.findall(r"(\d+) (s|min|h)\b", drawn["patient"])]
    assert tuple(patient) == PATIENT.delays_s
    runbook = [float(number) for number in re.findall(r"\d+", drawn["runbook"].split("s")[0])]
    assert runbook == [0.0, *(RUNBOOK.base_s * 2**retry for retry in range(RUNBOOK.max_retries))]
    for rules in (PATIENT, RUNBOOK):
        assert f"{rules.max_retries + 1} requests" in PAGE


def test_the_numbers_of_the_machine_are_told() -> None:
    for text in (
        {4: "four requests failed in a"}[FAILING_AFTER],
        {10: "the first ten cost no retry"}[THROTTLED_FREE],
        {5: "after five failures in a row"}[RUNBOOK.failure_threshold],
        f"|--- {RUNBOOK.open_s:g} s ---|",
        {5: "reached for five days"}[DISABLE_AFTER_S / 86_400],
        f"at least {DISABLE_MIN_FAILURES} dead letters in a row",
        {3: "At most three old secrets sign at once"}[OLD_SECRETS_MAX],
        f"`give_up_after_s` ({RUNBOOK.give_up_s / 86_400:g} days)",
        f"After {RUNBOOK.timeout_s:g} seconds the request counts as",
        f"`{TYPE}`",
        f"`{CHALLENGE_HEADER}`",
        f"`{ANSWER_HEADER}`",
        f"within {EXPIRES_SOON_S / 86_400:g} days",
    ):
        assert text in PAGE


def test_the_manager_of_the_page_has_its_settings_with_their_defaults() -> None:
    (told,) = re.findall(r"WebhookDeliveryManager\(([^`]+)\)`", PAGE)
    parameters = inspect.signature(WebhookDeliveryManager).parameters
    assert " ".join(told.split()) == ", ".join(
        f"{name}={one.default}" for name, one in parameters.items() if one.kind is one.POSITIONAL_OR_KEYWORD
    )


def test_every_event_of_webhooks_themselves_is_named() -> None:
    own = {name for name in CATALOGUE if name.startswith("webhook.")} - {"webhook.test", TYPE}
    assert set(re.findall(r"`(webhook\.(?:failing|recovered|exhausted|disabled))`", PAGE)) == own
