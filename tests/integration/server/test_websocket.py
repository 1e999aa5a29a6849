"""The WebSocket on a real socket: replay and follow, limits, refusals, heartbeats, drain."""

from __future__ import annotations

import asyncio
import socket as sockets
from contextlib import suppress
from functools import partial
from typing import Any

import httpx2
import pytest
from websockets.asyncio import client as websocket
from websockets.exceptions import ConnectionClosed, InvalidStatus
from worlds.waiting import WAIT_S, eventually

from aragora import encoding
from aragora.debate.model import RoundStarted

pytestmark = pytest.mark.slow
connect = partial(websocket.connect, open_timeout=WAIT_S)


async def test_the_first_message_is_connection_info(serve: Any, wire: Any) -> None:
    async with serve() as address, connect(f"ws://{address}/ws") as client:
        info = await wire.next_of(client, "connection_info")
        assert set(info) == {"type", "data", "timestamp", "seq", "loop_id"}
        assert info["data"]["version"] == "1.2.3"


@pytest.mark.parametrize("after", [0, 3, 250, 601])
async def test_a_late_client_gets_every_seq_once_however_long_the_past(
    world: Any, serve: Any, wire: Any, after: int
) -> None:
    world.add()
    await world.rounds("deb_1", 600)
    async with serve(ws_send_queue=100) as address, connect(f"ws://{address}/ws") as client:
        await wire.say(client, type="subscribe", debate_id="deb_1", after_seq=after)

        async def go_on() -> None:
            for number in range(50):
                await world.publish("deb_1", RoundStarted(number, ()))
                await asyncio.sleep(0)
            await world.end("deb_1")

        going_on = asyncio.create_task(go_on())
        seen = await wire.seqs_until_end(client)
        await going_on
    assert seen == list(range(after + 1, 653))


async def test_many_clients_of_one_debate_share_one_follower(world: Any, serve: Any, wire: Any) -> None:
    world.add()
    async with serve() as address:
        clients = [await connect(f"ws://{address}/ws") for _ in range(20)]
        for number, client in enumerate(clients):
            await wire.say(client, type="subscribe", debate_id="deb_1", after_seq=0)
            await wire.next_of(client, "debate_start")
            await world.publish("deb_1", RoundStarted(number, ()))
        await world.end("deb_1")
        seen = await asyncio.gather(*(wire.seqs_until_end(client) for client in clients))
        for client in clients:
            await client.close()
    assert all(one == list(range(2, 23)) for one in seen)
    assert world.follows == 1


async def test_following_ends_when_the_last_client_leaves(world: Any, serve: Any, wire: Any) -> None:
    world.add()
    async with serve() as address, connect(f"ws://{address}/ws") as client:
        await wire.say(client, type="subscribe", debate_id="deb_1")
        await wire.next_of(client, "debate_start")
        await wire.say(client, type="unsubscribe", debate_id="deb_1")
        await wire.say(client, type="ping")
        await wire.next_of(client, "pong")
        await world.rounds("deb_1", 1)
        await wire.say(client, type="subscribe", debate_id="deb_1", after_seq=1)
        assert (await wire.next_of(client, "round_start"))["seq"] == 2
        assert world.follows == 2


async def test_who_asks_for_it_sees_what_agents_write_between_the_events(world: Any, serve: Any, wire: Any) -> None:
    world.add()
    token = '{"type":"token","data":{"ask_id":"a","text":"Tea"},"timestamp":1.0,"seq":0,"loop_id":"deb_1"}'
    async with serve() as address:
        async with connect(f"ws://{address}/ws") as client, connect(f"ws://{address}/ws") as other:
            await wire.say(other, type="subscribe", debate_id="deb_1")
            await wire.next_of(other, "debate_start")
            await wire.say(client, type="subscribe", debate_id="deb_1", deltas=True)
            await wire.next_of(client, "debate_start")
            await eventually(lambda: world.shown == ["deb_1"])
            await world.glimpse("deb_1", token)
            assert (await wire.next_of(client, "token"))["data"]["text"] == "Tea"
            await world.end("deb_1")
            assert await wire.seqs_until_end(other) == [2]
        events = f"http://{address}/api/debates/{world.add('deb_2')}/events?deltas=true"
        async with (
            httpx2.AsyncClient() as http,
            http.stream("GET", events, headers={"Accept": "text/event-stream"}) as stream,
        ):
            lines = stream.aiter_lines()
            await eventually(lambda: world.shown == ["deb_1", "deb_2"] and world.follows == 2)
            await world.glimpse("deb_2", token)
            async with asyncio.timeout(WAIT_S):
                while await anext(lines) != "event: token":
                    continue
                assert await anext(lines) == f"data: {token}"


