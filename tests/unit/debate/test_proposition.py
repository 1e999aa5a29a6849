"""From a proposition to a specification: defaults, limits, pace."""

from __future__ import annotations

import pytest

from aragora.debate.budget import BudgetRule
from aragora.debate.model import DebateSpec
from aragora.debate.proposition import Idempotency, Pace, Proposition, specification
from aragora.debate.protocol import PRESETS
from aragora.errors import InvalidInput

AGENTS = ("ann", "bob", "cem")
BUDGET = BudgetRule(default_usd=1.0, most_usd=10.0)


def test_without_named_agents_the_default_team_debates() -> None:
    spec = specification(
        Proposition(" Which queue? "), "deb_1", available=AGENTS, default_team=AGENTS[:2], budget=BUDGET
    )
    assert spec.agents == ("ann", "bob")
    assert spec.question == "Which queue?"


def test_an_unknown_agent_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(InvalidInput, match="ann, bob, cem") as refused:
        specification(
            Proposition("Which?", ("ann", "eve")), "deb_1", available=AGENTS, default_team=AGENTS, budget=BUDGET
        )
    assert refused.value.code == "unknown_agent"


def test_a_slow_team_gets_its_own_pace() -> None:
    usual = specification(Proposition("Which?"), "deb_1", available=AGENTS, default_team=AGENTS, budget=BUDGET)
    slow = specification(
        Proposition("Which?"), "deb_1", available=AGENTS, default_team=AGENTS, budget=BUDGET, pace=Pace(300.0, 120.0)
    )
    assert (slow.protocol.phase_deadline_s, slow.protocol.grace_s) == (300.0, 120.0)
    assert slow.protocol.rounds == usual.protocol.rounds


def test_a_debate_that_asks_for_no_budget_has_the_servers_own() -> None:
    assert _spec(Proposition("Which?")).budget_usd == 1.0
    assert _spec(Proposition("Which?", budget_usd=2.5)).budget_usd == 2.5


def test_a_team_that_costs_nothing_has_no_budget_whatever_it_asks_for() -> None:
    assert _spec(Proposition("Which?"), free=True).budget_usd is None
    assert _spec(Proposition("Which?", budget_usd=2.5), free=True).budget_usd is None


def test_more_than_the_server_allows_a_debate_is_refused_with_the_setting() -> None:
    with pytest.raises(InvalidInput, match=r"10 USD at most \(ARAGORA_MAX_BUDGET_USD\)"):
        _spec(Proposition("Which?", budget_usd=10.01))
    low = BudgetRule(default_usd=1.0, most_usd=0.5)
    assert low.of(None, free=False) == 0.5


def test_the_seed_follows_from_the_id_so_that_a_replay_shuffles_alike() -> None:
    one = specification(Proposition("Which?"), "deb_1", available=AGENTS, default_team=AGENTS, budget=BUDGET)
    same = specification(Proposition("Other?"), "deb_1", available=AGENTS, default_team=AGENTS, budget=BUDGET)
    other = specification(Proposition("Which?"), "deb_2", available=AGENTS, default_team=AGENTS, budget=BUDGET)
    assert one.seed == same.seed != other.seed


def test_the_same_request_has_the_same_hash_and_another_another() -> None:
    first = Idempotency.of("k", Proposition("Which?"))
    assert Idempotency.of("k", Proposition("Which?")) == first
    assert Idempotency.of("k", Proposition("Which?", rounds=2)) != first


def test_the_hash_of_a_request_outlives_a_release() -> None:
    known = Idempotency.of("k", Proposition("Which?", ("ann", "bob"), rounds=2, budget_usd=0.5))
    assert known == Idempotency("k", "8015c54a52fd2eb05c002facb701e71b")


def test_a_request_that_wants_no_knowledge_is_another_request() -> None:
    wants_none = Idempotency.of("k", Proposition("Which?", knowledge=False))
    assert wants_none != Idempotency.of("k", Proposition("Which?"))


@pytest.mark.parametrize("protocol", sorted(PRESETS))
def test_debates_take_knowledge_unless_they_want_none_or_are_the_baseline(protocol: str) -> None:
    assert _spec(Proposition("Which?", protocol=protocol)).knowledge is (protocol != "ensemble")
    assert not _spec(Proposition("Which?", protocol=protocol, knowledge=False)).knowledge


def test_a_request_without_a_key_is_never_a_repetition() -> None:
    assert Idempotency.of(None, Proposition("Which?")) is None


def _spec(proposition: Proposition, *, free: bool = False) -> DebateSpec:
    return specification(proposition, "deb_1", available=AGENTS, default_team=AGENTS, budget=BUDGET, free=free)
