"""kill -9 of the coordinator with 200 debates in flight: all end, nothing is paid for twice, nobody misses an event.

A server of its own: its stubs take 200 ms and write down every ask they serve.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from worlds.event_client import EventClient, listening
from worlds.live_server import LiveServer, running
from worlds.server_processes import kill_coordinator, named

pytestmark = [pytest.mark.slow, pytest.mark.chaos]

DEBATES = 200
CLIENTS = 20
WATCHED = 20  # debates per client: each debate is watched by two
END_S = 300.0


@dataclass
class World:
    server: LiveServer
    log: Path

    def served(self) -> list[str]:
        """The id of every ask that a stub has begun to answer, in order."""
        return self.log.read_text().splitlines() if self.log.exists() else []

    def journaled(self) -> set[str]:
        """The asks whose answers are durable now, read beside the server."""
        with closing(sqlite3.connect(self.server.data_dir / "debates.db")) as store:
            payloads = store.execute("SELECT payload FROM journal WHERE type IN ('agent_message', 'critique', 'vote')")
            return {json.loads(payload)["data"]["ask_id"] for (payload,) in payloads}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    directory = tmp_path_factory.mktemp("crash")
    log = directory / "stub.log"
    with running(directory / "data", ARAGORA_STUB_LATENCY_MS="200", ARAGORA_STUB_LOG=str(log)) as server:
        yield World(server, log)


async def test_two_hundred_debates_survive_the_death_of_their_coordinator(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    server = world.server
    asked_before = len(world.served())
    opened = await open_debates(server, DEBATES)
    async with AsyncExitStack() as stack:
        clients = await watch(stack, server, opened)
        listeners = [asyncio.ensure_future(client.until_ended(subscribed, END_S)) for client, subscribed in clients]
        await asyncio.to_thread(lambda: server.until(lambda: len(world.served()) - asked_before > 10 * DEBATES))

        killed_at = time.monotonic()
        await asyncio.to_thread(kill_coordinator, server.data_dir)
        durable, before = world.journaled(), world.served()

        await asyncio.gather(*listeners)
        took = time.monotonic() - killed_at
    statuses = Counter(server.get(f"/api/debates/{one}")["status"] for one in opened)
    again = [ask for ask, times in Counter(world.served()).items() if times > 1]
    gaps = gaps_of(clients)
    summary = (
        f"\n{DEBATES} debates, {dict(statuses)}; {len(durable)} answers durable at the kill, "
        f"{len(before)} asks served before it; {len(again)} asked again, of which {len(durable & set(again))} were "
        f"durable; {sum(len(subscribed) for _, subscribed in clients)} subscriptions, {len(gaps)} with gaps or "
        f"repetitions; all ended {took:.1f} s after the kill\n"
    )
    with capsys.disabled():
        sys.stdout.write(summary)

    assert statuses == {"completed": DEBATES}
    assert durable, "the kill came in the midst of it"
    assert not durable & set(again)
    assert not gaps
    assert server.get("/api/health/ready")["status"] == "ready"


async def test_debates_survive_the_death_of_an_agent_and_the_coordinator_at_once(world: World) -> None:
    server = world.server
    opened = await open_debates(server, 40)
    async with AsyncExitStack() as stack:
        clients = await watch(stack, server, opened)
        listeners = [asyncio.ensure_future(client.until_ended(subscribed, END_S)) for client, subscribed in clients]
        await asyncio.to_thread(lambda: server.until(lambda: server.get(f"/api/debates/{opened[-1]}")["last_seq"] > 12))

        os.kill(named(server.data_dir, "ray::AgentActor")[0].pid, signal.SIGKILL)
        await asyncio.to_thread(kill_coordinator, server.data_dir)
        durable, before = world.journaled(), len(world.served())

        await asyncio.gather(*listeners)
    later = set(world.served()[before:])

    assert {server.get(f"/api/debates/{one}")["status"] for one in opened} == {"completed"}
    assert not durable & later
    assert not gaps_of(clients)


async def open_debates(server: LiveServer, count: int) -> list[str]:
    with ThreadPoolExecutor(16) as pool:
        return await asyncio.to_thread(lambda: list(pool.map(lambda _: server.debate(rounds=2), range(count))))


async def watch(
    stack: AsyncExitStack, server: LiveServer, opened: list[str]
) -> list[tuple[EventClient, tuple[str, ...]]]:
    """Clients on both ports in turn, each with its share of the debates."""
    clients = []
    count = max(2, CLIENTS * len(opened) // DEBATES)
    for number in range(count):
        client = await stack.enter_async_context(listening(server.ws_port if number % 2 else server.http_port))
        first = number * WATCHED // 2
        subscribed = tuple(opened[(first + index) % len(opened)] for index in range(min(WATCHED, len(opened))))
        for debate_id in subscribed:
            await client.subscribe(debate_id)
        clients.append((client, subscribed))
    return clients


def gaps_of(clients: list[tuple[EventClient, tuple[str, ...]]]) -> list[tuple[str, list[int]]]:
    """Subscriptions that did not see 1, 2, 3 ... up to the end, each once."""
    return [
        (debate_id, client.seqs(debate_id))
        for client, subscribed in clients
        for debate_id in subscribed
        if client.seqs(debate_id) != list(range(1, len(client.seqs(debate_id)) + 1)) or debate_id not in client.ended
    ]
