"""Opening a debate through the gateway: its budget, and the standings of its organisation."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from worlds.actors_without_ray import runtime_over

from actors.gateways.debates import CoordinatorCommands
from aragora.config.settings import Settings
from aragora.debate.model import DebateSpec, DebateStatus
from aragora.debate.proposition import Idempotency, Proposition
from aragora.debate.records import DebateRecord, Opened
from aragora.encoding import encode_text
from aragora.errors import InvalidInput
from aragora.ids import LOCAL_ORG
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


def commands(settings: Settings, ratings: Ratings | None = None) -> CoordinatorCommands:
    return CoordinatorCommands(runtime_over(Coordinator()), settings, ratings or Ratings())  # type: ignore[arg-type]


async def test_a_debate_of_agents_that_cost_something_has_the_default_budget_and_is_told_it() -> None:
    assert (await commands(PAID).open(Proposition("Which?"))).budget_usd == 0.75
    mixed = Proposition("Which?", ("anthropic-api", "stub-1"))
    assert (await commands(PAID).open(mixed)).budget_usd == 0.75


async def test_a_debate_of_agents_that_run_here_has_no_budget() -> None:
    assert (await commands(PAID).open(Proposition("Which?", ("stub-1", "stub-2")))).budget_usd is None
    local = Settings(local_base_url="http://localhost:11434/v1", local_model="qwen")  # type: ignore[call-arg]
    assert (await commands(local).open(Proposition("Which?"))).budget_usd is None


async def test_a_request_that_is_repeated_is_told_the_budget_of_the_first() -> None:
    gateway = commands(PAID)
    first, again = (Proposition("Which?", budget_usd=usd) for usd in (2.0, 3.0))
    assert (await gateway.open(first, Idempotency("k", "h"))).budget_usd == 2.0
    repeated = await gateway.open(again, Idempotency("k", "h"))
    assert (repeated.created, repeated.budget_usd) == (False, 2.0)


async def test_more_than_the_server_allows_is_refused() -> None:
    with pytest.raises(InvalidInput, match="5 USD at most"):
        await commands(PAID).open(Proposition("Which?", budget_usd=5.5))


async def test_standings_are_those_of_the_organisation() -> None:
    ratings = Ratings()
    gateway = commands(PAID, ratings)
    for org_id in ("acme", LOCAL_ORG):
        await gateway.open(Proposition("Which?", domain="law", org_id=org_id))
    assert ratings.asked == [scope_of("acme", "law"), "law"]
