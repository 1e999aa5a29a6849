"""What a replay is about, found page by page: deliveries that are stored, and events of journals that have none. The
same pages are counted before a replay begins, and worked off while it runs.

A page looks at a bounded number of rows. The journal has no index by time: the debates of an organisation are walked in
the order of their beginning. Those that began in the range, or within a day before it, come first: they have nearly all
of what happened in it. Then come the older ones, from the first one, of which those that were last written before the
range are passed over without a look at their events.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Final, Protocol

from aragora.debate.store.debates import Row, Span
from aragora.errors import InvalidInput, NotFound
from aragora.webhooks.happenings import Happenings, Told
from aragora.webhooks.ids import delivery_id
from aragora.webhooks.matching import wants
from aragora.webhooks.model import Delivery
from aragora.webhooks.replay import (
    Journaled,
    Position,
    Replay,
    Stored,
    is_due,
    is_ours,
    types_to_read,
)
from aragora.webhooks.store.endpoints import Route
from aragora.webhooks.store.replayable import Replayable

LOOK_AT: Final = 1_000
"""Rows that one page looks at, about."""
READ: Final = 200
"""Rows that are read at once."""
COUNT_MAX: Final = 10_000
COUNT_LOOK_AT: Final = 20_000
COUNT_PAGE: Final = 500
RECENT_S: Final = 86_400.0
"""Most debates end within this time."""
MARGIN_S: Final = 3_600.0
"""By so much the times of a debate's row and of its events may differ: clocks are set."""


class History(Protocol):
    """Reads journals by organisation and time (`aragora.debate.store.debates.DebateStore`)."""

    async def began(self, org_id: str, after: tuple[float, str] | None, before: float, limit: int) -> list[Span]: ...

    async def happened(
        self, debate_id: str, types: Collection[str], *, since: float, until: float, after: int, limit: int
    ) -> list[Row]: ...


@dataclass(frozen=True, slots=True)
class StoredPage:
    """Deliveries to bring back; `position` is behind them."""

    found: tuple[Delivery, ...]
    position: Position
    looked_at: int


@dataclass(frozen=True, slots=True)
class JournalPage:
    """Events to make deliveries of; `position` is behind them, `done` where there is nothing further. `skipped` could
    not be read."""

    found: tuple[Told, ...]
    position: Position
    looked_at: int
    skipped: int
    done: bool


@dataclass(frozen=True, slots=True)
class Count:
    """What a replay would bring; `more`: and more than was counted."""

    matching: int
    more: bool


class Selecting:
    """Over the stores of webhooks and of debates. Every method raises Unavailable where one of them is away."""

    def __init__(self, replayable: Replayable, history: History, happenings: Happenings) -> None:
        self._replayable = replayable
        self._history = history
        self._happenings = happenings

    async def count(self, replay: Replay, route: Route) -> Count:
        """What the replay would bring, counted as far as is cheap: exactly, unless it says that there is more."""
        position, matching, looked_at = replay.position, 0, 0
        while not position.stored_done:
            stored = await self.stored(replay.progressed(position), COUNT_PAGE)
            position, matching = stored.position, matching + len(stored.found)
            looked_at += stored.looked_at
            if matching >= COUNT_MAX or looked_at >= COUNT_LOOK_AT:
                return Count(min(matching, COUNT_MAX), more=True)
        while replay.wish.selection.of_journal:
            page = await self.journaled(replay.progressed(position), route, COUNT_PAGE)
            position, matching = page.position, matching + len(page.found)
            looked_at += page.looked_at
            if page.done:
                break
            if matching >= COUNT_MAX or looked_at >= COUNT_LOOK_AT:
                return Count(min(matching, COUNT_MAX), more=True)
        return Count(matching, more=False)

    async def stored(self, replay: Replay, limit: int) -> StoredPage:
        """The next deliveries to bring back, at most `limit`."""
        wish, position = replay.wish, replay.position
        statuses = wish.selection.statuses
        if not statuses:
            return StoredPage((), replace(position, stored_done=True), 0)
        read = max(READ, limit)
        rows = await self._replayable.ended(
            replay.org_id,
            replay.webhook_id,
            statuses,
            since=wish.since - MARGIN_S,
            before=replay.created_at,
            after=position.stored,
            limit=read,
        )
        found: list[Delivery] = []
        last = position.stored
        for looked_at, row in enumerate(rows, 1):
            one, at = row.delivery, row.event_at
            last = Stored(one.created_at, one.delivery_id)
            in_range = at is not None and wish.since <= at < wish.until
            of_type = not wish.event_types or one.event_type in wish.event_types
            if in_range and of_type and one.target_id == replay.webhook_id and is_due(replay, one):
                found.append(one)
                if len(found) == limit:
                    return StoredPage(tuple(found), replace(position, stored=last), looked_at)
        done = len(rows) < read
        return StoredPage(tuple(found), replace(position, stored=last, stored_done=done), len(rows))

    async def journaled(self, replay: Replay, route: Route, limit: int) -> JournalPage:
        """The next events without a delivery, at most `limit`; none where a page of rows held none."""
        walk = _Walk(replay, route, limit, self._history, self._happenings)
        while True:
            await walk.on()
            ids = {delivery_id(one.event_id, replay.webhook_id): one for one in walk.wanted}
            made_at = await self._replayable.made_at(ids.keys()) if ids else {}
            found = tuple(one for its, one in ids.items() if its not in made_at or is_ours(replay, made_at[its]))
            if found or walk.done or walk.looked_at >= LOOK_AT:
                position = replace(replay.position, journaled=walk.place, older=walk.older)
                return JournalPage(found, position, walk.looked_at, walk.skipped, walk.done)


