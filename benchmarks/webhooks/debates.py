"""N9 and N2 on the actors themselves: coordinators, agents, the outbox and the dispatcher in their own processes, with
receivers in this one."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from aragora.clock import SystemClock
from aragora.secrets.encryption import service_of
from aragora.storage.contexts import Context
from aragora.storage.database import Database
from aragora.webhooks.endpoint import Endpoint
from aragora.webhooks.store.endpoints import EndpointStore
from benchmarks.figures import percentile
from benchmarks.load import AGENTS, load_on, run, timed
from benchmarks.system import System, running
from benchmarks.webhooks.bed import Bed, add, endpoint, until
from benchmarks.webhooks.options import Line, Options

if TYPE_CHECKING:
    from actors.gateways.webhooks import DispatcherCommands

SUBSCRIBED = 10
WARM_UP = 20
CONCURRENCY = 100
PACED_PER_S = 20.0
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Receivers:
    """Receivers at one port. `waits_ms`: from an event's time in the journal to its arrival here."""

    def __init__(self) -> None:
        self.waits_ms: list[float] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                arrived = time.time()
                length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
                body = json.loads(await reader.readexactly(length))
                writer.write(ANSWER)
                self.waits_ms.append(1_000.0 * (arrived - _seconds(body["timestamp"])))
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()


def run_all(_: Bed, options: Options) -> list[Line]:
    """Two lines."""
    with running(
        stubs=len(AGENTS), latency_ms=0.0, http=False, ARAGORA_WEBHOOK_ALLOWED_NETWORKS="127.0.0.1/32"
    ) as system:
        return asyncio.run(_measure(system, options))


async def _measure(system: System, options: Options) -> list[Line]:
    async with load_on(system) as load:
        await run(load.debate, WARM_UP, WARM_UP)
        without = [(await timed(load.debate, options.debates, CONCURRENCY)).took_s]
        async with _subscribed(system) as receivers:
            await run(load.debate, WARM_UP, WARM_UP)
            took = (await timed(load.debate, options.debates, CONCURRENCY)).took_s
            told = SUBSCRIBED * (WARM_UP + options.debates)
            await until(lambda: len(receivers.waits_ms) >= told)
            receivers.waits_ms.clear()
            paced = int(PACED_PER_S * options.seconds)
            due, debating = time.monotonic(), []
            for _ in range(paced):
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                debating.append(asyncio.create_task(load.debate()))
                due += 1.0 / PACED_PER_S
            await asyncio.gather(*debating)
            await until(lambda: len(receivers.waits_ms) >= SUBSCRIBED * paced)
            waits = sorted(receivers.waits_ms)
        await run(load.debate, WARM_UP, WARM_UP)
        without.append((await timed(load.debate, options.debates, CONCURRENCY)).took_s)
    ratio = sum(without) / 2 / took
    debates = {
        "debates": options.debates,
        "endpoints": SUBSCRIBED,
        "without_per_s": 2 * options.debates / sum(without),
        "with_per_s": options.debates / took,
        "ratio": ratio,
    }
    p50, p99 = percentile(waits, 0.5), percentile(waits, 0.99)
    live = {"rate_per_s": PACED_PER_S * SUBSCRIBED, "deliveries": len(waits), "p50_ms": p50, "p99_ms": p99}
    return [
        Line("N9 debates beside webhooks", debates, "0.95 of the rate without", ratio >= 0.95),
        Line("N2 latency, actors and debates", live, "p50 15 ms, p99 60 ms", p50 <= 15.0 and p99 <= 60.0),
    ]


@asynccontextmanager
async def _subscribed(system: System) -> AsyncIterator[Receivers]:
    """Endpoints for the end of debates of this installation's own organisation, for the block."""
    from actors.gateways.webhooks import DispatcherCommands  # noqa: PLC0415  imports Ray
    from actors.runtime import Runtime  # noqa: PLC0415

    settings, receivers = system.settings, Receivers()
    server = await asyncio.start_server(receivers.serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    database = Database.open(settings, Context.WEBHOOKS)
    store = EndpointStore(database, SystemClock(), service_of(settings))
    commands = DispatcherCommands(Runtime(settings), settings.coordinator_shards)
    endpoints = [_local(endpoint(f"{number}", f"{url}/{number}")) for number in range(SUBSCRIBED)]
    await add(database, store, endpoints)
    await _tell(commands, endpoints)
    try:
        yield receivers
    finally:
        for one in endpoints:
            await store.delete(one.org_id, one.endpoint_id)
        await _tell(commands, endpoints)
        await database.aclose()
        server.close()


async def _tell(commands: DispatcherCommands, endpoints: Sequence[Endpoint]) -> None:
    for one in endpoints:
        await commands.endpoint_changed(one.endpoint_id)


def _local(one: Endpoint) -> Endpoint:
    return replace(one, org_id="local")


def _seconds(iso: str) -> float:
    return datetime.fromisoformat(iso).timestamp()
