"""The part of the dispatcher that works replays off: one page of one replay at a time, each at its own pace, beside
what happens now. The rules are in `aragora.webhooks.replay`.

It holds one page in memory, whatever runs. What it makes is stored under the dispatcher's claim, and so is how far it
is: one that was cut off and comes back moves nothing any more. A stop is seen before the next page.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Final, Protocol

import structlog

from aragora.clock import Clock
from aragora.errors import Fenced, InvalidInput, NotFound, Unavailable
from aragora.supervision import begin, kept
from aragora.webhooks import machine
from aragora.webhooks.counting import REPLAYED
from aragora.webhooks.fanout import PARKED_AT, STEP_S, FanOut
from aragora.webhooks.happenings import Happened, Told
from aragora.webhooks.model import Delivery, TargetStatus
from aragora.webhooks.replay import (
    BLOCKED_S,
    Replay,
    ReplayStatus,
    ahead,
    is_back,
    is_due,
    page_size,
    pause_s,
)
from aragora.webhooks.selecting import Selecting
from aragora.webhooks.store.endpoints import Route
from aragora.webhooks.store.replayable import Replayable
from aragora.webhooks.store.replays import ReplayStore
from aragora.webhooks.store.units import Effect, Revived, Tenure
from aragora.webhooks.store.writer import DeliveryWriter

LOOK_S: Final = 15.0
"""Whoever begins a replay says so; this is for a message that was lost."""
AWAY_S: Final = 5.0
CLOSE_S: Final = 5.0
AT_ONCE: Final = 1_000
"""Replays of all organisations that are worked off beside each other."""
FAILURES_MAX: Final = 5
"""Errors in a row that nobody expected, after which a replay has failed."""

DISABLED: Final = "the webhook was disabled"
UNVERIFIED: Final = "the webhook has to be verified"
DELETED: Final = "the webhook was deleted"
BROKEN: Final = "an error that nobody expected: the server's log has it"

log = structlog.get_logger("aragora.webhooks")


class Routing(Protocol):
    """Reads an endpoint (`aragora.webhooks.store.endpoints.EndpointStore`)."""

    async def route(self, org_id: str, endpoint_id: str) -> Route: ...


class Replaying:
    """Belongs to one event loop; `start` begins, `aclose` ends.

    Args:
        took: called with the id of an endpoint for which deliveries were brought back.
        changed: called with the id of an endpoint that was enabled while something was parked for it.
    """

    def __init__(
        self,
        store: ReplayStore,
        replayable: Replayable,
        selecting: Selecting,
        endpoints: Routing,
        *,
        fan_out: FanOut,
        writer: DeliveryWriter,
        took: Callable[[str], Awaitable[None]],
        changed: Callable[[str], Awaitable[None]],
        tenure: Tenure,
        max_bytes: int,
        clock: Clock,
    ) -> None:
        self._store = store
        self._replayable = replayable
        self._selecting = selecting
        self._endpoints = endpoints
        self._fan_out = fan_out
        self._writer = writer
        self._took = took
        self._changed = changed
        self._tenure = tenure
        self._max_bytes = max_bytes
        self._clock = clock
        self._next_at: dict[str, float] = {}  # of each replay that runs: when it goes on
        self._failures: dict[str, int] = {}
        self._look_at = 0.0
        self._again = asyncio.Event()
        self._ending = False
        self._task: asyncio.Task[None] | None = None

    @property
    def busy(self) -> bool:
        """Whether a replay runs here."""
        return bool(self._next_at)

    def start(self) -> None:
        """Work off in the background what runs, until `aclose`."""
        self._task = begin(kept("replays of webhooks", self._run), "replays of webhooks")

    async def aclose(self) -> None:
        """End after the page that is being made; whoever comes next goes on from there."""
        self._ending = True
        self._again.set()
        task, self._task = self._task, None
        if task is not None:
            await asyncio.wait({task}, timeout=CLOSE_S)
            task.cancel()
            await asyncio.wait({task})

    def look(self) -> None:
        """A replay was begun: look which there are."""
        self._look_at = 0.0
        self._again.set()

    async def _run(self) -> None:
        while not self._ending:
            self._again.clear()
            try:
                pause = await self.step()
            except Unavailable as away:
                log.warning("replays wait for their store", error=away.message)
                pause = max(AWAY_S, away.retry_after_s or 0.0)
            except Fenced:
                self._next_at.clear()
                log.warning("replays are worked off by another dispatcher now")
                return
            try:
                async with asyncio.timeout(pause):
                    await self._again.wait()
            except TimeoutError:
                continue

    async def step(self) -> float:
        """Make one page of each replay whose time has come; returns the seconds until the next. Raises Unavailable,
        Fenced."""
        now = self._clock.monotonic()
        if now >= self._look_at:
            running = await self._store.running(AT_ONCE)
            self._next_at = {replay_id: self._next_at.get(replay_id, now) for replay_id in running}
            self._failures = {each: count for each, count in self._failures.items() if each in self._next_at}
            self._look_at = now + LOOK_S
        for replay_id, at in sorted(self._next_at.items(), key=lambda one: one[1]):
            if at <= now and not self._ending:
                await self._go_on(replay_id)
        return max(0.0, min((self._look_at, *self._next_at.values())) - self._clock.monotonic())

    async def _go_on(self, replay_id: str) -> None:
        """One page of a replay, which is forgotten here once it has ended."""
        began = self._clock.monotonic()
        try:
            pause = await self._page(replay_id)
        except (Unavailable, Fenced):
            raise
        except Exception:
            log.exception("a page of a replay failed", replay_id=replay_id)
            pause = await self._failed(replay_id)
        else:
            self._failures.pop(replay_id, None)
        if pause is None:
            self._next_at.pop(replay_id, None)
        else:
            self._next_at[replay_id] = began + pause

    async def _failed(self, replay_id: str) -> float | None:
        """Try again after a pause, or give it up: then None."""
        failures = self._failures[replay_id] = self._failures.get(replay_id, 0) + 1
        if failures < FAILURES_MAX:
            return AWAY_S
        replay = await self._store.load(replay_id)
        if replay is not None and replay.status is ReplayStatus.RUNNING:
            await self._end(replay, ReplayStatus.FAILED, BROKEN)
        return None

    async def _page(self, replay_id: str) -> float | None:
        """Make the next page; returns the seconds from its beginning to that of the next, None where there is none."""
        replay = await self._store.load(replay_id)
        if replay is None or replay.status is not ReplayStatus.RUNNING:
            return None
        route = await self._route(replay)
        if route is None:
            return None
        rate = replay.wish.rate_per_s
        if replay.position.chosen:  # by an owner that did not come to bring them back
            return pause_s(await self._bring_back(replay, route), rate)
        due = self._clock.now() + BLOCKED_S
        limit = page_size(rate, await self._replayable.waiting_now(replay.webhook_id, due, ahead(rate)))
        if limit == 0:
            return BLOCKED_S
        if replay.wish.selection.statuses and not replay.position.stored_done:
            return pause_s(await self._choose(replay, route, limit), rate)
        return await self._of_journal(replay, route, limit)

    async def _route(self, replay: Replay) -> Route | None:
        """The endpoint; None where it takes nothing any more, and the replay has ended."""
        try:
            route = await self._endpoints.route(replay.org_id, replay.webhook_id)
        except NotFound:
            await self._end(replay, ReplayStatus.STOPPED, DELETED)
            return None
        if not route.status.hears:
            disabled = route.status is TargetStatus.DISABLED
            await self._end(replay, ReplayStatus.STOPPED, DISABLED if disabled else UNVERIFIED)
            return None
        return route

    async def _choose(self, replay: Replay, route: Route, limit: int) -> int:
        """Note which deliveries come next, then bring them back; returns how many."""
        page = await self._selecting.stored(replay, limit)
        chosen = tuple(one.delivery_id for one in page.found)
        kept_ = await self._advance(replay.progressed(replace(page.position, chosen=chosen)))
        return await self._bring_back(kept_, route) if kept_ is not None and chosen else 0

    async def _bring_back(self, replay: Replay, route: Route) -> int:
        """Bring back what was chosen, and note that it was; returns how many deliveries that were."""
        chosen = replay.position.chosen
        parked = route.status is TargetStatus.PAUSED
        wall, revived = max(self._clock.now(), replay.created_at), 0
        for place, one in enumerate(await self._replayable.these(replay.org_id, chosen)):
            if is_due(replay, one):
                revived += await self._revive(one, PARKED_AT if parked else wall + place * STEP_S, wall)
            elif is_back(replay, one):  # before this owner took over
                revived += 1
        if revived:
            await (self._unpark(replay) if parked else self._took(replay.webhook_id))
        position = replace(replay.position, chosen=())
        await self._advance(replay.progressed(position, revived=revived, skipped=len(chosen) - revived))
        return revived

    async def _revive(self, delivery: Delivery, due_at: float, wall: float) -> bool:
        after = replace(machine.revived(delivery, wall), due_at=due_at, holder=None)
        told = await self._writer.revived(Revived(after, REPLAYED, self._tenure))
        return told.effect is not Effect.STALE

    async def _of_journal(self, replay: Replay, route: Route, limit: int) -> float | None:
        """Make deliveries of events that have none; returns as `_page`."""
        if not replay.wish.selection.of_journal:
            await self._end(replay, ReplayStatus.DONE)
            return None
        page = await self._selecting.journaled(replay, route, limit)
        happened = [event for event in map(self._happened, page.found) if event is not None]
        if happened:
            await self._fan_out.to(route, happened, REPLAYED)  # which has it taken up
            if route.status is TargetStatus.PAUSED:
                await self._unpark(replay)
        skipped = page.skipped + len(page.found) - len(happened)
        after = replay.progressed(page.position, made=len(happened), skipped=skipped)
        if page.done:
            await self._end(after, ReplayStatus.DONE)
            return None
        await self._advance(after)
        return pause_s(len(happened), replay.wish.rate_per_s)

    def _happened(self, told: Told) -> Happened | None:
        """The event with its body; None where it cannot be told, as the log says."""
        try:
            return told.happened(self._max_bytes)
        except (InvalidInput, ValueError) as damaged:
            log.warning("an event of a debate cannot be told", event_id=told.event_id, error=str(damaged))
            return None

    async def _unpark(self, replay: Replay) -> None:
        """What was parked for an endpoint that was enabled at that moment would wait for ever: have it taken up."""
        try:
            route = await self._endpoints.route(replay.org_id, replay.webhook_id)
        except NotFound:
            return
        if route.status is TargetStatus.ENABLED:
            await self._changed(replay.webhook_id)

    async def _end(self, replay: Replay, status: ReplayStatus, reason: str = "") -> None:
        ended = await self._advance(replay.ended(status, self._clock.now(), reason))
        if ended is not None:
            log.info(
                "a replay has ended",
                replay_id=replay.replay_id,
                webhook_id=replay.webhook_id,
                status=status,
                made=replay.made,
                revived=replay.revived,
                skipped=replay.skipped,
            )

    async def _advance(self, after: Replay) -> Replay | None:
        return await self._store.advance(after, self._tenure)
