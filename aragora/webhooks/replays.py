"""What people do with replays: ask for one, count what it would bring, look at it, stop it."""

from __future__ import annotations

from hashlib import blake2b
from typing import Final

from aragora.clock import Clock
from aragora.encoding import encode
from aragora.errors import Conflict
from aragora.ids import new_id
from aragora.storage.cursors import Page
from aragora.webhooks.model import TargetStatus
from aragora.webhooks.replay import Replay, Wish, check
from aragora.webhooks.selecting import Selecting
from aragora.webhooks.store.endpoints import EndpointStore
from aragora.webhooks.store.replays import Repeatable, ReplayStore

RUNNING_MAX: Final = 5
"""Replays of one organisation that run at once."""
STOPPED: Final = "a person stopped it"


class Replays:
    """Every method raises Unavailable where a store is away, and NotFound, with one text, for what there is not or is
    another organisation's."""

    def __init__(
        self, store: ReplayStore, endpoints: EndpointStore, selecting: Selecting, clock: Clock, *, delivered_s: float
    ) -> None:
        """`delivered_s`: for so many seconds deliveries that arrived are kept."""
        self._store = store
        self._delivered_s = delivered_s
        self._endpoints = endpoints
        self._selecting = selecting
        self._clock = clock

    async def draft(self, org_id: str, user_id: str, webhook_id: str, wish: Wish) -> Replay:
        """The replay as it would begin now, with what it would bring; nothing is stored. Raises InvalidInput, and
        Conflict where the endpoint is disabled or not verified."""
        now = self._clock.now()
        route = await self._endpoints.route(org_id, webhook_id)
        checked = check(wish, now)
        if route.status is TargetStatus.DISABLED:
            raise Conflict(
                f"webhook {webhook_id} is disabled and takes nothing: enable it, then replay what it has missed",
                code="webhook_disabled",
            )
        if not route.status.hears:
            raise Conflict(
                f"webhook {webhook_id} is not verified and takes nothing: verify it, then replay what it has missed",
                code="webhook_unverified",
            )
        drafted = Replay(new_id("rpl"), org_id, webhook_id, now, user_id, checked)
        count = await self._selecting.count(drafted, route)
        return drafted.counted(count.matching, more=count.more)

    def uncertain_before(self, replay: Replay) -> float | None:
        """Deliveries of events before this time may have arrived and been deleted since, so that the events count as
        missing; None where the replay has none of these."""
        kept_from = replay.created_at - self._delivered_s
        return kept_from if replay.wish.selection.of_journal and replay.wish.since < kept_from else None

    async def begun(self, org_id: str, user_id: str, webhook_id: str, repeatable: Repeatable | None) -> Replay | None:
        """The replay that this request has begun before. Raises Conflict where its key was used for another."""
        await self._endpoints.route(org_id, webhook_id)
        return None if repeatable is None else await self._store.begun(org_id, user_id, repeatable)

    async def begin(self, drafted: Replay, repeatable: Repeatable | None) -> Replay:
        """Store the replay; from then on it is worked off. Raises Conflict where too many run."""
        return await self._store.add(drafted, limit=RUNNING_MAX, repeatable=repeatable)

    async def get(self, org_id: str, replay_id: str) -> Replay:
        """How far it is."""
        return await self._store.get(org_id, replay_id)

    async def page(self, org_id: str, webhook_id: str, *, cursor: str | None, limit: int) -> Page[Replay]:
        """Those of an endpoint, newest first. Raises InvalidInput for a bad cursor."""
        await self._endpoints.route(org_id, webhook_id)
        return await self._store.page(org_id, webhook_id, cursor=cursor, limit=limit)

    async def stop(self, org_id: str, replay_id: str) -> Replay:
        """Make nothing more; what was made stays. One that has ended is left as it is."""
        return await self._store.stop(org_id, replay_id, self._clock.now(), STOPPED)


def repeatable_of(key: str | None, webhook_id: str, wish: Wish) -> Repeatable | None:
    """By what a request is known that may come twice; None where the caller gave no key. `wish` is as the caller gave
    it."""
    if key is None:
        return None
    return Repeatable(key, blake2b(encode((webhook_id, wish)), digest_size=16).hexdigest())
