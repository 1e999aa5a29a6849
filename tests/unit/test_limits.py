"""The limits of input: what the edge allows is what the domain allows, and each limit stands once."""

from __future__ import annotations

import re
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from pydantic import ValidationError
from worlds import debating

from aragora import encoding, limits
from aragora.config.settings import Settings
from aragora.debate import machine
from aragora.debate.budget import BudgetRule
from aragora.debate.machine.readers import MAX_LABELS
from aragora.debate.model import DebateSpec
from aragora.debate.proposition import Proposition, specification
from aragora.errors import InvalidInput
from aragora.scope import DEFAULT_WORKSPACE
from aragora.server.chapters.debates import CastVote, CreateDebate
from aragora.server.live import envelopes
from aragora.server.ports import ServerConfig

PAGE = Path(__file__).parents[2] / "aragora/server/pages/index.html"
TEAM = tuple(f"agent{number}" for number in range(limits.AGENTS_MAX + 1))

LARGEST: dict[str, Any] = {
    "question": "x" * limits.QUESTION_MAX_CHARS,
    "context": "x" * limits.CONTEXT_MAX_CHARS,
    "domain": "x" * limits.NAME_MAX_CHARS,
    "agents": list(TEAM[: limits.AGENTS_MAX]),
    "rounds": limits.ROUNDS_MAX,
    "budget_usd": limits.BUDGET_MAX_USD,
    "workspace": "x" * 64,
}
BEYOND: dict[str, Any] = {
    "question": LARGEST["question"] + "x",
    "context": LARGEST["context"] + "x",
    "domain": LARGEST["domain"] + "x",
    "agents": list(TEAM),
    "rounds": limits.ROUNDS_MAX + 1,
    "budget_usd": limits.BUDGET_MAX_USD + 1,
    "workspace": LARGEST["workspace"] + "x",
}


def at_the_edge(**body: Any) -> Proposition:
    asked = CreateDebate(**{"question": "Which?", **body})
    return asked.proposition(created_by="ann", org_id="org", workspace=asked.workspace or DEFAULT_WORKSPACE)


def in_the_domain(proposition: Proposition) -> DebateSpec:
    return specification(
        proposition, "deb_1", available=TEAM, default_team=TEAM[:4], budget=BudgetRule(1.0, limits.BUDGET_MAX_USD)
    )


@pytest.mark.parametrize("name", LARGEST)
def test_the_largest_value_that_the_edge_allows_can_be_debated(name: str) -> None:
    in_the_domain(at_the_edge(**{name: LARGEST[name]}))


@pytest.mark.parametrize("name", BEYOND)
def test_a_value_beyond_its_limit_is_refused_at_the_edge_and_in_the_domain(name: str) -> None:
    with pytest.raises(ValidationError):
        at_the_edge(**{name: BEYOND[name]})
    value = tuple(BEYOND[name]) if name == "agents" else BEYOND[name]
    with pytest.raises(InvalidInput):
        in_the_domain(replace(Proposition("Which?"), **{name: value}))


def test_the_smallest_values_are_the_same_at_the_edge_and_in_the_domain() -> None:
    in_the_domain(at_the_edge(rounds=limits.ROUNDS_MIN, budget_usd=1e-9))
    for name, value in (("rounds", limits.ROUNDS_MIN - 1), ("budget_usd", 0.0)):
        with pytest.raises(ValidationError):
            at_the_edge(**{name: value})
        with pytest.raises(InvalidInput):
            in_the_domain(replace(Proposition("Which?"), **{name: value}))


def test_an_agent_s_name_may_be_as_long_in_the_domain_as_at_the_edge() -> None:
    longest = "x" * limits.NAME_MAX_CHARS
    machine.check_spec(debating.spec_of((longest, "bob")))
    at_the_edge(agents=[longest, "bob"])
    with pytest.raises(InvalidInput):
        machine.check_spec(debating.spec_of((longest + "x", "bob")))
    with pytest.raises(ValidationError):
        at_the_edge(agents=[longest + "x", "bob"])