async def test_an_ended_debate_is_replayed_whole(world: Any, serve: Any, wire: Any) -> None:
    world.add()
    await world.rounds("deb_1", 2)
    await world.end("deb_1")
    async with serve() as address, connect(f"ws://{address}/ws") as client:
        await wire.say(client, type="subscribe", debate_id="deb_1")
        assert await wire.seqs_until_end(client) == [1, 2, 3, 4]
    assert world.follows == 0


async def test_a_slow_client_is_dropped_with_a_reason_and_delays_nobody(
    boards: Any, world: Any, serve: Any, wire: Any
) -> None:
    world.add()
    async with serve(ws_send_queue=20) as address:
        host, _, port = address.partition(":")
        narrow = sockets.socket()
        narrow.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4096)
        narrow.setblocking(False)
        await asyncio.get_running_loop().sock_connect(narrow, (host, int(port)))
        slow = await connect(f"ws://{address}/ws", sock=narrow, max_queue=1)
        async with connect(f"ws://{address}/ws") as quick:
            for client in (slow, quick):
                await wire.say(client, type="subscribe", debate_id="deb_1")
            await wire.next_of(quick, "debate_start")
            for number in range(300):
                await world.publish("deb_1", RoundStarted(number, ("x" * 50_000,)))
                await wire.next_of(quick, "round_start")
            await wire.until(lambda: boards.reports["local"][0] == 1)
            assert boards.reports["local"][2] > 0
        code, reason = await wire.end_of(slow)
    assert (code, reason[:11]) == (1013, "slow client")


async def test_an_oversize_message_ends_the_connection(serve: Any, wire: Any) -> None:
    async with (
        serve(ws_max_message_bytes=1000) as address,
        connect(f"ws://{address}/ws") as client,
    ):
        await wire.next_of(client, "connection_info")
        await client.send("x" * 1001)
        with pytest.raises(ConnectionClosed) as closed:
            await client.recv()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1009


@pytest.mark.parametrize("text", ["", "junk", "{}", '{"type":"odd"}', '{"type":"subscribe"}', "[" * 20_000, "\x00"])
async def test_a_message_that_is_none_gets_an_error_and_the_connection_lives(serve: Any, wire: Any, text: str) -> None:
    async with serve() as address, connect(f"ws://{address}/ws") as client:
        await client.send(text)
        assert (await wire.next_of(client, "error"))["data"]["code"] == "invalid_input"
        await wire.say(client, type="ping")
        await wire.next_of(client, "pong")


async def test_an_unknown_debate_is_told_and_binary_is_not_understood(serve: Any, wire: Any) -> None:
    async with serve() as address, connect(f"ws://{address}/ws") as client:
        await wire.say(client, type="subscribe", debate_id="none")
        error = await wire.next_of(client, "error")
        assert (error["data"]["code"], error["loop_id"]) == ("not_found", "none")
        await client.send(b"\x00")
        with pytest.raises(ConnectionClosed) as closed:
            await client.recv()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1003


