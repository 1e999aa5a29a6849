"""Which events an endpoint wants. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any, Final, Protocol, get_args

from aragora import texts
from aragora.debate.model import DebateStatus, Topology
from aragora.errors import InvalidInput
from aragora.webhooks.events import CATALOGUE, EVERY, unknown_type
from aragora.webhooks.workflow_events import ApprovalEnd

FIELDS: Final = ("debate_id", "domain", "protocol", "topology", "status", "agent", "workspace", "workflow_id")
"""Of an event's data: what an endpoint may choose by."""
EVENTS_MAX: Final = 50
VALUES_MAX: Final = 100
VALUE_MAX_CHARS: Final = 200

_ALLOWED: Final[Mapping[str, tuple[str, ...]]] = {
    "status": (*(status for status in DebateStatus if status.ended), *get_args(ApprovalEnd)),
    "topology": tuple(Topology),
}


class Subscriber(Protocol):
    """What of an endpoint says which events it wants."""

    @property
    def endpoint_id(self) -> str: ...
    @property
    def org_id(self) -> str: ...
    @property
    def events(self) -> tuple[str, ...]: ...
    @property
    def matching(self) -> Mapping[str, tuple[str, ...]]: ...


def wants(endpoint: Subscriber, event_type: str, org_id: str, data: Mapping[str, Any]) -> bool:
    """Whether `endpoint` is to hear of an event of the organisation `org_id` with this type and full data.

    A field that the endpoint chooses by and the data does not have is not wanted. What webhooks tell of an endpoint is
    not told to the same endpoint: while it fails this could not arrive, and would only make more of it.
    """
    # The organisation first: nothing an endpoint chooses, `*` least of all, may reach another's events.
    if endpoint.org_id != org_id or not _subscribed(endpoint.events, event_type):
        return False
    if data.get("webhook_id") == endpoint.endpoint_id:
        return False
    return all(data.get(field) in values for field, values in endpoint.matching.items())


def check_events(names: Sequence[str]) -> None:
    """Raises InvalidInput where `names` is no choice of types: none, too many, one twice, or one that is unknown (the
    error names the nearest)."""
    if not names:
        raise InvalidInput(f"events is empty: name at least one type, or {EVERY} for all that are not of high volume.")
    if len(names) > EVENTS_MAX:
        raise InvalidInput(f"events has {len(names)} types; at most {EVENTS_MAX} are taken.")
    for position, name in enumerate(names):
        if not isinstance(name, str):
            raise InvalidInput("events holds something that is no text: give names of types.")
        if name != EVERY and name not in CATALOGUE:
            raise InvalidInput(f"events: {unknown_type(name).message}")
        if name in names[:position]:
            raise InvalidInput(f"events names {name} twice: once is enough.")


def check_matching(matching: Mapping[str, Sequence[str]]) -> None:
    """Raises InvalidInput where `matching` is no choice by fields: an unknown field, no values, or one that no event
    has."""
    for field, values in matching.items():
        if field not in FIELDS:
            raise _unknown_field(field)
        if isinstance(values, str) or not isinstance(values, Sequence) or not values:
            raise InvalidInput(f"The filter {field} needs a list of one or more values.")
        if len(values) > VALUES_MAX:
            raise InvalidInput(f"The filter {field} has {len(values)} values; at most {VALUES_MAX} are taken.")
        for value in values:
            _check_value(field, value)


def _subscribed(events: tuple[str, ...], event_type: str) -> bool:
    known = CATALOGUE.get(event_type)
    return known is not None and (event_type in events or (EVERY in events and not known.high_volume))


def _check_value(field: str, value: object) -> None:
    if not isinstance(value, str) or not 1 <= len(value) <= VALUE_MAX_CHARS:
        raise InvalidInput(f"The filter {field} has a value that is no text of 1 to {VALUE_MAX_CHARS} characters.")
    try:
        texts.line(value)
    except ValueError as error:
        raise InvalidInput(f"The filter {field}: {error}.") from None
    allowed = _ALLOWED.get(field)
    if allowed is not None and value not in allowed:
        raise InvalidInput(f"The filter {field} has a value that no event has: choose from {', '.join(allowed)}.")


def _unknown_field(field: object) -> InvalidInput:
    nearest = get_close_matches(str(field)[:VALUE_MAX_CHARS].lower(), FIELDS, 1)
    mend = f"Is {nearest[0]} meant?" if nearest else f"There are {', '.join(FIELDS)}."
    return InvalidInput(f"An endpoint cannot choose by the filter that was given. {mend}")
