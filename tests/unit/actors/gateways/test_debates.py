"""Opening a debate through the gateway: its budget, and the standings of its organisation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from worlds.actors_without_ray import runtime_over

from actors.gateways.debates import CoordinatorCommands
from aragora.agents.specifying import EMBEDDED_PACE
from aragora.config.settings import Settings
from aragora.debate.model import DebateSpec, DebateStatus
from aragora.debate.proposition import Idempotency, Proposition
from aragora.debate.records import DebateRecord, Opened
from aragora.encoding import encode_text
from aragora.errors import InvalidInput, RateLimited
from aragora.ids import LOCAL_ORG
from aragora.limits import SPOT_AGENTS_MAX
from aragora.ranking.store import StoredRating, scope_of

PAID = Settings(anthropic_api_key="sk-test", default_budget_usd=0.75, max_budget_usd=5.0, stub_agents=2)  # type: ignore[call-arg,arg-type]


class Coordinator:
    """Keeps the first debate of each idempotency key."""

    def __init__(self) -> None:
        self.kept: dict[str, DebateSpec] = {}

    async def open(self, spec: DebateSpec, idempotency: Idempotency | None) -> Opened:
        key = spec.debate_id if idempotency is None else idempotency.key
        kept = self.kept.setdefault(key, spec)
        record = DebateRecord(
            kept.debate_id, kept.question, DebateStatus.QUEUED, encode_text(kept), 1.0, 1.0, "ann", kept.org_id
        )
        return Opened(record, created=kept is spec)


class Ratings:
    """Notes where standings are looked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def load(self, agents: Sequence[str], domain: str) -> dict[str, StoredRating]:
        del agents
        self.asked.append(domain)
        return {}


def commands(
    settings: Settings, ratings: Ratings | None = None, coordinator: Coordinator | None = None
) -> CoordinatorCommands:
    return CoordinatorCommands(runtime_over(coordinator or Coordinator()), settings, ratings or Ratings())  # type: ignore[arg-type]


async def test_a_debate_of_agents_that_cost_something_has_the_default_budget_and_is_told_it() -> None:
    assert (await commands(PAID).open(Proposition("Which?"))).budget_usd == 0.75
    mixed = Proposition("Which?", ("anthropic-api", "stub-1"))
    assert (await commands(PAID).open(mixed)).budget_usd == 0.75


async def test_a_debate_of_agents_that_run_here_has_no_budget() -> None:
    assert (await commands(PAID).open(Proposition("Which?", ("stub-1", "stub-2")))).budget_usd is None
    local = Settings(local_base_url="http://localhost:11434/v1", local_model="qwen")  # type: ignore[call-arg]
    assert (await commands(local).open(Proposition("Which?"))).budget_usd is None


async def test_a_debate_carries_what_its_paid_agents_cost_at_most_and_nothing_of_those_that_are_free() -> None:
    coordinator = Coordinator()
    gateway = commands(PAID, coordinator=coordinator)
    mixed = await gateway.open(Proposition("Which?", ("anthropic-api", "stub-1")))
    spec = coordinator.kept[mixed.debate_id]
    assert set(spec.prices) == {"anthropic-api"}
    price = spec.prices["anthropic-api"]
    assert price.input_usd_per_mtok > 0
    assert price.output_usd_per_mtok > price.input_usd_per_mtok
    assert price.max_output_tokens == 4096
    free = await gateway.open(Proposition("Which?", ("stub-1", "stub-2")))
    assert coordinator.kept[free.debate_id].prices == {}


async def test_a_request_that_is_repeated_is_told_the_budget_of_the_first() -> None:
    gateway = commands(PAID)
    first, again = (Proposition("Which?", budget_usd=usd) for usd in (2.0, 3.0))
    assert (await gateway.open(first, Idempotency("k", "h"))).budget_usd == 2.0
    repeated = await gateway.open(again, Idempotency("k", "h"))
    assert (repeated.created, repeated.budget_usd) == (False, 2.0)


async def test_settings_that_were_taken_from_what_suits_are_in_the_specification_and_told_again() -> None:
    coordinator = Coordinator()
    gateway = commands(PAID, coordinator=coordinator)
    taken = Proposition("Which?", rounds=2, suggested=True, taken=("rounds 2: it settles early",))
    first = await gateway.open(taken, Idempotency("k", "h"))
    assert coordinator.kept["k"].suggested == first.suggested == taken.taken
    assert (await gateway.open(Proposition("Which?"), Idempotency("k", "h"))).suggested == taken.taken