async def test_people_vote_suggest_and_list_over_the_socket(world: Any, serve: Any, wire: Any) -> None:
    world.add()
    async with serve() as address, connect(f"ws://{address}/ws") as client:
        await wire.say(client, type="get_loops")
        loops = (await wire.next_of(client, "loops"))["data"]["loops"]
        assert [loop["loop_id"] for loop in loops] == ["deb_1"]
        await wire.say(client, type="user_vote", loop_id="deb_1", payload={"choice": "ada", "intensity": 8})
        assert (await wire.next_of(client, "ack"))["data"] == {"of": "user_vote", "journal_seq": 2}
        await wire.say(client, type="user_suggestion", loop_id="deb_1", payload={"text": "Think of sleep."})
        assert (await wire.next_of(client, "ack"))["data"]["journal_seq"] == 3


async def test_an_idle_connection_hears_heartbeats(serve: Any, wire: Any) -> None:
    async with serve(ws_heartbeat_s=0.1) as address, connect(f"ws://{address}/ws") as client:
        await wire.next_of(client, "heartbeat")
        await wire.next_of(client, "heartbeat")


@pytest.mark.parametrize(
    ("origin", "welcome"),
    [("http://{}", True), ("https://evil.example", False), ("null", False), ("https://app.example", True)],
)
async def test_only_known_web_origins_may_connect(serve: Any, origin: str, welcome: bool) -> None:
    async with serve(allowed_origins=("https://app.example",)) as address:
        if welcome:
            async with connect(f"ws://{address}/ws", origin=origin.format(address)) as client:  # type: ignore[arg-type]
                await client.recv()
        else:
            with pytest.raises(InvalidStatus) as refused:
                await connect(f"ws://{address}/ws", origin=origin)  # type: ignore[arg-type]
            assert refused.value.response.status_code == 403


async def test_a_stranger_is_refused_and_the_token_is_taken_from_header_or_query(serve: Any) -> None:
    async with serve(api_token="secret") as address:
        with pytest.raises(InvalidStatus) as refused:
            await connect(f"ws://{address}/ws")
        assert refused.value.response.status_code == 401
        async with connect(f"ws://{address}/ws?token=secret") as client:
            await client.recv()
        async with connect(f"ws://{address}/ws", additional_headers={"Authorization": "Bearer secret"}) as client:
            await client.recv()


async def test_in_production_a_token_in_the_address_is_refused_with_the_way_to_a_ticket(serve: Any) -> None:
    token = "secret" * 20  # longer than any ticket: no store is asked
    async with serve(environment="production", api_token=token) as address:
        with pytest.raises(InvalidStatus) as refused:
            await connect(f"ws://{address}/ws?token={token}")
        assert refused.value.response.status_code == 401
        assert b"POST /api/auth/ws-ticket" in (refused.value.response.body or b"")
        async with connect(f"ws://{address}/ws", additional_headers={"Authorization": f"Bearer {token}"}) as client:
            await client.recv()


async def test_one_more_connection_than_a_person_may_hold_is_refused_on_every_transport(
    world: Any, serve: Any, wire: Any
) -> None:
    world.add()
    bearer = {"Authorization": "Bearer secret"}
    async with serve(api_token="secret", max_connections_per_user=2) as address:
        first, second = [await connect(f"ws://{address}/ws", additional_headers=bearer) for _ in range(2)]
        with pytest.raises(InvalidStatus) as refused:
            await connect(f"ws://{address}/ws", additional_headers=bearer)
        answer = refused.value.response
        assert answer.status_code == 429
        assert encoding.decode(answer.body or b"")["error"]["code"] == "too_many_connections"
        assert int(answer.headers["Retry-After"]) >= 1
        async with httpx2.AsyncClient(base_url=f"http://{address}", headers=bearer) as http:
            for path in ("/api/debates/deb_1/events", "/api/debates/export"):
                refusal = await http.get(path, headers={"Accept": "text/event-stream"})
                assert refusal.status_code == 429
                assert refusal.json()["error"]["code"] == "too_many_connections"
            await first.close()

            async def exported() -> bool:
                return (await http.get("/api/debates/export")).status_code == 200

            await eventually(exported)
        await second.close()


