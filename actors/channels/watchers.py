"""Which replica follows which debates or executions: one watcher per ingress replica, one bounded queue each.

A replica names the journals it follows; from then on every durable row of them is queued for it. It reads what came
before from the store, so nothing is kept here for latecomers. A watcher whose queue overflows loses it and sees
that: the replica then reads the store, and misses nothing.

A replica may also want to see what agents of a debate are writing. Such messages are no rows: they have seq 0, come
only while a queue is nearly empty, and give way to rows.

How a queue reaches its replica: `actors.channels.event_outlets`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Final, Protocol

import msgspec

from aragora.debate.journal import JournalRow

NEARLY_EMPTY: Final = 100  # items in a queue: with more, what agents are writing is dropped


class Item(msgspec.Struct, array_like=True, frozen=True):
    """One durable row on its way to a replica; with seq 0 a message that is none."""

    journal_id: str
    seq: int
    type: str
    payload: str


class Row(Protocol):
    """One row of a journal: of a debate, or of an execution."""

    @property
    def seq(self) -> int: ...

    @property
    def type(self) -> str: ...

    @property
    def payload(self) -> str: ...


class Watcher:
    """One replica's queue; `wake` is called when something was put into it or it overflowed."""

    def __init__(self, wake: Callable[[], None]) -> None:
        self.journals: set[str] = set()
        self.shown: set[str] = set()  # those of which it also wants what agents are writing
        self.wake = wake
        self.queue: list[Item] = []
        self.lost = False

    def take(self) -> tuple[list[Item], bool]:
        """What is queued, and whether something before it was lost; the queue is empty then."""
        items, self.queue = self.queue, []
        lost, self.lost = self.lost, False
        return items, lost


class Watchers:
    """Fulfils `aragora.debate.ports.Publishing`. `buffer` bounds each watcher's queue, in rows. `show` is told of each
    debate of which a watcher wants to see what its agents are writing; `shown` are all of them."""

    def __init__(self, buffer: int, show: Callable[[str], None] = lambda _debate_id: None) -> None:
        self._buffer = buffer
        self._show = show
        self.shown: set[str] = set()
        self._by_journal: defaultdict[str, set[Watcher]] = defaultdict(set)

    @property
    def watched(self) -> bool:
        """Whether any journal is followed."""
        return bool(self._by_journal)

    def publish(self, rows: Sequence[JournalRow]) -> None:
        """Queue the rows of one debate for every watcher that follows it."""
        self.put(rows[0].debate_id, rows)

    def put(self, journal_id: str, rows: Sequence[Row]) -> None:
        """Queue the rows of one journal for every watcher that follows it."""
        watching = self._by_journal.get(journal_id)
        if not watching:
            return
        items = [Item(journal_id, row.seq, row.type, row.payload) for row in rows]
        for watcher in watching:
            if len(watcher.queue) + len(items) > self._buffer:
                watcher.queue = [item for item in watcher.queue if item.seq]
            if len(watcher.queue) + len(items) > self._buffer:
                watcher.queue.clear()
                watcher.lost = True
            else:
                watcher.queue.extend(items)
            watcher.wake()

    def tell(self, item: Item) -> None:
        """Queue a message that is no row for every watcher that wants to see what the agents of its debate are writing,
        and keeps up."""
        for watcher in self._by_journal.get(item.journal_id, ()):
            if item.journal_id in watcher.shown and len(watcher.queue) < min(NEARLY_EMPTY, self._buffer):
                watcher.queue.append(item)
                watcher.wake()

    def change(self, watcher: Watcher, follow: Iterable[str], leave: Iterable[str], show: Iterable[str] = ()) -> None:
        """The watcher stops following `leave`, then begins to follow `follow`; of `show`, which it follows, it also
        wants what agents are writing. Where it says so again, they begin anew."""
        for journal_id in leave:
            self._leave(watcher, journal_id)
        for journal_id in follow:
            watcher.journals.add(journal_id)
            self._by_journal[journal_id].add(watcher)
        for debate_id in show:
            if debate_id in watcher.journals:
                watcher.shown.add(debate_id)
                self.shown.add(debate_id)
                self._show(debate_id)

    def dismiss(self, watcher: Watcher) -> None:
        """The watcher is gone: it follows nothing any more."""
        self.change(watcher, (), tuple(watcher.journals))

    def _leave(self, watcher: Watcher, journal_id: str) -> None:
        watcher.journals.discard(journal_id)
        watcher.shown.discard(journal_id)
        watching = self._by_journal.get(journal_id)
        if watching is not None:
            watching.discard(watcher)
            if not watching:
                del self._by_journal[journal_id]
        if journal_id in self.shown and not any(journal_id in other.shown for other in watching or ()):
            self.shown.discard(journal_id)
