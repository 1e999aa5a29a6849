"""Watching debates over WebSocket, on both ports of a running server."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from worlds.event_client import listening
from worlds.live_server import LiveServer
from worlds.waiting import WAIT_S

pytestmark = pytest.mark.slow

T = TypeVar("T")
PORTS = {"the WebSocket port": "ws_port", "the HTTP port": "http_port"}


@pytest.fixture(params=list(PORTS.values()), ids=list(PORTS))
def port(request: pytest.FixtureRequest, server: LiveServer) -> int:
    number: int = getattr(server, request.param)
    return number


async def test_the_server_introduces_itself_first(port: int) -> None:
    async with listening(port) as client:
        assert client.info["type"] == "connection_info"
        assert client.info["seq"] == 0
        assert client.info["data"]["connection_id"]


async def test_an_ended_debate_is_replayed_whole_in_the_contracts_envelope(
    server: LiveServer, debate_id: str, port: int
) -> None:
    async with listening(port) as client:
        await client.subscribe(debate_id)
        await client.until_ended([debate_id])

    assert client.events[debate_id] == server.get(f"/api/debates/{debate_id}/events")["events"]
    for event in client.events[debate_id]:
        assert event.keys() >= {"type", "data", "timestamp", "seq", "loop_id"}
        assert event["loop_id"] == debate_id


async def test_a_subscription_replays_what_was_missed_and_follows_to_the_end(server: LiveServer, port: int) -> None:
    """Joined while it runs, at a seq that has passed: each later seq comes once and in order."""
    running = await in_thread(lambda: server.debate(rounds=8))
    await in_thread(lambda: server.until(lambda: server.get(f"/api/debates/{running}")["last_seq"] > 10))

    async with listening(port) as client:
        await client.subscribe(running, after_seq=4)
        await client.until_ended([running])

    last = client.seqs(running)[-1]
    assert client.seqs(running) == list(range(5, last + 1))


async def test_a_client_that_comes_back_with_its_last_seq_misses_nothing(server: LiveServer, port: int) -> None:
    running = await in_thread(lambda: server.debate(rounds=8))
    async with listening(port) as client:
        await client.subscribe(running)
        while len(client.seqs(running)) < 7:
            await client.hear()
        first = client.seqs(running)

    async with listening(port) as client:
        await client.subscribe(running, after_seq=first[-1])
        await client.until_ended([running])

    seen = first + client.seqs(running)
    assert seen == list(range(1, len(seen) + 1))


async def test_fifty_clients_of_one_debate_see_the_same(server: LiveServer, port: int) -> None:
    running = await in_thread(lambda: server.debate(rounds=3))

    async def watch() -> list[int]:
        async with listening(port) as client:
            await client.subscribe(running)
            await client.until_ended([running])
            return client.seqs(running)

    seen = await asyncio.gather(*(watch() for _ in range(50)))

    assert all(seqs == list(range(1, len(seen[0]) + 1)) for seqs in seen)


async def test_a_person_votes_suggests_and_lists_over_the_socket(server: LiveServer, port: int) -> None:
    running = await in_thread(lambda: server.long_debate(rounds=20))

    async with listening(port) as client:
        await client.say(type="ping")
        await client.next_of("pong")
        await client.say(type="get_loops")
        loops = await client.next_of("loops")
        await client.say(type="user_vote", loop_id=running, payload={"choice": "stub-1", "intensity": 3})
        vote = await client.next_of("ack")
        await client.say(type="user_suggestion", loop_id=running, payload={"text": "Be brief."})
        suggestion = await client.next_of("ack")

    assert running in [loop["loop_id"] for loop in loops["data"]["loops"]]
    assert 1 < vote["data"]["journal_seq"] < suggestion["data"]["journal_seq"]
    await in_thread(lambda: server.request("POST", f"/api/debates/{running}/cancel"))


async def test_nonsense_is_answered_and_the_connection_lives_on(port: int) -> None:
    async with listening(port) as client:
        await client.socket.send("{nonsense")
        await client.next_of("error")
        await client.subscribe("deb_unknown")
        unknown = await client.next_of("error")
        await client.say(type="ping")
        await client.next_of("pong")

    assert unknown["data"]["code"] == "not_found"


async def test_a_message_over_the_limit_ends_the_connection_with_a_reason(port: int) -> None:
    async with listening(port) as client:
        limit = client.info["data"]["max_message_bytes"]
        await client.socket.send("x" * (limit + 1))
        with pytest.raises(ConnectionClosed) as closed:
            await client.next_of("never")

    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1009


async def test_another_sites_page_gets_no_connection(port: int) -> None:
    from websockets.asyncio.client import connect

    with pytest.raises(InvalidStatus) as refused:
        async with connect(
            f"ws://127.0.0.1:{port}/ws", additional_headers={"Origin": "https://evil.example"}, open_timeout=WAIT_S
        ):
            pass

    assert refused.value.response.status_code == 403


async def test_connections_are_counted_everywhere_alike(server: LiveServer) -> None:
    # Replicas report once a second: those of earlier tests may not be gone from the figures.
    await in_thread(lambda: server.until(lambda: server.get("/api/ws/stats")["connections"] == 0))
    async with listening(server.ws_port), listening(server.http_port) as client:
        await client.say(type="ping")
        await client.next_of("pong")
        await in_thread(lambda: server.until(lambda: server.get("/api/ws/stats")["connections"] == 2))
        assert (await in_thread(lambda: server.get("/api/health/ws")))["clients"] == 2
        assert "\naragora_websocket_connections 2.0\n" in await in_thread(lambda: server.get("/metrics"))

    await in_thread(lambda: server.until(lambda: server.get("/api/ws/stats")["connections"] == 0))


async def test_the_page_is_served_to_browsers_on_the_http_port_only_as_http(server: LiveServer) -> None:
    """A plain GET of /ws is no handshake: told so, not hung."""
    answer = await in_thread(lambda: server.request("GET", "/ws"))

    assert answer.status in (404, 426), answer.body


async def in_thread(call: Callable[[], T]) -> T:
    """A blocking call of the server, off the loop that reads the sockets."""
    return await asyncio.to_thread(call)