class _Walk:
    """Through the journals of an organisation, from the place of a replay."""

    def __init__(self, replay: Replay, route: Route, limit: int, history: History, happenings: Happenings) -> None:
        self._replay = replay
        self._route = route
        self._limit = limit
        self._history = history
        self._happenings = happenings
        self._types = types_to_read(route.events, replay.wish.event_types)
        self.place = replay.position.journaled
        self.older = replay.position.older
        self.wanted: list[Told] = []
        self.looked_at = 0
        self.skipped = 0
        self.done = False

    async def on(self) -> None:
        """Go on until `limit` events are wanted, or many rows were looked at, or all of them."""
        self.wanted = []
        wish, self.done = self._replay.wish, not self._types
        while not self.done and not self._enough:
            if self.place is not None and self.place.seq is not None:
                await self._through(self.place.began_at, self.place.debate_id, self.place.seq)
                continue
            spans = await self._spans()
            for span in spans:
                self.looked_at += 1
                if span.updated_at < wish.since - MARGIN_S:
                    self.place = Journaled(span.began_at, span.debate_id)
                    continue
                await self._through(span.began_at, span.debate_id, 0)
                if self._enough:
                    return
            if len(spans) < READ:
                self.done = self.older
                self.older, self.place = True, None

    async def _spans(self) -> list[Span]:
        """The next debates behind the place."""
        wish, place = self._replay.wish, self.place
        recent = wish.since - RECENT_S
        after = None if place is None else (place.began_at, place.debate_id)
        if self.older:
            return await self._history.began(self._replay.org_id, after, recent, READ)
        return await self._history.began(self._replay.org_id, after or (recent, ""), wish.until + MARGIN_S, READ)

    @property
    def _enough(self) -> bool:
        return len(self.wanted) >= self._limit or self.looked_at >= LOOK_AT

    async def _through(self, began_at: float, debate_id: str, after: int) -> None:
        """Look at the events of one debate behind `after`, as far as there is need."""
        wish = self._replay.wish
        self.place = Journaled(began_at, debate_id, after)
        while not self._enough:
            limit = self._limit - len(self.wanted)
            rows = await self._history.happened(
                debate_id, self._types, since=wish.since, until=wish.until, after=after, limit=limit
            )
            self.looked_at += len(rows)
            for row in rows:
                await self._look_at(debate_id, row)
            if len(rows) < limit:
                self.place = Journaled(began_at, debate_id)
                return
            after = rows[-1].seq
            self.place = Journaled(began_at, debate_id, after)

    async def _look_at(self, debate_id: str, row: Row) -> None:
        if row.payload is None:
            self.skipped += 1
            return
        try:
            told = await self._happenings.told(debate_id, row.at, row.payload)
        except (InvalidInput, NotFound, ValueError, KeyError, TypeError):
            self.skipped += 1
            return
        if wants(self._route, told.type, told.org_id, told.data):
            self.wanted.append(told)
