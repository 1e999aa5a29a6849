"""The routes of webhooks over SQLite files; a dispatcher that delivers nothing remembers what it was told."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import httpx2
import pytest
from standins.names import Names, name_server
from worlds.memory_dispatching import MemoryDispatching
from worlds.memory_server import RECEIVER, Boards, Served, World, served
from worlds.migrated import migrated
from worlds.webhook_store import dead, event

from aragora.composition import webhooks as composition
from aragora.config.settings import Settings
from aragora.server.webhooks import WebhookServices
from aragora.storage.contexts import Context
from aragora.storage.database import Database
from aragora.webhooks.model import Delivery
from aragora.webhooks.resolver import Resolver
from aragora.webhooks.store.units import Attempted, Enqueue
from aragora.webhooks.store.writer import DeliveryWriter

Make: TypeAlias = Callable[..., Any]


@pytest.fixture
async def names(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Names]:
    """The name server that URLs are looked up at."""
    async with name_server() as server:
        monkeypatch.setattr(composition, "Resolver", partial(Resolver, nameservers=[server.server]))
        yield server


@pytest.fixture
async def server(tmp_path: Path, names: Names) -> AsyncIterator[Served]:
    names.set("hooks.example.com", "127.0.0.1")
    settings = Settings(data_dir=tmp_path)
    migrated(settings)
    server = served(settings, World(), Boards())
    yield server
    await server.aclose()


@pytest.fixture
async def client(server: Served) -> AsyncIterator[httpx2.AsyncClient]:
    """The local operator of a development server."""
    async with server.client(host="localhost:8080") as client:
        yield client


@pytest.fixture
def dispatching(server: Served) -> MemoryDispatching:
    told: MemoryDispatching = server.features["webhooks"].ports.dispatching
    return told


@pytest.fixture
async def services(server: Served) -> WebhookServices:
    opened: WebhookServices = await server.features["webhooks"].ports.services()
    return opened


@pytest.fixture
def create(client: httpx2.AsyncClient) -> Make:
    """Registers a webhook, and returns the answer."""

    async def made(**fields: Any) -> dict[str, Any]:
        answer = await client.post("/api/webhooks", json={"url": RECEIVER, "events": ["debate_end"], **fields})
        assert answer.status_code == 201, answer.text
        found: dict[str, Any] = answer.json()
        return found

    return made


@pytest.fixture
async def enqueue(tmp_path: Path, server: Served) -> AsyncIterator[Make]:
    """Stores deliveries, each of an event of its own, as the dispatcher does; dead letters where `died` says when."""
    database = Database.open(Settings(data_dir=tmp_path), Context.WEBHOOKS)
    writer = DeliveryWriter(database)

    async def stored(
        one: Delivery, *, died: float | None = None, after: Attempted | None = None, **changes: Any
    ) -> None:
        number = int(one.event_id.removeprefix("evt_"))
        await writer.enqueue(Enqueue(event(number, org_id=one.org_id, **changes), (one,)))
        if died is not None:
            await writer.attempted(dead(one, at=died))
        if after is not None:
            await writer.attempted(after)

    yield stored
    await writer.aclose()
    await database.aclose()


@pytest.fixture
def files(tmp_path: Path) -> Callable[[], bytes]:
    """All that the files of webhooks hold."""
    return lambda: b"".join(kept.read_bytes() for kept in tmp_path.glob("webhooks.db*"))


@pytest.fixture
def rows(tmp_path: Path) -> Callable[[str], list[tuple[Any, ...]]]:
    """What a query finds in the file of webhooks."""

    def found(query: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(tmp_path / "webhooks.db")) as connection:
            return connection.execute(query).fetchall()

    return found
