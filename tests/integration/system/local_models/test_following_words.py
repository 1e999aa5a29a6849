"""Following what agents write, word by word, from the provider's stream to a client of a running server."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from typing import Any

import pytest
from worlds.live_server import LiveServer
from worlds.waiting import WAIT_S

from aragora.client import AragoraClient
from tests.standins.providers import Behaviour, ProviderStandIn

pytestmark = pytest.mark.slow
PIECE_S = 0.15  # between two pieces of an answer: slow enough that they do not travel together


async def test_who_asks_for_it_follows_every_word_and_everybody_gets_every_event(
    local: ProviderStandIn, local_server: LiveServer
) -> None:
    server, local.always = local_server, Behaviour(piece_s=PIECE_S)
    try:
        team = ["local", "local-skeptic", "local-pragmatist"]
        debate_id = await asyncio.to_thread(lambda: server.debate(agents=team, protocol="ensemble"))
        url = f"http://127.0.0.1:{server.http_port}"

        async def follow(*, deltas: bool) -> list[dict[str, Any]]:
            async with AragoraClient(url) as client, asyncio.timeout(2 * WAIT_S):
                return [json.loads(one.payload) async for one in client.follow(debate_id, deltas=deltas)]

        words, events = await asyncio.gather(follow(deltas=True), follow(deltas=False))
    finally:
        local.always = Behaviour()

    assert [message for message in words if message["seq"]] == events
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    written: dict[str, str] = defaultdict(str)
    pieces: dict[str, int] = defaultdict(int)
    answers = 0
    for message in words:
        data = message["data"]
        if message["type"] == "token":
            written[data["ask_id"]] = written[data["ask_id"]][: data["offset"]] + data["text"]
            pieces[data["ask_id"]] += 1
        elif message["type"] == "agent_message":
            answers += 1
            assert data["content"].startswith(written[data["ask_id"]]), "what was shown is what was answered"
            assert len(written[data["ask_id"]]) > 0
            assert pieces[data["ask_id"]] > 1
    assert answers == len(team)
