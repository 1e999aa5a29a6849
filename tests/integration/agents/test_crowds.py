"""Many calls at once: a provider that takes fewer, and a hundred that are given up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest
from worlds.waiting import eventually

from aragora.agents.answering import Answering
from aragora.debate.model import AgentAnswer
from tests.standins.odd_streams import ANSWER, chunk, sse
from tests.standins.providers import Behaviour, ProviderStandIn

from .conftest import request_for

pytestmark = pytest.mark.slow
Build = Callable[..., Answering]
ALONE: dict[str, Any] = {"openrouter_api_key": None}


def connections(standin: ProviderStandIn) -> int:
    """The connections to the stand-in that its clients hold open, as the system has them."""
    port = urlsplit(standin.url).port
    mine = psutil.Process().net_connections("tcp")
    return sum(one.status == psutil.CONN_ESTABLISHED and bool(one.raddr) and one.raddr.port == port for one in mine)


async def test_three_agents_of_a_key_that_allows_one_call_at_a_time_all_answer(
    answering_of: Build, standin: ProviderStandIn
) -> None:
    busy = Behaviour(status=429, headers={"Retry-After": "1"}, message="too many concurrent requests")
    standin.next(Behaviour(), busy, busy)
    agents = [answering_of(name, **ALONE) for name in ("openai-api", "openai-api-skeptic", "openai-api-pragmatist")]
    replies = await asyncio.gather(*(agent.answer(request_for()) for agent in agents))
    assert [type(reply) for reply in replies] == [AgentAnswer] * 3
    assert len(standin.seen) == 5


async def test_a_hundred_asks_that_are_cancelled_leave_no_connection_open_and_their_agent_answers_on(
    answering_of: Build, standin: ProviderStandIn
) -> None:
    agent = answering_of("openai-api", **ALONE)
    await agent.answer(request_for())  # the SDK is imported, and one connection kept
    kept = connections(standin)
    standin.always = sse(chunk(ANSWER[:20]), silent=True)
    asked = [asyncio.create_task(agent.answer(request_for())) for _ in range(100)]
    await eventually(lambda: len(standin.seen) == 101)
    assert connections(standin) >= 100
    for one in asked:
        one.cancel()
    ended = await asyncio.gather(*asked, return_exceptions=True)
    assert {type(one) for one in ended} == {asyncio.CancelledError}
    await eventually(lambda: connections(standin) <= kept, deadline_s=45)  # the stand-in itself ends them after 60 s
    standin.always = Behaviour()
    assert isinstance(await agent.answer(request_for()), AgentAnswer)