@pytest.mark.parametrize("intensity", [limits.INTENSITY_MIN, limits.INTENSITY_MAX])
def test_a_vote_of_a_bound_s_intensity_is_taken_everywhere(intensity: int) -> None:
    CastVote(choice="gpt", intensity=intensity)
    socket_vote("gpt", intensity)
    machine.vote(debating.start().state, "ann", "gpt", intensity, "v")


@pytest.mark.parametrize("intensity", [limits.INTENSITY_MIN - 1, limits.INTENSITY_MAX + 1])
def test_a_vote_beyond_the_intensities_is_refused_everywhere(intensity: int) -> None:
    with pytest.raises(ValidationError):
        CastVote(choice="gpt", intensity=intensity)
    with pytest.raises(msgspec.ValidationError):
        socket_vote("gpt", intensity)
    with pytest.raises(InvalidInput):
        machine.vote(debating.start().state, "ann", "gpt", intensity, "v")


def test_a_suggestion_has_one_limit_over_http_over_websocket_and_in_the_debate() -> None:
    longest = "x" * limits.SUGGESTION_MAX_CHARS
    CastVote(suggestion=longest)
    socket_suggestion(longest)
    machine.suggest(debating.start().state, "ann", longest, "s")
    with pytest.raises(ValidationError):
        CastVote(suggestion=longest + "x")
    with pytest.raises(msgspec.ValidationError):
        socket_suggestion(longest + "x")
    with pytest.raises(InvalidInput):
        machine.suggest(debating.start().state, "ann", longest + "x", "s")


def test_the_openapi_document_and_the_web_page_state_the_limits() -> None:
    stated = CreateDebate.model_json_schema()["properties"]
    assert stated["question"]["maxLength"] == limits.QUESTION_MAX_CHARS
    assert stated["context"]["maxLength"] == limits.CONTEXT_MAX_CHARS
    assert stated["agents"]["maxItems"] == limits.AGENTS_MAX
    page = PAGE.read_text()
    found = dict(re.findall(r'id="(question|suggestion)"[^>]*?maxlength="(\d+)"', page))
    assert found == {"question": str(limits.QUESTION_MAX_CHARS), "suggestion": str(limits.SUGGESTION_MAX_CHARS)}


def test_the_edge_and_the_domain_ask_for_the_same_things() -> None:
    assert {*CreateDebate.model_fields, "created_by", "org_id", "taken", "revalidates", "serves"} == {
        field.name for field in fields(Proposition)
    }
    given = at_the_edge(agents=["agent1", "agent2"], consensus="judge")
    assert given == Proposition("Which?", ("agent1", "agent2"), consensus="judge", created_by="ann", org_id="org")
    plain = CreateDebate(question="Which?").proposition(created_by="local", org_id="local", workspace=DEFAULT_WORKSPACE)
    assert plain == Proposition("Which?")


def test_a_ballot_has_a_label_for_every_agent_that_may_take_part() -> None:
    assert limits.AGENTS_MAX <= MAX_LABELS


def test_the_sizes_of_messages_that_are_settings_begin_at_their_limits(tmp_path: Path) -> None:
    settings, config = Settings(data_dir=tmp_path), ServerConfig("1", "ws://here")
    assert settings.max_body_bytes == config.max_body_bytes == limits.BODY_MAX_BYTES
    assert settings.ws_max_message_size == config.ws_max_message_bytes == limits.WS_MESSAGE_MAX_BYTES


def socket_vote(choice: str, intensity: int) -> None:
    message = {"type": "user_vote", "loop_id": "deb_1", "payload": {"choice": choice, "intensity": intensity}}
    envelopes.read(encoding.encode_text(message))


def socket_suggestion(text: str) -> None:
    envelopes.read(encoding.encode_text({"type": "user_suggestion", "loop_id": "deb_1", "payload": {"text": text}}))
