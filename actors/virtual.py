"""What every kind of actor repeats: key, settings, clock, logging, its stores, state that is loaded once, retirement.

`VirtualActor` is the base of every actor. `Kept` holds state that lives in a store and is changed by pure rules.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final, Generic, TypeVar

import ray

from actors.reporting import REPORT_S, TroubleReport, flush
from actors.runtime import Runtime, retire
from aragora.background import Every
from aragora.clock import SystemClock
from aragora.config.settings import Settings
from aragora.ids import new_id
from aragora.observability.logging import configure_logging
from aragora.observability.registry import REGISTRY
from aragora.private_files import make_files_private
from aragora.storage.contexts import Context
from aragora.storage.database import Database
from aragora.supervision import begin, watch_event_loop

if TYPE_CHECKING:
    from aragora.storage.counters import CounterStore

S = TypeVar("S")
R = TypeVar("R")
Rule = Callable[[S], tuple[S, R]]
"""From a state to the next one and the answer. It runs once, between two awaits, on the newest state."""

LOOK_AGAIN_S: Final = 0.2  # at the earliest, while an actor is busy beyond its idle time
YOUNG_OBJECTS: Final = 10_000
"""How many new objects come together before Python looks which of them nobody holds any more (see `collect_seldom`).
"""


def collect_seldom() -> None:
    """Have this process look for garbage after every 10,000 new objects instead of 700: for actors that hold many
    small objects for a moment each. Nearly all of them go without it, and are looked at in vain: webhooks spent a
    tenth of their CPU on that."""
    gc.set_threshold(YOUNG_OBJECTS, 20, 20)


class VirtualActor:
    """The actor `key` of its kind, as the runtime creates it; runs in an event loop of its own.

    A subclass that ends when idle calls `_used` with every message. It overrides `_busy` where ending would lose
    something, `_troubles` where more than background work can fail, and `_close` where it holds more than stores.
    """

    def __init__(self, key: str, settings: Settings) -> None:
        make_files_private()  # a worker of a joined cluster inherits what that was started with
        configure_logging(settings)
        self._key = key
        self._settings = settings
        self._clock = SystemClock()
        self._databases: list[Database] = []
        self._counters: CounterStore | None = None
        self._used_at = self._clock.monotonic()
        self._watching: asyncio.Task[None] | None = None
        self._upkeep = Every("report of a process", REPORT_S, self._report)
        if ray.is_initialized():  # a process of its own, with a shared state to report to
            gc.freeze()  # what was loaded stays as long as the process: no collection has to look at it again
            watch_event_loop()
            self._trouble = TroubleReport(f"{type(self).__name__}/{key}/{new_id('proc')}", Runtime(settings))
            self._upkeep.start()

    async def _report(self) -> None:
        """Tell what this process has trouble with, and add what it counted to the store. Raises Unavailable."""
        await self._trouble.tell(self._troubles())
        if REGISTRY.counted:
            from aragora.storage.counters import CounterStore  # noqa: PLC0415  most processes never count anything

            if self._counters is None:
                self._counters = CounterStore(self._open(Context.CORE))
            await flush(self._counters)

    def _open(self, context: Context) -> Database:
        """The store of a context; it is closed with this actor."""
        database = Database.open(self._settings, context)
        self._databases.append(database)
        return database

    def _used(self) -> None:
        """A message has come. The first call starts the watch, which ends the process once it was idle for
        `passivate_after_s` seconds. A message that arrives at that very moment finds the process gone and activates
        the actor again: messages carry ids."""
        self._used_at = self._clock.monotonic()
        if self._watching is None:
            self._watching = begin(self._retire_when_idle(), "idle watch")

    def _busy(self) -> bool:
        """Whether the process must not end now, though no message has come for long."""
        return False

    def _troubles(self) -> tuple[str, ...]:
        """The names of what is in trouble here besides background work."""
        return ()

    async def _close(self) -> None:
        """Give back what the process holds, before it ends."""
        await self._upkeep.aclose()
        for database in self._databases:
            await database.aclose()

    async def _give_back(self, database: Database) -> None:
        """Close one store before this actor ends."""
        self._databases.remove(database)
        await database.aclose()

    async def _retire_when_idle(self) -> None:
        after_s = self._settings.passivate_after_s
        while True:
            idle_s = self._clock.monotonic() - self._used_at
            if idle_s >= after_s and not self._busy():
                break
            await asyncio.sleep(max(LOOK_AGAIN_S, after_s - idle_s))
        try:
            await self._close()
        finally:  # what could not be closed ends with the process: one that stayed would answer from closed stores
            retire()


class Kept(Generic[S]):
    """A state of one actor: loaded once, changed by pure rules in memory, saved where `must_save(before, after)`.

    The messages of an actor interleave at every await. So the first ones share one load, a rule runs between two
    awaits, and writes follow each other, each with the state that is the newest when it begins: none overwrites a
    newer one.
    """

    def __init__(
        self,
        load: Callable[[], Awaitable[S]],
        save: Callable[[S], Awaitable[None]],
        must_save: Callable[[S, S], bool],
    ) -> None:
        self._load = load
        self._save = save
        self._must_save = must_save
        self._state: S | None = None
        self._loading: asyncio.Task[None] | None = None
        self._writing: asyncio.Task[None] | None = None
        self._changed = 0  # how many changes must be saved
        self._saved = 0  # how many of them are

    @property
    def writing(self) -> bool:
        """Whether a write is on its way."""
        return self._writing is not None

    async def apply(self, rule: Rule[S, R]) -> R:
        """Change the state by `rule`, and return the rule's answer once the change is saved.

        Raises what `load` and `save` raise. A change that could not be saved holds in memory, and the next write takes
        it along.
        """
        before = self._state
        while before is None:
            await self._first()
            before = self._state
        after, answer = rule(before)
        self._state = after
        if self._must_save(before, after):
            self._changed += 1
            await self._is_saved(self._changed)
        return answer

    async def _first(self) -> None:
        """Load the state. Messages that come meanwhile wait for the same load, and fail with it."""
        if self._loading is None:
            self._loading = asyncio.get_running_loop().create_task(self._load_now())
        await asyncio.shield(self._loading)

    async def _load_now(self) -> None:
        try:
            self._state = await self._load()
        finally:
            self._loading = None

    async def _is_saved(self, change: int) -> None:
        while self._saved < change:
            if self._writing is None:
                self._writing = asyncio.get_running_loop().create_task(self._write_now())
            await asyncio.shield(self._writing)

    async def _write_now(self) -> None:
        carried, state = self._changed, self._state
        assert state is not None
        try:
            await self._save(state)
            self._saved = carried
        finally:
            self._writing = None
