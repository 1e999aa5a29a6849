"""Which events an endpoint hears of: its organisation's, of the types and with the values that it chose."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aragora.errors import InvalidInput
from aragora.webhooks.endpoint import Endpoint
from aragora.webhooks.events import CATALOGUE, EVERY
from aragora.webhooks.matching import EVENTS_MAX, VALUES_MAX, check_events, check_matching, wants

DATA = {
    "debate_id": "deb_1",
    "domain": "law",
    "protocol": "duel",
    "topology": "ring",
    "status": "failed",
    "workspace": "team_a",
}
HIGH = ["vote", "critique", "agent_message", "knowledge_cited"]


def endpoint(*events: str, **changes: Any) -> Endpoint:
    made = Endpoint("wh_1", "org_1", "https://example.com/hook", "a secret of sixteen", events, 0.0, "user_1")
    return replace(made, **changes)


@given(
    st.sampled_from(["org_2", "", "ORG_1", "org_1 ", "local"]),
    st.sampled_from([*CATALOGUE, "made.up"]),
    st.lists(st.sampled_from([EVERY, *CATALOGUE]), min_size=1),
)
def test_nothing_of_another_organisation_is_wanted(org_id: str, event_type: str, events: list[str]) -> None:
    assert not wants(endpoint(*events), event_type, org_id, DATA)


def test_a_type_is_wanted_where_it_is_named() -> None:
    assert wants(endpoint("debate_end"), "debate_end", "org_1", DATA)
    assert not wants(endpoint("debate_end"), "debate_start", "org_1", DATA)
    assert not wants(endpoint("debate_end"), "debate_en", "org_1", DATA)


def test_every_type_but_those_of_high_volume_is_wanted_by_the_wildcard() -> None:
    wanted = {name for name in CATALOGUE if wants(endpoint(EVERY), name, "org_1", DATA)}
    assert wanted == set(CATALOGUE) - set(HIGH)


@pytest.mark.parametrize("name", HIGH)
def test_types_of_high_volume_are_wanted_by_name_only(name: str) -> None:
    assert wants(endpoint(EVERY, name), name, "org_1", DATA)


def test_the_wildcard_wants_no_type_outside_the_catalogue() -> None:
    assert not wants(endpoint(EVERY), "made.up", "org_1", DATA)
    assert not wants(endpoint(EVERY), EVERY, "org_1", DATA)


@pytest.mark.parametrize(
    ("matching", "wanted"),
    [
        ({}, True),
        ({"domain": ("law",)}, True),
        ({"domain": ("art", "law")}, True),
        ({"domain": ("art",)}, False),
        ({"domain": ("law",), "status": ("failed", "cancelled")}, True),
        ({"domain": ("law",), "status": ("completed",)}, False),
        ({"protocol": ("duel",), "topology": ("ring",), "debate_id": ("deb_1",)}, True),
        ({"workspace": ("team_a",)}, True),
        ({"workspace": ("teamXa", "team")}, False),
        ({"agent": ("ada",)}, False),  # the event has none
        ({"domain": ()}, False),
    ],
)
def test_each_field_must_have_one_of_its_values(matching: dict[str, tuple[str, ...]], wanted: bool) -> None:
    assert wants(endpoint(EVERY, matching=matching), "debate_end", "org_1", DATA) is wanted


def test_an_endpoint_does_not_hear_that_it_fails_itself() -> None:
    assert not wants(endpoint(EVERY), "webhook.failing", "org_1", {"webhook_id": "wh_1"})
    assert wants(endpoint(EVERY), "webhook.failing", "org_1", {"webhook_id": "wh_2"})


@pytest.mark.parametrize("names", [["*"], ["debate_end", "vote"], ["*", "vote"], list(CATALOGUE), ("receipt",)])
def test_choices_of_types_that_are_taken(names: list[str]) -> None:
    check_events(names)


@pytest.mark.parametrize(
    ("names", "told"),
    [
        ([], "events is empty"),
        (["debate_ended"], "Is debate_end meant"),
        (["debate_*"], "no event type 'debate_\\*'"),
        (["debate_end", "debate_end"], "debate_end twice"),
        (["x"] * (EVENTS_MAX + 1), "at most 50"),
        ([7], "no text"),
        ([["debate_end"]], "no text"),
    ],
)
def test_choices_of_types_that_are_refused(names: list[Any], told: str) -> None:
    with pytest.raises(InvalidInput, match=told):
        check_events(names)


@pytest.mark.parametrize(
    "matching",
    [
        {},
        {"domain": ["law"]},
        {"status": ["completed", "failed", "cancelled"]},
        {"status": ["approved", "rejected", "expired", "closed"], "workflow_id": ["wf_1"]},
        {"topology": ("ring",), "agent": ("a",)},
    ],
)
def test_choices_by_fields_that_are_taken(matching: dict[str, list[str]]) -> None:
    check_matching(matching)


@pytest.mark.parametrize(
    ("matching", "told"),
    [
        ({"domains": ["law"]}, "Is domain meant"),
        ({"zzz": ["law"]}, "There are debate_id, domain"),
        ({7: ["law"]}, "There are debate_id, domain"),
        ({"domain": []}, "one or more values"),
        ({"domain": "law"}, "needs a list"),
        ({"domain": 7}, "needs a list"),
        ({"domain": ["x"] * (VALUES_MAX + 1)}, "at most 100"),
        ({"domain": [""]}, "1 to 200 characters"),
        ({"domain": ["x" * 201]}, "1 to 200 characters"),
        ({"domain": [7]}, "no text"),
        ({"domain": ["a\nb"]}, "U\\+000A"),
        ({"status": ["active"]}, "choose from completed, failed, cancelled"),
        ({"topology": ["square"]}, "choose from positions, all_to_all"),
    ],
)
def test_choices_by_fields_that_are_refused(matching: dict[Any, Any], told: str) -> None:
    with pytest.raises(InvalidInput, match=told) as refused:
        check_matching(matching)
    assert "\n" not in refused.value.message
