"""The payload of an event as endpoints get it, `delivery_id` apart, which each delivery puts first.

    {"type", "timestamp", "seq", "data", "version"}

`timestamp` is ISO 8601 in UTC; `seq` is the number of the event in the journal of its debate, or of its execution of a
workflow, and 0 for what webhooks tell of themselves.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from aragora import encoding
from aragora.errors import TooLarge
from aragora.webhooks.body import MAX_BYTES, body_of
from aragora.webhooks.endpoint import PayloadKind
from aragora.webhooks.events import DebateFacts, event_type
from aragora.webhooks.operational import OPERATIONAL_NAMES

_IDS: Final = ("debate_id", "execution_id", "approval_id", "webhook_id", "delivery_id")


def webhook_event(name: str, data: Mapping[str, Any], at: float, seq: int = 0) -> dict[str, Any]:
    """The payload of an event of the catalogue that happened `at` (seconds since the epoch). Raises InvalidInput for a
    type that is not in it."""
    return {
        "type": name,
        "timestamp": iso(at),
        "seq": seq,
        "data": dict(data),
        "version": event_type(name).version,
    }


def debate_event(payload: str, facts: DebateFacts) -> dict[str, Any]:
    """The payload of the event in a row of a debate's journal: the data that WebSocket clients get, after `facts`.

    Raises InvalidInput for a type that webhooks do not tell; ValueError or KeyError for a damaged row.
    """
    row = encoding.decode(payload)
    return webhook_event(row["type"], encoding.to_plain(facts) | row["data"], row["timestamp"], row["seq"])


def operational_event(event: object, at: float) -> dict[str, Any]:
    """The payload of an event of `aragora.webhooks.operational`. Raises KeyError for any other object."""
    return webhook_event(OPERATIONAL_NAMES[type(event)], encoding.to_plain(event), at)


def thin(envelope: Mapping[str, Any]) -> dict[str, Any]:
    """An envelope whose data is only what the receiver needs to ask for the rest: ids, and `links`, which are paths of
    this installation's API. They stand in no full payload, so receivers can tell the two apart."""
    data: Mapping[str, Any] = envelope["data"]
    ids = {name: data[name] for name in _IDS if name in data}
    links = {}
    if "debate_id" in ids:
        path = f"/api/debates/{ids['debate_id']}"
        links = {"debate": path, "event": f"{path}/events?after={max(0, envelope['seq'] - 1)}&limit=1"}
    elif "execution_id" in ids:
        links = {"execution": f"/api/workflow-executions/{ids['execution_id']}"}
        if "approval_id" in ids:
            links["approval"] = f"/api/workflow-approvals/{ids['approval_id']}"
    elif "webhook_id" in ids:
        links = {"webhook": f"/api/webhooks/{ids['webhook_id']}"}
        if "delivery_id" in ids:
            links["delivery"] = f"/api/webhooks/deliveries/{ids['delivery_id']}"
    return {**envelope, "data": {**ids, "links": links}}


def event_body(envelope: Mapping[str, Any], kind: PayloadKind, max_bytes: int = MAX_BYTES) -> str:
    """The body of an event for endpoints that take this kind of payload (`aragora.webhooks.body`).

    A debate may hold more than a body: a context of 100,000 characters takes 600 KB in some writings. Nobody is there
    to be told that it is too large, so such an event goes out thin.
    """
    if kind is PayloadKind.FULL:
        try:
            return body_of(dict(envelope), max_bytes)
        except TooLarge:
            return body_of(thin(envelope), max_bytes)
    return body_of(thin(envelope), max_bytes)


def iso(at: float) -> str:
    """A time in seconds since the epoch as ISO 8601 in UTC, to the millisecond: 2026-03-01T12:00:00.000Z."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
