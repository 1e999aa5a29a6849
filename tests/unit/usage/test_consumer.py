"""From an outbox row of the topic `usage` to what it adds to the day's sums."""

from __future__ import annotations

import json

from aragora.encoding import encode_text
from aragora.receipts.closing import USAGE, UsageDue
from aragora.receipts.receipt import AgentPart
from aragora.storage.outbox import OutboxRow
from aragora.usage.consumer import charge_of
from aragora.usage.store import UsageSum

ANN = AgentPart("ann", "anthropic", "opus", 3, 1, 100, 20, 0.5, 7.5, None)
SILENT = AgentPart("bob", None, None, 0, 0, 0, 0, 0.0, 0.0, None)
PAYLOAD = (
    '{"org_id":"acme","user_id":"eve","at":86400.0,"agents":[{"name":"ann","provider":"anthropic","model":"opus",'
    '"answers":3,"failures":1,"input_tokens":100,"output_tokens":20,"cost_usd":0.5,"latency_s":7.5,'
    '"answer_sha256":null,"fallbacks":[]}]}'
)


def row(*parts: AgentPart) -> OutboxRow:
    return OutboxRow("deb_1:usage", USAGE, "deb_1", encode_text(UsageDue("acme", "eve", 86400.0, parts)), 100.0)


def test_the_names_in_stored_rows_stay_as_they_are() -> None:
    written, before = json.loads(row(ANN).payload), json.loads(PAYLOAD)
    assert before.keys() == written.keys()
    assert before["agents"][0].items() <= written["agents"][0].items()
    assert USAGE == "usage"


def test_a_row_that_an_earlier_version_wrote_charges_the_same() -> None:
    assert charge_of(OutboxRow("deb_1:usage", USAGE, "deb_1", PAYLOAD, 100.0)) == charge_of(row(ANN))


def test_each_agent_is_charged_to_its_organisation_person_and_day() -> None:
    assert charge_of(row(ANN)) == [
        UsageSum("1970-01-02", "acme", "eve", "ann", "anthropic", "opus", 1, 3, 1, 100, 20, 0.5, 7.5)
    ]


def test_an_agent_that_was_not_asked_is_charged_nothing() -> None:
    assert charge_of(row(ANN, SILENT)) == charge_of(row(ANN))
    assert charge_of(row(SILENT)) == []


def test_an_agent_that_only_failed_is_counted_without_provider_and_model() -> None:
    failed = AgentPart("bob", None, None, 0, 2, 0, 0, 0.0, 0.0, None)
    (part,) = charge_of(row(failed))
    assert (part.provider, part.model, part.failures) == ("", "", 2)
