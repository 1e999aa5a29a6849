"""The catalogue: names and data of WebSocket clients, schemas that the examples fit, what is told of a wrong name."""

from __future__ import annotations

from typing import Any

import pytest
from jsonschema import Draft202012Validator

from aragora.debate.model import WIRE_NAMES, DebateSpec, Protocol, Topology
from aragora.errors import InvalidInput
from aragora.webhooks.body import body_of
from aragora.webhooks.event_examples import EXAMPLES
from aragora.webhooks.events import (
    CATALOGUE,
    DebateFacts,
    EventType,
    check_name,
    event_type,
    facts_of,
    label,
    unknown_type,
)
from aragora.webhooks.workflow_events import WORKFLOW_NAMES, WorkflowFacts

TYPES = list(CATALOGUE.values())
OF_DEBATES = [each for each in TYPES if each.of_debate]
OF_WORKFLOWS = [each for each in TYPES if each.of_workflow]


def names(each: EventType) -> str:
    return each.name


def test_the_catalogue_has_these_types() -> None:
    assert {name: each.high_volume for name, each in CATALOGUE.items()} == {
        "debate_start": False,
        "knowledge_offered": False,
        "debate_end": False,
        "consensus": False,
        "receipt": False,
        "agent_error": False,
        "fallback": False,
        "trickster": False,
        "convergence": False,
        "vote": True,
        "critique": True,
        "agent_message": True,
        "knowledge_cited": True,
        "workflow.notified": False,
        "workflow.approval_requested": False,
        "workflow.approval_reminded": False,
        "workflow.approval_escalated": False,
        "workflow.approval_closed": False,
        "workflow.execution_ended": False,
        "webhook.failing": False,
        "webhook.recovered": False,
        "webhook.exhausted": False,
        "webhook.disabled": False,
        "webhook.test": False,
        "webhook.verification": False,
    }


def test_types_of_debates_are_those_of_websocket_clients() -> None:
    assert {each.name: each.kind for each in OF_DEBATES}.items() <= {
        name: kind for kind, name in WIRE_NAMES.items()
    }.items()
    assert len(OF_DEBATES) == 13
    assert {each.name for each in OF_WORKFLOWS} == set(WORKFLOW_NAMES.values())


@pytest.mark.parametrize("each", TYPES, ids=names)
def test_the_example_fits_the_schema(each: EventType) -> None:
    Draft202012Validator.check_schema(each.schema())
    Draft202012Validator(each.schema()).validate(each.example)
    assert each.description.endswith(".")
    assert each.version == 1


@pytest.mark.parametrize("each", TYPES, ids=names)
def test_the_schema_refuses_data_of_another_type(each: EventType) -> None:
    validator = Draft202012Validator(each.schema())
    required = each.schema()["required"]
    assert required
    for name in required:
        without = {key: value for key, value in each.example.items() if key != name}
        assert not validator.is_valid(without), name


@pytest.mark.parametrize("each", OF_DEBATES, ids=names)
def test_data_of_a_debate_begins_with_what_endpoints_choose_by(each: EventType) -> None:
    facts = ["debate_id", "domain", "protocol", "topology"]
    assert list(each.example)[:4] == facts
    assert list(each.schema()["properties"])[:4] == facts
    assert each.schema()["required"][:4] == facts


@pytest.mark.parametrize("each", OF_WORKFLOWS, ids=names)
def test_data_of_a_workflow_begins_with_what_endpoints_choose_by(each: EventType) -> None:
    facts = list(WorkflowFacts.__dataclass_fields__)
    assert list(each.example)[: len(facts)] == facts
    assert list(each.schema()["properties"])[: len(facts)] == facts
    assert not each.of_debate


@pytest.mark.parametrize("each", [*OF_DEBATES, *OF_WORKFLOWS], ids=names)
def test_no_member_of_an_event_hides_a_fact_of_its_debate_or_workflow(each: EventType) -> None:
    facts = DebateFacts if each.of_debate else WorkflowFacts
    assert not set(each.kind.__dataclass_fields__) & set(facts.__dataclass_fields__)


@pytest.mark.parametrize("each", TYPES, ids=names)
def test_the_example_can_be_sent(each: EventType) -> None:
    assert body_of(dict(each.example))


def test_each_type_has_one_example() -> None:
    assert sorted(type(event).__name__ for event in EXAMPLES) == sorted(each.kind.__name__ for each in TYPES)


def test_facts_are_those_of_the_specification() -> None:
    protocol = Protocol("duel", topology=Topology.RING)
    spec = DebateSpec("deb_1", "why?", ("a", "b"), protocol, 1, domain="law", workspace="team_a")
    assert facts_of(spec) == DebateFacts("deb_1", "law", "duel", "ring", "team_a")


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("debate_ended", "Is debate_end meant?"),
        ("DEBATE_END", "Is debate_end meant?"),
        ("webhook.fail", "Is webhook.failing meant?"),
        ("concensus", "Is consensus meant?"),
        ("payment.made", "GET /api/webhooks/event-types lists all there are."),
        ("", "GET /api/webhooks/event-types lists all there are."),
        ("debate_end\r\nX: y", "'debate_end??X: y'"),
    ],
)
def test_an_unknown_type_is_told_with_the_nearest(name: str, told: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        event_type(name)
    assert told in refused.value.message
    assert "\n" not in refused.value.message


def test_a_name_of_any_length_makes_a_short_error() -> None:
    assert len(unknown_type("debate_" * 100_000).message) < 200


@pytest.mark.parametrize("each", TYPES, ids=names)
def test_a_type_is_found_by_its_name(each: EventType) -> None:
    assert event_type(each.name) is each
    assert label(each.name) == each.name


def test_types_that_callers_make_up_are_one_label() -> None:
    assert {label(f"made.up.{number}") for number in range(100)} == {"other"}


@pytest.mark.parametrize("name", ["debate_end", "made.up:by/caller", "x" * 128])
def test_any_name_that_can_be_a_header_may_be_delivered(name: str) -> None:
    check_name(name)


@pytest.mark.parametrize("name", ["", "two words", "a\r\nX-Evil: 1", "a\n", "d\u00e9bat", "x" * 129, "\x00"])
def test_a_name_that_cannot_be_a_header_is_refused(name: Any) -> None:
    with pytest.raises(InvalidInput, match="printable ASCII") as refused:
        check_name(name)
    assert "\n" not in refused.value.message
