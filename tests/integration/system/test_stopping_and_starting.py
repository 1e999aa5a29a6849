"""How a server ends and comes back: drained, out of patience, told twice, killed, interrupted while it starts.

Each test ends its server, so each has servers of its own; a start costs seconds, so each test uses one for what fits.
"""

from __future__ import annotations

import asyncio
import signal
import time
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed
from worlds.event_client import EventClient, listening
from worlds.live_server import START_S, STOP_S, LiveServer, launch, wait_ready
from worlds.server_processes import processes_of, wait_gone
from worlds.webhook_receiver import receiving

from .conftest import RECEIVERS

pytestmark = [pytest.mark.slow, pytest.mark.chaos]

LATENCY_MS = "200"  # of each answer: a round takes about half a second
DRAIN_S = 60.0
CLOSE_CODES = {1001, 1012}  # going away, service restart


def start(data_dir: Path, ports: tuple[int, int] | None = None, drain_s: float = DRAIN_S) -> LiveServer:
    """A ready server whose stubs take their time; `ports` are those of an earlier one."""
    return wait_ready(launched(data_dir, ports, drain_s))


def launched(data_dir: Path, ports: tuple[int, int] | None, drain_s: float) -> LiveServer:
    http_port, ws_port = ports or (None, None)
    variables = {"ARAGORA_STUB_LATENCY_MS": LATENCY_MS, "ARAGORA_DRAIN_TIMEOUT_S": str(drain_s), **RECEIVERS}
    return launch(data_dir, http_port, ws_port, **variables)


def start_after_kill(killed: LiveServer) -> LiveServer:
    """Start at once on the same data and ports. What the killed one left may answer until the new one ends it, so
    ready counts only when the new server says so itself."""
    left = {process.pid for process in processes_of(killed.data_dir)}
    said = len(killed.told())
    server = launched(killed.data_dir, ports_of(killed), DRAIN_S)
    server.until(lambda: "Aragora is ready" in server.told()[said:], within_s=START_S)
    assert not left & {process.pid for process in processes_of(killed.data_dir)}
    return server


def ports_of(server: LiveServer) -> tuple[int, int]:
    return server.http_port, server.ws_port


def test_what_the_drain_limit_cuts_off_goes_on_at_the_next_start_and_a_second_signal_ends_at_once(
    data_dir: Path,
) -> None:
    first = start(data_dir, drain_s=1.0)
    running = first.long_debate(rounds=20)
    first.until(lambda: first.get(f"/api/debates/{running}")["last_seq"] > 12)
    began = time.monotonic()

    assert first.stop() == 0, first.told()
    took = time.monotonic() - began
    assert took < DRAIN_S, f"it took {took:.1f} s to drain for 1 s"
    assert "left for the next start: 1 debate" in first.told()
    wait_gone(data_dir)

    second = start(data_dir, ports_of(first))
    assert second.ended(running)["status"] == "completed"
    events = second.get(f"/api/debates/{running}/events?limit=1000")["events"]
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    second.long_debate(rounds=20)
    said = len(second.told())
    second.process.send_signal(signal.SIGTERM)
    second.until(lambda: second.request("GET", "/api/health/ready").status == 503)
    second.process.send_signal(signal.SIGTERM)
    second.process.wait(STOP_S)
    wait_gone(data_dir)

    assert "stopping at once" in second.told()[said:]
    assert "drained" not in second.told()[said:]


async def test_a_killed_servers_debates_and_deliveries_go_on_with_the_next_which_a_sigterm_drains(
    data_dir: Path,
) -> None:
    with receiving(503) as (url, arrived):
        first = await asyncio.to_thread(start, data_dir)
        first.post("/api/webhooks", {"url": url, "events": ["debate_end"], "schedule": "runbook"})
        told = first.debate(rounds=1)
        first.until(lambda: arrived.of(told))
        opened = [first.debate(rounds=8) for _ in range(10)]
        first.until(lambda: all(first.get(f"/api/debates/{one}")["last_seq"] > 5 for one in opened))

        first.stop(signal.SIGKILL)
        arrived.codes = [200]
        sent_before = len(arrived.of(told))
        second = await asyncio.to_thread(start_after_kill, first)

        for debate_id in opened:
            assert second.ended(debate_id)["status"] == "completed"
            events = second.get(f"/api/debates/{debate_id}/events?limit=1000")["events"]
            assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
            asks = [event["data"]["ask_id"] for event in events if "ask_id" in event["data"]]
            assert len(asks) == len(set(asks)), "no ask is settled twice"
        receipts = sorted(second.get(f"/api/debates/{one}/receipt")["position"] for one in (told, *opened))
        assert receipts == list(range(1, 12)), "the chain has no hole"
        second.until(lambda: len(arrived.of(told)) > sent_before)
        assert len(arrived.ids_of(told)) == 1, "it comes again under its own id"
        await drained_by_sigterm(second)


def test_a_signal_during_the_start_ends_it_and_leaves_nothing(data_dir: Path) -> None:
    server = launch(data_dir)
    server.until(lambda: len(processes_of(data_dir)) > 1)

    assert server.stop() == 0, server.told()

    assert "ready" not in server.told()
    wait_gone(data_dir)


async def drained_by_sigterm(server: LiveServer) -> None:
    """Running debates end, new ones are refused, every line is closed with its reason, and nothing is left."""
    running = server.long_debate(rounds=10)
    async with listening(server.ws_port) as one, listening(server.http_port) as other:
        await one.subscribe(running)
        await one.next_of("agent_message")

        server.process.send_signal(signal.SIGTERM)
        await asyncio.to_thread(lambda: server.until(lambda: server.request("GET", "/api/health/ready").status == 503))
        ready = server.request("GET", "/api/health/ready")
        refused = server.request("POST", "/api/debates", {"question": "Too late?"})
        health = server.request("GET", "/api/health")

        assert (await asyncio.gather(closed(one), closed(other)))[0] == "the server is restarting"
    code = await asyncio.to_thread(server.process.wait, STOP_S)
    wait_gone(server.data_dir)

    assert ready.json["status"] == "draining"
    assert ready.headers["retry-after"]
    assert (refused.status, refused.json["error"]["code"]) == (503, "draining")
    assert int(refused.headers["retry-after"]) > 0
    assert (health.status, health.json["status"]) == (200, "degraded")
    assert one.seqs(running) == list(range(1, len(one.seqs(running)) + 1))
    assert running in one.ended, "the running debate ended before the sockets closed"
    assert code == 0, server.told()


async def closed(client: EventClient) -> str:
    """Listen until the server closes; its reason."""
    with pytest.raises(ConnectionClosed) as end:
        await client.next_of("a type that never comes")
    frame = end.value.rcvd
    assert frame is not None, "the connection broke without a close frame"
    assert frame.code in CLOSE_CODES
    return frame.reason
