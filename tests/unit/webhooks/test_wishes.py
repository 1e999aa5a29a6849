"""What a person wants of an endpoint: refused with the field and the mend, or taken over whole."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from worlds.webhook_store import endpoint

from aragora.errors import InvalidInput
from aragora.webhooks.endpoint import PayloadKind
from aragora.webhooks.model import Rules
from aragora.webhooks.schedule import PATIENT, RUNBOOK, SCHEDULES
from aragora.webhooks.wishes import (
    DESCRIPTION_MAX_CHARS,
    GIVE_UP_MAX_S,
    GIVE_UP_MIN_S,
    IN_FLIGHT_MAX,
    RATE_MAX_PER_S,
    RATE_MIN_PER_S,
    Wish,
    applied,
    check,
    of_endpoint,
    schedule_name,
    with_changes,
)

URL = "https://hooks.example.com/in?token=of-the-url"


def wish(**changes: Any) -> Wish:
    return replace(Wish(URL, ("debate_end",)), **changes)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"events": ()}, "events is empty"),
        ({"events": ("debate_ends",)}, "Is debate_end meant"),
        ({"events": ("debate_end", "debate_end")}, "twice"),
        ({"matching": {"domian": ["law"]}}, "Is domain meant"),
        ({"matching": {"domain": []}}, "one or more values"),
        ({"matching": {"status": ["cooked"]}}, "choose from"),
        ({"headers": {"Host": "a"}}, "Host is set by the sender"),
        ({"headers": {"X-A": "a\r\nB: c"}}, "X-A"),
        ({"headers": {"X-A": "[set]"}}, "send its value"),
        ({"description": "x" * (DESCRIPTION_MAX_CHARS + 1)}, "description has over"),
        ({"description": "\x00"}, "description: the control character"),
        ({"schedule": "hasty"}, "runbook, patient"),
        ({"rate_per_s": 0.0}, "rate_per_s is not from 0.01 to 1,000"),
        ({"rate_per_s": -1.0}, "rate_per_s"),
        ({"rate_per_s": RATE_MAX_PER_S + 1}, "rate_per_s"),
        ({"rate_per_s": float("nan")}, "rate_per_s"),
        ({"max_in_flight": 0}, "max_in_flight is not from 1 to 100"),
        ({"max_in_flight": IN_FLIGHT_MAX + 1}, "max_in_flight"),
        ({"give_up_after_s": GIVE_UP_MIN_S - 1}, "give_up_after_s"),
        ({"give_up_after_s": GIVE_UP_MAX_S + 1}, "give_up_after_s"),
        ({"give_up_after_s": float("inf")}, "give_up_after_s"),
    ],
)
def test_what_is_wrong_is_named_with_its_mend_and_without_the_url(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(InvalidInput, match=told) as refused:
        check(wish(**changes))
    assert "of-the-url" not in refused.value.message
    assert "\n" not in refused.value.message


def test_bounds_themselves_are_taken() -> None:
    check(wish(rate_per_s=RATE_MIN_PER_S, max_in_flight=IN_FLIGHT_MAX, give_up_after_s=GIVE_UP_MAX_S))
    check(wish(rate_per_s=RATE_MAX_PER_S, max_in_flight=1, give_up_after_s=GIVE_UP_MIN_S))


WISHES = st.builds(
    Wish,
    url=st.just(URL),
    events=st.just(("*",)),
    description=st.text(max_size=20),
    headers=st.dictionaries(st.sampled_from(["X-A", "X-B"]), st.just("v")),
    matching=st.dictionaries(st.just("domain"), st.just(("law",))),
    payload=st.sampled_from(PayloadKind),
    schedule=st.sampled_from(sorted(SCHEDULES)),
    rate_per_s=st.none() | st.floats(RATE_MIN_PER_S, RATE_MAX_PER_S),
    max_in_flight=st.integers(1, IN_FLIGHT_MAX),
    fifo=st.booleans(),
    retry_4xx=st.booleans(),
    give_up_after_s=st.floats(GIVE_UP_MIN_S, GIVE_UP_MAX_S),
)


@given(WISHES)
def test_an_endpoint_tells_the_wish_that_made_it(wanted: Wish) -> None:
    assert of_endpoint(applied(wanted, endpoint())) == wanted


@given(WISHES, WISHES)
def test_a_change_changes_what_it_names_and_nothing_else(before: Wish, wanted: Wish) -> None:
    changes = {"rate_per_s": wanted.rate_per_s, "description": wanted.description}
    assert with_changes(before, changes) == replace(before, **changes)


def test_ids_secrets_and_status_are_no_part_of_a_wish() -> None:
    before = endpoint(reason="tired", version=4)
    after = applied(wish(fifo=True), before)
    for kept in ("endpoint_id", "org_id", "secret", "old_secrets", "status", "reason", "version", "created_by"):
        assert getattr(after, kept) == getattr(before, kept)


@pytest.mark.parametrize("changes", [{}, {"secret": "x" * 20}, {"endpoint_id": "wh_2"}, {"status": "paused"}])
def test_what_is_no_field_of_a_wish_cannot_be_changed_by_one(changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        with_changes(wish(), changes)


def test_another_schedule_brings_its_own_time_to_give_up() -> None:
    short = wish(schedule="runbook", give_up_after_s=100.0)
    assert with_changes(short, {"schedule": "patient"}).give_up_after_s is None
    assert with_changes(short, {"schedule": "runbook"}).give_up_after_s == 100.0
    assert with_changes(short, {"schedule": "patient", "give_up_after_s": 99.0}).give_up_after_s == 99.0


def test_a_schedule_of_an_earlier_version_stays_until_another_is_named() -> None:
    old = endpoint(rules=Rules(max_retries=3, delays_s=(7.0, 8.0, 9.0)))
    assert (schedule_name(RUNBOOK), schedule_name(PATIENT), schedule_name(old.rules)) == ("runbook", "patient", "other")
    described = with_changes(of_endpoint(old), {"description": "mine"})
    check(described)
    assert applied(described, old).rules == old.rules
    assert applied(with_changes(of_endpoint(old), {"schedule": "patient"}), old).rules == PATIENT
