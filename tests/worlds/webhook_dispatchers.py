"""Dispatchers of webhooks over one store, with a debate that ends as often as a test asks."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from worlds.waiting import eventually
from worlds.webhook_store import endpoint

from aragora.clock import SystemClock
from aragora.config.settings import Settings
from aragora.debate.journal import row_of
from aragora.debate.model import DebateEnded, DebateSpec, DebateStatus, Protocol
from aragora.debate.records import DebateRecord, told_row
from aragora.debate.store.debates import Row, Span
from aragora.encoding import encode_text
from aragora.ids import new_id
from aragora.scope import Scope
from aragora.secrets.encryption import EncryptionService
from aragora.secrets.keyring import Keyring
from aragora.storage.counters import CounterStore
from aragora.storage.database import Database
from aragora.storage.outbox import OutboxRow
from aragora.webhooks.dispatcher import Dispatcher
from aragora.webhooks.endpoint import Endpoint
from aragora.webhooks.guard import Guard, allowed_networks
from aragora.webhooks.ids import delivery_id
from aragora.webhooks.model import Attempt, DeliveryStatus, Rules
from aragora.webhooks.replay import Replay, Selection, Wish
from aragora.webhooks.resolver import Resolver
from aragora.webhooks.sender import Sender
from aragora.webhooks.store.deliveries import DeliveryStore
from aragora.webhooks.store.endpoints import EndpointStore
from aragora.webhooks.store.replays import ReplayStore
from tests.standins.receivers import Receiver, answering_in_turn, listening

Open = Callable[[], Database]
QUICK = Rules(base_s=0.05, max_s=0.05, max_retries=3)


class OneDebate:
    """A debate with as many ends as are asked for."""

    def __init__(self) -> None:
        self.journal: list[str] = []
        self.began_at = SystemClock().now()

    async def get(self, debate_id: str, scope: Scope) -> DebateRecord:
        spec = DebateSpec(debate_id, "Which queue?", ("a", "b"), Protocol("structured"), seed=7)
        return DebateRecord(debate_id, "q", DebateStatus.ACTIVE, encode_text(spec), 1.0, 1.0, "ann", "local")

    async def events(self, debate_id: str, after: int = 0, limit: int = 500) -> list[str]:
        return self.journal[after : after + limit]

    async def began(self, org_id: str, after: tuple[float, str] | None, before: float, limit: int) -> list[Span]:
        place = (self.began_at, "deb_1")
        fits = org_id == "local" and self.began_at < before and (after is None or place > after)
        return [Span("deb_1", self.began_at, SystemClock().now())][:limit] if fits else []

    async def happened(
        self, debate_id: str, types: Collection[str], *, since: float, until: float, after: int, limit: int
    ) -> list[Row]:
        rows = [Row(seq, since, payload) for seq, payload in enumerate(self.journal, 1)]
        return [row for row in rows if row.seq > after and row.at < until and "debate_end" in types][:limit]

    def ended(self) -> OutboxRow:
        row = row_of(
            "deb_1", len(self.journal) + 1, SystemClock().now(), DebateEnded(DebateStatus.COMPLETED, "decided", 3, 0.25)
        )
        self.journal.append(row.payload)
        return told_row(row)


class World:
    """Dispatchers over one store, closed after the test."""

    def __init__(self, opened: Open, settings: Settings) -> None:
        self.opened = opened
        self._dispatchers: list[tuple[Dispatcher, Sender]] = []
        self.crypto = EncryptionService(Keyring.ephemeral())
        self.settings = settings
        self.debates = OneDebate()
        self.store = DeliveryStore(opened())
        self.counters = CounterStore(opened())
        self.replays = ReplayStore(opened())
        self.endpoints = EndpointStore(opened(), SystemClock(), self.crypto)

    async def dispatcher(self, ca_file: Path | None = None, **given: Any) -> Dispatcher:
        sender = loopback_sender(ca_file)
        made = Dispatcher(
            self.opened(),
            self.debates,
            self.crypto,
            sender,
            **{"clock": SystemClock(), "slots": 50, "max_payload_bytes": 262_144, **given},
        )
        await made.begin()
        self._dispatchers.append((made, sender))
        return made

    async def replay(self, one: Endpoint, selection: Selection, rate_per_s: float = 500.0) -> Replay:
        """A replay of the last hour, stored."""
        now = SystemClock().now()
        wish = Wish(now - 3_600.0, now, selection, rate_per_s=rate_per_s)
        asked = Replay(new_id("rpl"), "local", one.endpoint_id, now, "ann", wish)
        return await self.replays.add(asked, limit=5)

    async def replayed(self, replay: Replay) -> Replay:
        """The replay once it has ended."""

        async def ended() -> Replay | None:
            found = await self.replays.get("local", replay.replay_id)
            return None if found.ended_at is None else found

        found = await eventually(ended, "the end of a replay")
        assert found is not None
        return found

    async def registered(self, receiver: Receiver, number: int = 1, **changes: Any) -> Endpoint:
        made = endpoint(number, url=f"{receiver.url}/{number}", rules=QUICK, secret="whsec_" + "a" * 43 + "=")
        return await self.endpoints.add(replace(made, **changes), limit=10)

    def status_of(self, one: Endpoint, seq: int = 1) -> Callable[[], Awaitable[DeliveryStatus]]:
        async def status() -> DeliveryStatus:
            return (await self.store.get("local", delivery_id(f"deb_1:{seq}", one.endpoint_id))).status

        return status

    async def attempts_of(self, one: Endpoint, *seqs: int) -> dict[str, list[Attempt]]:
        return await self.store.attempts([delivery_id(f"deb_1:{seq}", one.endpoint_id) for seq in seqs])

    async def is_(self, one: Endpoint, status: DeliveryStatus, seq: int = 1) -> None:
        async def holds() -> bool:
            return await self.status_of(one, seq)() is status

        await eventually(holds, f"{status}")

    async def is_tried(self, one: Endpoint, seq: int = 1) -> None:
        """Its first attempt is stored. Its status goes on changing; this does not."""

        async def tried() -> bool:
            return any((await self.attempts_of(one, seq)).values())

        await eventually(tried, "the first attempt")

    async def aclose(self) -> None:
        for dispatcher, sender in self._dispatchers:
            await dispatcher.drain(0.0)
            await sender.aclose()


@asynccontextmanager
async def served(world: World, *answers: bytes) -> AsyncIterator[tuple[Dispatcher, Receiver, Endpoint]]:
    """A dispatcher, a receiver and its endpoint."""
    async with listening(answering_in_turn(*answers)) as receiver:
        one = await world.registered(receiver)
        yield await world.dispatcher(), receiver, one


def loopback_sender(ca_file: Path | None = None) -> Sender:
    """A sender that may reach this machine, and trusts this authority too."""
    guard, clock = Guard(allowed_networks(("127.0.0.1",)), False, frozenset()), SystemClock()
    resolver = Resolver(guard, clock=clock)
    return Sender(guard, resolver=resolver, clock=clock, ca_file=ca_file, proxy=None, user_agent="test")
