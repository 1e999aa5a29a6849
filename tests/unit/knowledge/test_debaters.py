"""What is known of agents, as somebody asks who plans a debate."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest
from worlds.taught import HOME, spec, taught

from aragora.encoding import encode_text
from aragora.errors import Unavailable
from aragora.knowledge.debaters import Debaters, Team
from aragora.knowledge.model import Home
from aragora.knowledge.mound.adapters import elo, insights, ranking
from aragora.knowledge.mound.adapters.elo import Basis, Model
from aragora.knowledge.mound.adapters.insights import Sides
from aragora.knowledge.observations import Observation
from aragora.ranking.store import StoredRating, scope_of

RANKED = [ranking.observe(taught(number))[0] for number in range(4)]


class Noted:
    """These are there, by adapter; `asked` is what was looked for."""

    def __init__(self, **there: list[Observation]) -> None:
        self.there = there
        self.asked: list[tuple[Home, str, str, int]] = []
        self.free = asyncio.Event()
        self.free.set()

    async def newest(self, home: Home, adapter: str, key: str, limit: int) -> list[Observation]:
        self.asked.append((home, adapter, key, limit))
        await self.free.wait()
        return [one for one in self.there.get(adapter, ()) if one.key == key]


class Agents:
    """These there are."""

    def available(self) -> tuple[str, ...]:
        return ("claude", "gpt", "gemini")

    def model_of(self, agent: str) -> Model | None:
        return {"gpt": Model("stub", "stub-1"), "gemini": Model("stub", "other")}.get(agent)


class Ratings:
    """These are rated, by domain."""

    def __init__(self, **of: dict[str, StoredRating]) -> None:
        self.of = of
        self.asked: list[str] = []

    async def load(self, agents: Sequence[str], domain: str) -> dict[str, StoredRating]:
        self.asked.append(domain)
        return {agent: rating for agent, rating in self.of.get(domain, {}).items() if agent in agents}


async def test_a_team_follows_from_the_newest_debates_of_its_domain_and_workspace() -> None:
    noted = Noted(ranking=RANKED)
    found = await Debaters(noted, Agents(), Ratings()).team(spec(9), named=False)
    assert noted.asked == [(HOME, "ranking", "storage", ranking.READ)]
    assert (found.debates, found.why) == (4, "")
    assert [one.agent for one in found.members] == [one.agent for one in found.experts] == ["claude", "gpt", "gemini"]
    elsewhere = await Debaters(noted, Agents(), Ratings()).team(replace(spec(9), domain="law"), named=False)
    assert elsewhere == Team(why="fewer than 3 contested debates in law have ended in this workspace")


async def test_where_agents_are_named_none_are_suggested_and_experts_are_told() -> None:
    found = await Debaters(Noted(ranking=RANKED), Agents(), Ratings()).team(spec(9), named=True)
    assert (found.debates, len(found.experts), found.members, found.why) == (4, 3, (), "")


async def test_of_two_debates_no_team_follows() -> None:
    found = await Debaters(Noted(ranking=RANKED[:2]), Agents(), Ratings()).team(spec(9), named=False)
    assert (found.debates, len(found.experts), found.members) == (2, 3, ())
    assert "fewer than 3" in found.why


async def test_a_debate_that_is_damaged_or_comes_twice_counts_for_nothing_more() -> None:
    damaged = replace(RANKED[0], body='{"contested":')
    found = await Debaters(Noted(ranking=[damaged, *RANKED[1:], *RANKED[2:]]), Agents(), Ratings()).team(
        spec(9), named=False
    )
    assert found.debates == 3


async def test_of_each_debater_the_newest_debates_say_how_often_it_flips() -> None:
    def sides(agent: str, number: int, sides: Sides) -> Observation:
        return Observation(agent, encode_text(sides), f"deb_{number}", "local", 1.0)

    seen = [sides("claude", number, Sides(3, 1, 1)) for number in range(4)]
    noted = Noted(insights=[*seen, *seen, sides("gpt", 1, Sides(3)), replace(seen[0], debate_id="deb_9", body="[")])
    (found,) = await Debaters(noted, Agents(), Ratings()).steadiness(spec(9))
    assert (found.agent, found.debates, found.rounds, found.flips) == ("claude", 4, 12, 4)
    assert noted.asked == [(HOME, "insights", agent, insights.READ) for agent in ("claude", "gpt", "gemini")]


async def test_who_has_a_rating_is_told_by_it_and_who_has_none_by_its_model_or_provider() -> None:
    ended = [elo.observe(taught(number))[0] for number in range(3)]
    noted = Noted(elo=[*ended, *ended, replace(ended[0], debate_id="deb_9", body="[")])
    ratings = Ratings(storage={"claude": StoredRating("claude", "storage", 1532.0, 12), "gpt": StoredRating("gpt")})
    claude, gpt, gemini = await Debaters(noted, Agents(), ratings).rated(spec(9))
    assert (claude.elo, claude.debates, claude.prior) == (1532.0, 12, None)
    assert gpt.elo is None, "only the outcome of a vote of its is known"
    assert gpt.prior is not None
    assert (gpt.prior.basis, gpt.prior.of, gpt.prior.n, gpt.prior.won) == (Basis.MODEL, "stub/stub-1", 9, 6)
    assert gemini.prior is not None
    assert (gemini.prior.basis, gemini.prior.of, gemini.prior.n) == (Basis.PROVIDER, "stub", 9)
    (gone, *_) = await Debaters(noted, Agents(), Ratings()).rated(spec(9))
    assert gone.prior is not None
    assert (gone.prior.basis, gone.prior.n) == (Basis.NOTHING, 0)


async def test_the_ratings_are_those_of_the_organisation_in_the_domain() -> None:
    ratings = Ratings()
    await Debaters(Noted(), Agents(), ratings).rated(spec(9, org_id="org_2"))
    assert ratings.asked == [scope_of("org_2", "storage")]


async def test_a_store_that_is_slow_is_let_go() -> None:
    noted = Noted()
    noted.free.clear()
    with pytest.raises(Unavailable, match="how agents come to agree is not read in time"):
        await Debaters(noted, Agents(), Ratings(), limit_s=0.01).steadiness(spec(9))
    with pytest.raises(Unavailable, match="not read in time"):
        await Debaters(noted, Agents(), Ratings(), limit_s=0.01).team(spec(9), named=False)
