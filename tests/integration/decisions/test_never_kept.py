"""C7: what rests on something that another time would be otherwise is never given again, whether the next question
judges it or the job."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, Final

import pytest
from pydantic import SecretStr
from worlds.decisions import DecisionSite, agreeing, decision_site
from worlds.memory_engine import answer
from worlds.waiting import eventually

from aragora.config.settings import Settings
from aragora.debate.model import (
    AgentAnswer,
    AgentFailure,
    AgentRequest,
    AskKind,
    Ballot,
    DebateStatus,
    Proposal,
    Reply,
)
from aragora.debate.running.engine import DebateEngine
from aragora.decisions.entry import Entry
from aragora.decisions.upkeep import keeping_decisions

pytestmark = pytest.mark.parametrize("settings", ["sqlite"], indirect=True)

Script = Callable[[AgentRequest], Reply | None]
Deed = Callable[[DebateEngine, str, tuple[str, ...]], Awaitable[Any]]

BY_PEOPLE: Final[dict[str, tuple[AskKind, Script, Deed]]] = {
    "a vote": (AskKind.PROPOSE, agreeing, lambda engine, debate, team: engine.vote(debate, "ann", team[0], 5, "v1")),
    "a suggestion": (
        AskKind.PROPOSE,
        agreeing,
        lambda engine, debate, _: engine.suggest(debate, "ann", "Or not?", "s1"),
    ),
    "a correction": (AskKind.VOTE, answer, lambda engine, debate, team: engine.correct(debate, "ann", (team,), "c1")),
}
"""What people do, which asks are held back meanwhile, and how the agents answer."""


async def never_kept(site: DecisionSite, debate_id: str, **more: Any) -> Entry:
    """Neither the next question nor the job gives the decision again; the debate as it ended."""
    entries = site.ports[0].deciding.router.entries
    ended = await entries.of_debate(debate_id)
    assert ended is not None
    await keeping_decisions(site.ports[0].deciding.router, site.ports[0].requests).run()
    assert dict(await entries.sizes(site.clock.now())) == {}
    assert (await site.ask(202, **more))["debate_id"] != debate_id
    return ended


@pytest.mark.parametrize("what", BY_PEOPLE)
async def test_what_people_took_part_in(what: str, site: DecisionSite) -> None:
    phase, others, deed = BY_PEOPLE[what]
    held: list[AgentRequest] = []
    site.agents.script = lambda request: held.append(request) if request.ask.kind is phase else others(request)
    debate = (await site.ask(202, rounds=1))["debate_id"]
    await eventually(lambda: _all_three(held))
    await deed(site.engine.engine, debate, tuple(sorted(request.ask.agent for request in held)))
    site.agents.script = others
    replies = [reply for request in held if (reply := others(request)) is not None]
    site.engine.engine.receive(debate, replies)
    await site.ended([debate])
    ended = await never_kept(site, debate, rounds=1)
    assert '"reached":true' in (ended.decision or "")


async def _all_three(held: list[AgentRequest]) -> bool:
    return len(held) >= 3


def failing(request: AgentRequest) -> Reply | None:
    """One of the agents cannot answer."""
    if request.ask.agent.endswith(("pragmatist", "skeptic")):
        return AgentFailure(request.ask.ask_id, request.ask.agent, "timeout", "it took too long")
    return agreeing(request)


def silent(request: AgentRequest) -> Reply | None:
    """No agent can answer."""
    return AgentFailure(request.ask.ask_id, request.ask.agent, "timeout", "it took too long")


def quarrelling(request: AgentRequest) -> Reply | None:
    """Everybody says something else, and votes for it."""
    said = answer(request)
    if request.ask.kind is AskKind.VOTE and isinstance(said, AgentAnswer):
        labels = tuple(one.label for one in request.brief.candidates)
        own = next((one.label for one in request.brief.candidates if request.ask.agent in one.text), labels[0])
        return AgentAnswer(said.ask_id, said.agent, Ballot(own, 0.8, "it is mine", labels), said.usage)
    return said


async def test_what_an_agent_failed_in(settings: Settings) -> None:
    async with decision_site(settings, script=failing) as site:
        ended = await never_kept(site, await site.decided())
        assert '"degraded":["' in (ended.decision or "")


async def test_what_failed(settings: Settings) -> None:
    async with decision_site(settings, script=silent) as site:
        assert (await never_kept(site, await site.decided())).status is DebateStatus.FAILED


OPTIONS: Final = ["yes", "no"]
"""One candidate each, whatever is said for them."""


def doubting(request: AgentRequest) -> Reply | None:
    """One of the agents is for the other option, and stays alone with it."""
    alone = request.ask.agent.endswith("skeptic")
    said = answer(request) if alone else agreeing(request)
    if not isinstance(said, AgentAnswer):
        return said
    if isinstance(said.content, Proposal):
        return replace(said, content=replace(said.content, option=OPTIONS[alone]))
    if request.ask.kind is AskKind.VOTE:
        labels = tuple(one.label for one in request.brief.candidates)
        chosen = next(one.label for one in request.brief.candidates if ("skeptic" in one.text) is alone)
        return replace(said, content=Ballot(chosen, 0.8, "it is clear", labels))
    return said


async def test_what_was_cancelled(site: DecisionSite) -> None:
    site.agents.script = lambda _: None
    debate = (await site.ask(202))["debate_id"]
    await site.engine.engine.cancel(debate, "ann")
    await site.ended([debate])
    assert (await never_kept(site, debate)).status is DebateStatus.CANCELLED


async def test_what_nobody_agreed_on(settings: Settings) -> None:
    async with decision_site(settings, script=quarrelling) as site:
        ended = await never_kept(site, await site.decided(consensus="unanimous"), consensus="unanimous")
        assert '"reached":false' in (ended.decision or "")


async def test_what_few_stand_behind(settings: Settings) -> None:
    sure = settings.model_copy(update={"decision_confidence_min": 1.0})
    async with decision_site(sure, script=doubting) as site:
        ended = await never_kept(site, await site.decided(options=OPTIONS), options=OPTIONS)
        assert '"reached":true' in (ended.decision or "")


def expensive(request: AgentRequest) -> Reply | None:
    """Three answers take the whole budget."""
    said = answer(request)
    return replace(said, usage=replace(said.usage, cost_usd=0.4)) if isinstance(said, AgentAnswer) else said


async def test_what_its_budget_ended(settings: Settings) -> None:
    priced = settings.model_copy(update={"anthropic_api_key": SecretStr("sk-ant-none")})
    async with decision_site(priced, script=expensive) as site:
        ended = await never_kept(site, await site.decided(budget_usd=1.0), budget_usd=1.0)
        assert '"stopped_by":"budget"' in (ended.decision or "")


async def test_what_people_must_sign(site: DecisionSite) -> None:
    first = (await site.ask(202, needs=["role:owner"]))["debate_id"]
    assert (await site.ask(202, needs=["role:owner"]))["debate_id"] != first
    kept = dict(await site.ports[0].deciding.router.entries.sizes(site.clock.now()))
    assert kept == {}, "it has not even a key"
