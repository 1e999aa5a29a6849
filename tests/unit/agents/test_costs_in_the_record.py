"""What an ask cost, and what its agent did not see, reaches the journal; of a withdrawn one at least the log."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace

import pytest
from structlog.testing import capture_logs
from worlds import debating
from worlds.waiting import eventually

from actors import agent as module
from actors.agent import AgentActor
from aragora.agents import wire
from aragora.agents.answering import Answering
from aragora.config.settings import Settings
from aragora.debate.journal import row_of
from aragora.debate.model import AgentRequest, Usage

from .conftest import ScriptedProvider

GUESSED = Usage("anthropic", "m", 10, 20, 0.25, 0.5, estimated=True)
REMARK = "saw 10 of 20 characters of the context: its model takes no more"


def test_that_a_count_is_estimated_and_what_was_not_seen_stands_in_the_events_of_a_debate() -> None:
    def reply(request: AgentRequest) -> wire.Reply:
        answer = replace(debating.answer_to(request), usage=GUESSED, remarks=(REMARK,))
        (arrived,) = wire.decode_replies(wire.encode_replies([answer]))
        return arrived

    run = debating.start(debating.spec_of()).play(reply)
    payloads = [json.loads(row_of("deb_1", seq, 1.0, event).payload) for seq, event in enumerate(run.events, 1)]
    seen = {payload["type"]: payload["data"] for payload in payloads}
    for kind in ("agent_message", "critique", "vote"):
        assert seen[kind]["usage"]["estimated"] is True
        assert seen[kind]["usage"]["cost_usd"] == 0.25
        assert seen[kind]["remarks"] == [REMARK]


async def test_a_straggler_whose_debate_is_withdrawn_is_in_the_log_with_what_its_call_has_cost(
    answering: Callable[..., Answering], ask: Callable[..., AgentRequest], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "POLL_S", 0.01)
    provider = ScriptedProvider("anthropic", [60.0])
    provider.spent = GUESSED
    actor = AgentActor("anthropic-api", Settings())
    actor._answering = answering(provider)
    with capture_logs() as lines:
        await actor.exchange("coordinator", wire.encode_requests([ask()]).raw)
        await eventually(lambda: provider.calls)
        await actor.exchange("coordinator", b"", ("deb_1",))
        await eventually(lambda: any(line["event"] == "agent=anthropic-api withdrawn" for line in lines))
    (line,) = [line for line in lines if line["event"] == "agent=anthropic-api withdrawn"]
    assert (line["debate_id"], line["cost_usd"], line["input_tokens"], line["estimated"]) == ("deb_1", 0.25, 10, True)
    await asyncio.sleep(0)  # the task ends
    assert not actor._busy()
