"""kill -9 of the coordinator with 200 debates in flight: all end, nothing is paid for twice, nobody misses an event.
And of the runner of executions, while signals and answers are sent: none is lost, and no step is done twice.

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
from typing import Any

import pytest
from worlds.event_client import EventClient, listening
from worlds.live_server import LiveServer, running
from worlds.server_processes import kill_coordinator, named

pytestmark = [pytest.mark.slow, pytest.mark.chaos]

DEBATES = 200
CLIENTS = 20
WATCHED = 20  # debates per client: each debate is watched by two
END_S = 300.0
RUNNER = "ray::WorkflowRunnerActor"
RUNS = 6
ROUNDS = 2
DEATHS = 3
SIGNALLED = {
    "name": "signalled",
    "entry": "rounds",
    "steps": [
        {"id": "rounds", "type": "loop", "block": "go", "rounds_max": ROUNDS, "next": "sign"},
        {"id": "go", "type": "wait", "event": "go", "next": "ask"},
        {"id": "ask", "type": "ask", "question": "Round {{ round }}?"},
        {
            "id": "sign",
            "type": "approval",
            "approvers": ["role:owner"],
            "deadline_s": None,
            "allow_requester": True,
            "allow_author": True,
            "next": "last",
        },
        {"id": "last", "type": "ask", "question": "Was it signed?"},
    ],
}


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


def test_executions_take_every_signal_and_answer_while_their_runner_dies_again_and_again(world: World) -> None:
    """W3, W20: as in a drain, where the runner's process ends and Ray begins it anew elsewhere. What is refused is
    refused with 503, so that it may be sent again."""
    server = world.server
    workflow_id = server.post("/api/workflows", {"definition": SIGNALLED})["workflow_id"]
    ids = [taken(server, f"/api/workflows/{workflow_id}/execute", {}, f"run {n}")["execution_id"] for n in range(RUNS)]

    def client(execution_id: str) -> None:
        for number in range(ROUNDS):
            path = f"/api/workflow-executions/{execution_id}/signals"
            taken(server, path, {"name": "go"}, f"{execution_id} {number}")
            server.until(lambda: types(server, execution_id).count("step_started") > 2 * number + 2)  # noqa: B023
        path = f"/api/workflow-approvals?status=pending&execution={execution_id}"
        (asked,) = server.until(lambda: server.get(path)["approvals"])
        shown = server.get(f"/api/workflow-approvals/{asked['approval_id']}")
        word = {"decision": "approve", "digest": shown["digest"]}
        taken(server, f"/api/workflow-approvals/{asked['approval_id']}/resolve", word, f"{execution_id} signs")

    with ThreadPoolExecutor(RUNS) as pool:
        clients = [pool.submit(client, execution_id) for execution_id in ids]
        for _ in range(DEATHS):
            runner = server.until(lambda: named(server.data_dir, RUNNER))[0]
            os.kill(runner.pid, signal.SIGKILL)
            server.until(lambda: all(one.pid != runner.pid for one in named(server.data_dir, RUNNER)))  # noqa: B023
            heard = server.until(lambda: sum(len(types(server, one)) for one in ids))
            server.until(
                lambda: (
                    sum(len(types(server, one)) for one in ids) > heard + RUNS  # noqa: B023
                    or all(one.done() for one in clients)
                )
            )
        for one in clients:
            one.result()
    for execution_id in ids:
        path = f"/api/workflow-executions/{execution_id}"
        server.until(lambda: server.get(path)["ended_at"] is not None, END_S)  # noqa: B023
        assert server.get(path)["status"] == "completed"
        happened = types(server, execution_id)
        assert happened.count("signal_received") == ROUNDS
        assert happened.count("approval_answered") == 1
        events = server.get(f"{path}/events?limit=1000")["events"]
        asks = [one["data"]["ask_id"] for one in events if one["type"] == "step_started"]
        assert len(asks) == len(set(asks))
        outputs = [one["data"]["output"] for one in events if one["type"] == "step_completed"]
        served = [output["debate_id"] for output in outputs if "debate_id" in output]
        assert len(served) == len(set(served)) == ROUNDS + 1


def types(server: LiveServer, execution_id: str) -> list[str]:
    events = server.get(f"/api/workflow-executions/{execution_id}/events?limit=1000")["events"]
    return [one["type"] for one in events]


def taken(server: LiveServer, path: str, body: Any, key: str) -> Any:
    """Send it until it is taken."""

    def once() -> Any:
        answer = server.request("POST", path, body, Idempotency_Key=key)
        assert answer.status in (200, 202, 503), answer.body
        if answer.status == 503:
            assert int(answer.headers["retry-after"]) > 0
        return answer.json if answer.status != 503 else None

    return server.until(once)


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
