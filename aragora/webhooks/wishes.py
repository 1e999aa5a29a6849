"""What a person wants of an endpoint, checked before anything is kept of it. Pure; where the URL leads is not looked at
here (`aragora.webhooks.registering`)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Final

from aragora import texts
from aragora.errors import InvalidInput
from aragora.webhooks.custom_headers import check_headers
from aragora.webhooks.endpoint import ClientCertificate, Endpoint, PayloadKind
from aragora.webhooks.matching import check_events, check_matching
from aragora.webhooks.model import Rules
from aragora.webhooks.schedule import SCHEDULES
from aragora.webhooks.verification import settled

DEFAULT_SCHEDULE: Final = "patient"
OTHER_SCHEDULE: Final = "other"
"""What the schedule of an endpoint is called whose delays are none of `SCHEDULES`: those of an earlier version."""
DESCRIPTION_MAX_CHARS: Final = 500
RATE_MIN_PER_S: Final = 0.01
RATE_MAX_PER_S: Final = 1_000.0
IN_FLIGHT: Final = Rules().max_in_flight
"""Unless another number is wished for."""
IN_FLIGHT_MAX: Final = 100
GIVE_UP_MIN_S: Final = 60.0
GIVE_UP_MAX_S: Final = 30 * 86_400.0

STAND_IN: Final = "[set]"
"""What stands in answers for the value of a header."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What a person may say of an endpoint. The secret is not among it: it is made, or rotated.

    Args:
        events, matching, headers, payload, certificate, verify: as of `Endpoint`.
        schedule: a name of `SCHEDULES`.
        rate_per_s, max_in_flight, fifo, retry_4xx: as of `Rules`.
        give_up_after_s: how old a delivery may become; None: as the schedule says.
    """

    url: str = field(repr=False)
    events: tuple[str, ...]
    description: str = ""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    matching: Mapping[str, Sequence[str]] = field(default_factory=dict)
    payload: PayloadKind = PayloadKind.FULL
    schedule: str = DEFAULT_SCHEDULE
    rate_per_s: float | None = None
    max_in_flight: int = IN_FLIGHT
    fifo: bool = False
    retry_4xx: bool = True
    give_up_after_s: float | None = None
    certificate: ClientCertificate | None = field(default=None, repr=False)
    verify: bool = False


_NAMES: Final = frozenset(each.name for each in fields(Wish))
_COPIED: Final = ("url", "events", "description", "headers", "payload", "certificate", "verify")


def check(wish: Wish) -> None:
    """Raises InvalidInput, which names what is wrong and how to mend it, but for the URL and the certificate, which
    are looked at when they change (`aragora.webhooks.registering`)."""
    check_events(wish.events)
    check_matching(wish.matching)
    check_headers(wish.headers)
    for name, value in wish.headers.items():
        if value == STAND_IN:
            raise InvalidInput(f"The header {name}: send its value; {STAND_IN} only stands for it in answers.")
    _check_description(wish.description)
    if wish.schedule not in SCHEDULES and wish.schedule != OTHER_SCHEDULE:
        raise InvalidInput(f"schedule names none that there is: choose from {', '.join(SCHEDULES)}.")
    _check_number("rate_per_s", wish.rate_per_s, RATE_MIN_PER_S, RATE_MAX_PER_S)
    _check_number("max_in_flight", wish.max_in_flight, 1, IN_FLIGHT_MAX)
    _check_number("give_up_after_s", wish.give_up_after_s, GIVE_UP_MIN_S, GIVE_UP_MAX_S)
    if wish.certificate is not None and not wish.url.lower().startswith("https:"):
        raise InvalidInput("client_certificate is of use with an https:// URL only: change the URL, or leave it out.")


def of_endpoint(endpoint: Endpoint) -> Wish:
    """What an endpoint was asked to be."""
    rules, schedule = endpoint.rules, schedule_name(endpoint.rules)
    return Wish(
        **{name: getattr(endpoint, name) for name in _COPIED},
        matching=endpoint.matching,
        schedule=schedule,
        rate_per_s=rules.rate_per_s,
        max_in_flight=rules.max_in_flight,
        fifo=rules.fifo,
        retry_4xx=rules.retry_4xx,
        give_up_after_s=rules.give_up_s,
    )


def with_changes(wish: Wish, changes: Mapping[str, Any]) -> Wish:
    """The wish with some of its fields changed. Raises InvalidInput where there is nothing to change, or a field is
    none of a wish."""
    if not changes:
        raise InvalidInput("There is nothing to change: name at least one field besides version.")
    if unknown := sorted(changes.keys() - _NAMES):
        raise InvalidInput(f"A webhook has no field {', '.join(unknown)}: leave it out.")
    # Another schedule brings its own time to give up, unless one is given with it.
    fresh = {"give_up_after_s": None} if changes.get("schedule", wish.schedule) != wish.schedule else {}
    return replace(wish, **{**fresh, **changes})


def applied(wish: Wish, endpoint: Endpoint) -> Endpoint:
    """The endpoint as a checked wish wants it. With another URL it is to be verified anew."""
    after = replace(
        endpoint,
        **{name: getattr(wish, name) for name in _COPIED},
        matching={name: tuple(values) for name, values in wish.matching.items()},
        rules=_rules(wish, endpoint.rules),
    )
    return settled(after, endpoint)


def schedule_name(rules: Rules) -> str:
    """The name of the schedule that the rules are of."""
    names = (name for name, schedule in SCHEDULES.items() if _delays(schedule) == _delays(rules))
    return next(names, OTHER_SCHEDULE)


def _rules(wish: Wish, before: Rules) -> Rules:
    base = SCHEDULES.get(wish.schedule, before)
    return replace(
        base,
        rate_per_s=wish.rate_per_s,
        max_in_flight=wish.max_in_flight,
        fifo=wish.fifo,
        retry_4xx=wish.retry_4xx,
        give_up_s=base.give_up_s if wish.give_up_after_s is None else wish.give_up_after_s,
    )


def _delays(rules: Rules) -> tuple[object, ...]:
    return rules.max_retries, rules.base_s, rules.max_s, rules.delays_s


def _check_description(text: str) -> None:
    if len(text) > DESCRIPTION_MAX_CHARS:
        raise InvalidInput(f"description has over {DESCRIPTION_MAX_CHARS} characters: shorten it.")
    try:
        texts.prose(text)
    except ValueError as error:
        raise InvalidInput(f"description: {error}.") from None


def _check_number(name: str, value: float | None, low: float, high: float) -> None:
    if value is not None and not (math.isfinite(value) and low <= value <= high):
        raise InvalidInput(f"{name} is not from {low:,.10g} to {high:,.10g}: give a number in that range.")