async def test_an_event_stream_that_nobody_reads_is_cut_off_and_its_place_is_free(world: Any, serve: Any) -> None:
    world.add()
    await world.publish("deb_1", RoundStarted(0, ("x" * 30_000_000,)))
    bearer = "Authorization: Bearer secret\r\n"
    async with serve(api_token="secret", max_connections_per_user=1, ws_heartbeat_s=0.2) as address:
        host, _, port = address.partition(":")
        reader, writer = await asyncio.open_connection(host, int(port), limit=1024)
        writer.write(
            f"GET /api/debates/deb_1/events HTTP/1.1\r\nHost: {host}\r\nAccept: text/event-stream\r\n{bearer}\r\n".encode()
        )
        await reader.readuntil(b"\r\n\r\n")

        async def free() -> bool:
            async with httpx2.AsyncClient(base_url=f"http://{address}") as http:
                answer = await http.get("/api/debates/export", headers={"Authorization": "Bearer secret"})
            return answer.status_code == 200

        await eventually(free)
        writer.close()


async def test_after_head_of_a_stream_the_connection_serves_the_next_request(world: Any, serve: Any) -> None:
    world.add()
    async with serve() as address:
        host, _, port = address.partition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        for path in ("HEAD /api/debates/deb_1/events", "HEAD /api/debates/export", "GET /api/health"):
            writer.write(f"{path} HTTP/1.1\r\nHost: {address}\r\nAccept: text/event-stream\r\n\r\n".encode())
            async with asyncio.timeout(WAIT_S):
                assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
        writer.close()


@pytest.mark.parametrize(
    ("asked", "status", "code"),
    [
        ("POST /api/debates", 408, b'"body_timeout"'),
        ("POST /api/nowhere", 404, b'"not_found"'),
        ("GET /api/debates", 200, b'"debates"'),
    ],
)
async def test_a_body_that_trickles_in_holds_its_connection_for_a_bounded_time(
    serve: Any, asked: str, status: int, code: bytes
) -> None:
    async with serve(body_deadline_s=0.3) as address:
        host, _, port = address.partition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        head = f"{asked} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n"
        writer.write(f"{head}Content-Length: 1000\r\n\r\n".encode())

        async def trickle() -> None:
            while True:
                writer.write(b" ")
                await asyncio.sleep(0.05)

        trickling = asyncio.create_task(trickle())
        answer = b""
        async with asyncio.timeout(WAIT_S):
            with suppress(ConnectionResetError):  # the answer to what still trickled in when the server had closed
                while piece := await reader.read(65_536):
                    answer += piece
        trickling.cancel()
        assert answer.startswith(f"HTTP/1.1 {status} ".encode())
        assert code in answer


async def test_too_many_connections_or_subscriptions_are_refused(world: Any, serve: Any, wire: Any) -> None:
    world.add("deb_1")
    world.add("deb_2")
    async with serve(ws_max_connections=1, ws_max_subscriptions=1) as address, connect(f"ws://{address}/ws") as client:
        with pytest.raises(InvalidStatus) as refused:
            await connect(f"ws://{address}/ws")
        assert refused.value.response.status_code == 503
        await wire.say(client, type="subscribe", debate_id="deb_1")
        await wire.say(client, type="subscribe", debate_id="deb_2")
        code, reason = await wire.end_of(client)
    assert (code, reason) == (1008, "too many subscriptions on one connection")


async def test_a_draining_server_says_goodbye_with_its_reason(boards: Any, serve: Any, wire: Any) -> None:
    async with serve() as address, connect(f"ws://{address}/ws") as client:
        await wire.next_of(client, "connection_info")
        boards.drained.set_result("restarting for an update")
        with pytest.raises(ConnectionClosed) as closed:
            await client.recv()
    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1012, "restarting for an update")


async def test_figures_reach_the_board(boards: Any, serve: Any, wire: Any) -> None:
    async with serve(ws_heartbeat_s=0.2) as address:
        async with connect(f"ws://{address}/ws"):
            await wire.until(lambda: boards.reports.get("local", (0,))[0] == 1)
        await wire.until(lambda: boards.reports["local"][0] == 0)
        assert boards.reports["local"][1] >= 1