async def test_more_than_the_server_allows_is_refused() -> None:
    with pytest.raises(InvalidInput, match="5 USD at most"):
        await commands(PAID).open(Proposition("Which?", budget_usd=5.5))


async def test_three_models_named_on_the_spot_debate_as_three_agents_and_one_of_a_bill_needs_a_budget() -> None:
    settings = Settings(local_base_url="http://localhost:11434/v1", openai_api_key="sk-test")  # type: ignore[call-arg,arg-type]
    coordinator = Coordinator()
    gateway = commands(settings, coordinator=coordinator)
    free = await gateway.open(Proposition("Which?", ("local:qwen3:8b", "local:llama3.2", "local:gemma3@skeptic")))
    assert free.budget_usd is None
    assert coordinator.kept[free.debate_id].agents == ("local:qwen3:8b", "local:llama3.2", "local:gemma3@skeptic")
    assert (await gateway.open(Proposition("Which?", ("local:qwen3:8b", "openai:gpt-5.4")))).budget_usd is not None


async def test_a_team_and_a_new_agent_of_the_file_debate_without_a_restart(tmp_path: Path) -> None:
    coordinator = Coordinator()
    gateway = commands(Settings(data_dir=tmp_path, stub_agents=2), coordinator=coordinator)  # type: ignore[call-arg]
    with pytest.raises(InvalidInput, match="There is no team 'r'"):
        await gateway.open(Proposition("Which?", ("team:r",)))
    (tmp_path / "agents.toml").write_text(
        "[agents.ann]\nprovider = 'embedded'\n[teams]\nr = ['ann', 'stub-1']\ndefault = ['stub-2', 'stub-1']"
    )
    ticket = await gateway.open(Proposition("Which?", ("stub-2", "team:r")))
    assert coordinator.kept[ticket.debate_id].agents == ("stub-2", "ann", "stub-1")
    assert coordinator.kept[ticket.debate_id].protocol.phase_deadline_s == EMBEDDED_PACE.phase_deadline_s
    ticket = await gateway.open(Proposition("Which?"))
    assert coordinator.kept[ticket.debate_id].agents == ("stub-2", "stub-1")


async def test_who_cannot_debate_is_refused_with_all_unknown_names() -> None:
    with pytest.raises(InvalidInput, match="there is no agent 'eve', 'hal': choose from") as caught:
        await commands(PAID).open(Proposition("Which?", ("stub-1", "eve", "hal")))
    assert caught.value.code == "unknown_agent"


async def test_nobody_makes_thousands_of_agents_by_naming_models() -> None:
    gateway = commands(Settings(local_base_url="http://localhost:11434/v1"))  # type: ignore[call-arg]
    for number in range(0, SPOT_AGENTS_MAX, 2):
        await gateway.open(Proposition("Which?", (f"local:m{number}", f"local:m{number + 1}")))
    with pytest.raises(RateLimited, match=r"agents\.toml"):
        await gateway.open(Proposition("Which?", ("local:m0", "local:one-more")))
    await gateway.open(Proposition("Which?", ("local:m0", "local:m1")))


async def test_standings_are_those_of_the_organisation() -> None:
    ratings = Ratings()
    gateway = commands(PAID, ratings)
    for org_id in ("acme", LOCAL_ORG):
        await gateway.open(Proposition("Which?", domain="law", org_id=org_id))
    assert ratings.asked == [scope_of("acme", "law"), "law"]


async def test_what_is_planned_is_what_is_opened_and_the_plan_opens_nothing() -> None:
    coordinator, ratings = Coordinator(), Ratings()
    gateway = commands(PAID, ratings, coordinator)
    asked = Proposition("Which?", ("anthropic-api", "stub-1"), protocol="duel", budget_usd=2.0)
    planned = await gateway.plan(asked)
    assert (coordinator.kept, ratings.asked) == ({}, [])
    opened = coordinator.kept[(await gateway.open(asked)).debate_id]
    same = {"debate_id": "", "seed": 0, "standings": {}}
    assert replace(planned, **same) == replace(opened, **same)
    with pytest.raises(InvalidInput, match="5 USD at most"):
        await gateway.plan(Proposition("Which?", budget_usd=5.5))
