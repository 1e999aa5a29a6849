"""What endpoints get of an event: the data of WebSocket clients in an envelope, whole or thin."""

from __future__ import annotations

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from aragora import encoding
from aragora.debate import journal
from aragora.debate.model import WIRE_NAMES, DebateEnded, DebateOpened, DebateSpec, DebateStatus, Protocol, RoundStarted
from aragora.errors import InvalidInput
from aragora.webhooks.endpoint import PayloadKind
from aragora.webhooks.envelope import debate_event, event_body, iso, operational_event, thin, webhook_event
from aragora.webhooks.event_examples import EXAMPLES
from aragora.webhooks.events import DebateFacts, event_type
from aragora.webhooks.operational import WebhookDisabled, WebhookExhausted
from aragora.webhooks.workflow_events import WORKFLOW_NAMES, WorkflowApprovalRequested

AT = 1_772_366_400.25
FACTS = DebateFacts("deb_1", "law", "duel", "ring", "team_a")
OF_DEBATES = [event for event in EXAMPLES if type(event) in WIRE_NAMES]
OF_WORKFLOWS = [event for event in EXAMPLES if type(event) in WORKFLOW_NAMES]


def row(event: Any, seq: int = 7) -> str:
    return journal.row_of("deb_1", seq, AT, event).payload


def kind(event: object) -> str:
    return type(event).__name__


def test_the_envelope_has_these_members_in_this_order() -> None:
    envelope = webhook_event("debate_end", {"status": "completed"}, AT, 7)
    assert list(envelope.items()) == [
        ("type", "debate_end"),
        ("timestamp", "2026-03-01T12:00:00.250Z"),
        ("seq", 7),
        ("data", {"status": "completed"}),
        ("version", 1),
    ]


def test_a_type_outside_the_catalogue_has_no_envelope() -> None:
    with pytest.raises(InvalidInput, match="Is debate_end meant"):
        webhook_event("debate_ended", {}, AT)
    with pytest.raises(InvalidInput, match="round_start"):
        debate_event(row(RoundStarted(1, ("a",))), FACTS)


@pytest.mark.parametrize("event", OF_DEBATES, ids=kind)
def test_endpoints_get_the_data_of_websocket_clients_after_the_facts(event: object) -> None:
    heard = json.loads(row(event))
    got = debate_event(row(event), FACTS)
    assert got["type"] == heard["type"]
    assert got["seq"] == heard["seq"] == 7
    assert got["timestamp"] == iso(heard["timestamp"])
    facts = {"debate_id": "deb_1", "domain": "law", "protocol": "duel", "topology": "ring", "workspace": "team_a"}
    assert list(got["data"].items()) == [*facts.items(), *heard["data"].items()]
    Draft202012Validator(event_type(got["type"]).schema()).validate(got["data"])


@pytest.mark.parametrize("event", [event for event in EXAMPLES if event not in (*OF_DEBATES, *OF_WORKFLOWS)], ids=kind)
def test_what_webhooks_tell_of_themselves_fits_its_schema(event: object) -> None:
    envelope = operational_event(event, AT)
    assert envelope["seq"] == 0
    Draft202012Validator(event_type(envelope["type"]).schema()).validate(envelope["data"])


def whole(event: object) -> dict[str, Any]:
    """The envelope of an example."""
    if type(event) in WIRE_NAMES:
        return debate_event(row(event), FACTS)
    if type(event) in WORKFLOW_NAMES:
        name = WORKFLOW_NAMES[type(event)]
        return webhook_event(name, event_type(name).example, AT, 7)
    return operational_event(event, AT)


@pytest.mark.parametrize("event", EXAMPLES, ids=kind)
def test_a_thin_event_is_small_and_says_where_to_ask(event: object) -> None:
    full = whole(event)
    envelope = thin(full)
    assert list(envelope) == list(full)
    assert envelope["data"].pop("links")
    assert set(envelope["data"]) <= {"debate_id", "execution_id", "approval_id", "webhook_id", "delivery_id"}
    assert envelope["data"].items() <= full["data"].items()
    assert "links" not in full["data"]


def test_links_lead_to_the_event_itself() -> None:
    ended = debate_event(row(DebateEnded(DebateStatus.FAILED, "no quorum")), FACTS)
    assert thin(ended)["data"] == {
        "debate_id": "deb_1",
        "links": {"debate": "/api/debates/deb_1", "event": "/api/debates/deb_1/events?after=6&limit=1"},
    }
    asked = whole(next(event for event in OF_WORKFLOWS if isinstance(event, WorkflowApprovalRequested)))
    ids = {name: asked["data"][name] for name in ("execution_id", "approval_id")}
    assert thin(asked)["data"] == {
        **ids,
        "links": {
            "execution": f"/api/workflow-executions/{ids['execution_id']}",
            "approval": f"/api/workflow-approvals/{ids['approval_id']}",
        },
    }
    disabled = operational_event(WebhookDisabled("wh_1", "410"), AT)
    assert thin(disabled)["data"] == {"webhook_id": "wh_1", "links": {"webhook": "/api/webhooks/wh_1"}}
    exhausted = operational_event(WebhookExhausted("wh_1", "dlv_1", "debate_end", 6), AT)
    assert thin(exhausted)["data"]["links"]["delivery"] == "/api/webhooks/deliveries/dlv_1"


def test_a_debate_that_is_larger_than_a_body_is_told_thin() -> None:
    spec = DebateSpec("deb_1", "why?", ("a", "b"), Protocol("duel"), 1, context="\u4e2d" * 100_000)
    envelope = debate_event(row(DebateOpened(spec)), FACTS)
    body = event_body(envelope, PayloadKind.FULL)
    assert json.loads(body) == json.loads(event_body(envelope, PayloadKind.THIN)) == thin(envelope)
    assert json.loads(event_body(envelope, PayloadKind.FULL, 1_000_000)) == envelope


def test_a_thin_body_can_be_made_of_a_full_one() -> None:
    envelope = debate_event(row(DebateEnded(DebateStatus.COMPLETED, "decided")), FACTS)
    stored = json.loads(event_body(envelope, PayloadKind.FULL))
    assert event_body(stored, PayloadKind.THIN) == event_body(envelope, PayloadKind.THIN)


def test_the_body_is_written_as_the_printed_verifier_writes_it() -> None:
    envelope = webhook_event("debate_end", {"cost_usd": 1e22, "reason": "\u00fc"}, AT, 7)
    assert event_body(envelope, PayloadKind.FULL) == json.dumps(envelope)
    assert "1e+22" in event_body(envelope, PayloadKind.FULL)
    assert b"1e22" in encoding.encode(envelope), "the house's encoder writes it in another way"


@pytest.mark.parametrize(
    ("at", "text"),
    [(0, "1970-01-01T00:00:00.000Z"), (AT, "2026-03-01T12:00:00.250Z"), (1_772_366_400, "2026-03-01T12:00:00.000Z")],
)
def test_times_are_in_utc_and_end_with_z(at: float, text: str) -> None:
    assert iso(at) == text
