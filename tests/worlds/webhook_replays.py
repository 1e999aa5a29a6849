"""Replays over a real store of webhooks and journals in memory, worked off by steps on a clock that a test moves."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeVar

from worlds.backends import SetClock
from worlds.webhook_deliveries import WALL, delivery
from worlds.webhook_store import attempted, dead, endpoint

from aragora.debate.journal import row_of
from aragora.debate.model import DebateEnded, DebateSpec, DebateStatus, Protocol
from aragora.debate.records import DebateRecord
from aragora.debate.store.debates import Row, Span
from aragora.encoding import encode_text
from aragora.errors import NotFound
from aragora.scope import Scope
from aragora.secrets.encryption import EncryptionService
from aragora.secrets.keyring import Keyring
from aragora.storage.database import Database
from aragora.webhooks.dispatcher import KEY
from aragora.webhooks.endpoint import Endpoint
from aragora.webhooks.fanout import FanOut
from aragora.webhooks.happenings import Happenings
from aragora.webhooks.ids import delivery_id, event_id
from aragora.webhooks.model import Delivery, EventRecord, TargetStatus
from aragora.webhooks.replay import Replay, Selection, Wish
from aragora.webhooks.replaying import Replaying
from aragora.webhooks.replays import Replays
from aragora.webhooks.selecting import Selecting
from aragora.webhooks.store.deliveries import DeliveryStore, Wanted
from aragora.webhooks.store.endpoints import EndpointStore
from aragora.webhooks.store.owners import Owners
from aragora.webhooks.store.replayable import Replayable
from aragora.webhooks.store.replays import ReplayStore
from aragora.webhooks.store.units import Enqueue, Revived, Tenure, Told
from aragora.webhooks.store.writer import DeliveryWriter

BEGAN: Final = WALL - 1_000.0
"""When the first debate began; a replay is asked for at WALL."""
END: Final = DebateEnded(DebateStatus.COMPLETED, "decided", 3, 0.25)

T = TypeVar("T")


class Killed(BaseException):
    """The process ends here."""


@dataclass
class Fuse:
    """Ends the process at the n-th call that writes, before it or after it was written; never where `left` is None."""

    left: int | None = None
    after: bool = False

    async def around(self, call: Callable[[], Awaitable[T]]) -> T:
        burns = self.left is not None and self.left <= 0
        if self.left is not None:
            self.left -= 1
        if burns and not self.after:
            raise Killed
        done = await call()
        if burns:
            raise Killed
        return done


class FusedWriter(DeliveryWriter):
    """A delivery writer with a fuse."""

    def __init__(self, database: Database, fuse: Fuse) -> None:
        super().__init__(database)
        self._fuse = fuse

    async def enqueue(self, unit: Enqueue) -> frozenset[str]:
        return await self._fuse.around(lambda: super(FusedWriter, self).enqueue(unit))

    async def revived(self, unit: Revived) -> Told:
        return await self._fuse.around(lambda: super(FusedWriter, self).revived(unit))


class FusedReplays(ReplayStore):
    """A store of replays with a fuse."""

    def __init__(self, database: Database, fuse: Fuse) -> None:
        super().__init__(database)
        self._fuse = fuse

    async def advance(self, after: Replay, tenure: Tenure | None) -> Replay | None:
        return await self._fuse.around(lambda: super(FusedReplays, self).advance(after, tenure))


@dataclass
class Journals:
    """Debates with their journals."""

    spans: dict[str, tuple[str, Span]] = field(default_factory=dict)
    rows: dict[str, list[tuple[str, Row]]] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)
    """Deleted after they were listed."""

    def add(self, debate_id: str, *events: object, began_at: float = BEGAN, org_id: str = "local") -> None:
        """A debate with an event a second."""
        made = [row_of(debate_id, seq, began_at + seq, event) for seq, event in enumerate(events, 1)]  # type: ignore[arg-type]
        self.rows[debate_id] = [(one.type, Row(one.seq, one.at, one.payload)) for one in made]
        self.spans[debate_id] = (org_id, Span(debate_id, began_at, began_at + len(events)))

    def damage(self, debate_id: str, seq: int) -> None:
        kind, row = self.rows[debate_id][seq - 1]
        self.rows[debate_id][seq - 1] = (kind, replace(row, payload=None))

    async def get(self, debate_id: str, scope: Scope) -> DebateRecord:
        if debate_id not in self.spans or debate_id in self.gone:
            raise NotFound("there is no such debate")
        org_id, span = self.spans[debate_id]
        spec = DebateSpec(debate_id, "Which queue?", ("a", "b"), Protocol("structured"), seed=7, org_id=org_id)
        return DebateRecord(
            debate_id, "q", DebateStatus.COMPLETED, encode_text(spec), span.began_at, span.updated_at, "ann", org_id
        )

    async def events(self, debate_id: str, after: int = 0, limit: int = 500) -> list[str]:
        rows = [row.payload for _, row in self.rows.get(debate_id, []) if row.seq > after]
        return [payload for payload in rows if payload is not None][:limit]

    async def began(self, org_id: str, after: tuple[float, str] | None, before: float, limit: int) -> list[Span]:
        mine = [
            span
            for org, span in self.spans.values()
            if org == org_id and span.began_at < before and (after is None or (span.began_at, span.debate_id) > after)
        ]
        return sorted(mine, key=lambda span: (span.began_at, span.debate_id))[:limit]

    async def happened(
        self, debate_id: str, types: Collection[str], *, since: float, until: float, after: int, limit: int
    ) -> list[Row]:
        rows = self.rows.get(debate_id, [])
        return [row for kind, row in rows if kind in types and since <= row.at < until and row.seq > after][:limit]


class ReplayScene:
    """An endpoint, its deliveries, and whoever works replays off, one after the other."""

    def __init__(self, database: Database, org_id: str = "local", webhook_id: str = "wh_000001") -> None:
        self.database = database
        self.org_id = org_id
        self.webhook_id = webhook_id
        self.clock = SetClock(WALL)
        self.journals = Journals()
        self.endpoints = EndpointStore(database, self.clock, EncryptionService(Keyring.ephemeral()))
        self.deliveries = DeliveryStore(database)
        self.replayable = Replayable(database)
        self.store = ReplayStore(database)
        self.took: list[str] = []
        self.changed: list[str] = []
        happenings = Happenings(self.journals, self.clock)
        self.selecting = Selecting(self.replayable, self.journals, happenings)
        self.replays = Replays(self.store, self.endpoints, self.selecting, self.clock, delivered_s=7 * 86_400.0)
        self._writers = [DeliveryWriter(database)]
        self._made = 0

    @property
    def writer(self) -> DeliveryWriter:
        return self._writers[0]

    async def registered(self, **changes: Any) -> Endpoint:
        made = endpoint(1, endpoint_id=self.webhook_id, org_id=self.org_id, url=f"https://example.com/{self.org_id}")
        return await self.endpoints.add(replace(made, **changes), limit=10)

    async def stored(self, *, at: float = BEGAN, ends: str | None = "dead", **changes: Any) -> Delivery:
        """A delivery of an event that happened `at`, which ended a second later unless `ends` is None."""
        self._made += 1
        its_event = event_id(f"deb_old_{self.org_id}", self._made)
        whose = {"org_id": self.org_id, "webhook_id": self.webhook_id, "target_id": self.webhook_id}
        times = {"created_at": at, "due_at": at, "budget_at": at}
        its_id = delivery_id(its_event, self.webhook_id)
        one = delivery(delivery_id=its_id, event_id=its_event, **(whose | times | changes))
        record = EventRecord(its_event, self.org_id, one.event_type, "{}", at)
        await self.writer.enqueue(Enqueue(record, (one,)))
        if ends is not None:
            await self.writer.attempted(dead(one, at=at + 1.0) if ends == "dead" else attempted(one, at=at + 1.0))
        return one

    async def begin(self, selection: Selection, **changes: Any) -> Replay:
        """Ask for a replay of all that has happened."""
        wish = replace(Wish(BEGAN - 10.0, 1e11, selection), **changes)
        drafted = await self.replays.draft(self.org_id, "ann", self.webhook_id, wish)
        return await self.replays.begin(drafted, None)

    async def replaying(self, fuse: Fuse | None = None) -> Replaying:
        """Whoever works replays off from now on; the one before is fenced."""
        fuse = fuse or Fuse()
        tenure = Tenure(KEY, await Owners(self.database, self.clock).advance(KEY, "dispatcher_1"))
        writer = FusedWriter(self.database, fuse)
        self._writers.append(writer)

        async def made(_event: EventRecord, deliveries: Any) -> None:
            self.took += [one.target_id for one in deliveries]

        async def took(target_id: str) -> None:
            self.took.append(target_id)

        async def changed(target_id: str) -> None:
            self.changed.append(target_id)

        fan_out = FanOut(
            self.journals, self.endpoints, writer, made, tenure=tenure, max_bytes=262_144, clock=self.clock
        )
        return Replaying(
            FusedReplays(self.database, fuse),
            self.replayable,
            self.selecting,
            self.endpoints,
            fan_out=fan_out,
            writer=writer,
            took=took,
            changed=changed,
            tenure=tenure,
            max_bytes=262_144,
            clock=self.clock,
        )

    async def to_the_end(self, replaying: Replaying, *, delivers: bool = True, steps: int = 1_000) -> None:
        """Step, and deliver what waits after each, until no replay runs."""
        for _ in range(steps):
            pause = await replaying.step()
            if delivers:
                await self.deliver_all()
            if not replaying.busy:
                return
            self.clock.at += pause
        raise AssertionError("the replay does not end")

    async def waiting(self) -> list[Delivery]:
        return await self.deliveries.waiting_of(self.webhook_id, 10_000)

    async def deliver_all(self) -> None:
        """What waits arrives."""
        for one in await self.waiting():
            await self.writer.attempted(attempted(one, at=self.clock.now()))

    async def attempts(self) -> dict[str, int]:
        """Of every delivery of the endpoint, by the id of its event."""
        page = await self.deliveries.page(self.org_id, self.webhook_id, Wanted(), limit=10_000)
        return {one.event_id: one.attempts for one in page.items}

    async def of(self, replay: Replay) -> Replay:
        return await self.store.get(self.org_id, replay.replay_id)

    async def set_status(self, status: TargetStatus) -> None:
        await self.endpoints.set_status(self.org_id, self.webhook_id, status, "by hand")

    async def aclose(self) -> None:
        for writer in self._writers:
            await writer.aclose()
