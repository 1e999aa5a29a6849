"""A store of deliveries in memory, a sender that answers by a script, and whoever follows: for the unit tests of the
deliverer. The rules of the store are those of `aragora.webhooks.store`: what has ended is STALE."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

from aragora.errors import AragoraError
from aragora.webhooks.destinations import Destination
from aragora.webhooks.endpoint import ClientCertificate
from aragora.webhooks.machine import Settled
from aragora.webhooks.model import Answer, Delivery, EventRecord, Request, Rules
from aragora.webhooks.store.units import Attempted, Effect, Moved, Told


@dataclass
class MemoryDeliveries:
    """Deliveries by id. `fails`: what the next writes raise, the first one first."""

    deliveries: dict[str, Delivery] = field(default_factory=dict)
    events_by_id: dict[str, EventRecord] = field(default_factory=dict)
    written: list[Attempted | Moved] = field(default_factory=list)
    fails: list[AragoraError] = field(default_factory=list)

    def add(self, *deliveries: Delivery) -> None:
        for one in deliveries:
            self.deliveries[one.delivery_id] = one
            event = EventRecord(one.event_id, one.org_id, one.event_type, '{"type": "debate_end"}', one.created_at)
            self.events_by_id[one.event_id] = event

    async def attempted(self, unit: Attempted) -> Told:
        return self._write(unit)

    async def moved(self, unit: Moved) -> Told:
        return self._write(unit)

    async def events(self, event_ids: Collection[str]) -> dict[str, EventRecord]:
        return {one: self.events_by_id[one] for one in event_ids if one in self.events_by_id}

    def _write(self, unit: Attempted | Moved) -> Told:
        if self.fails:
            raise self.fails.pop(0)
        stored = self.deliveries[unit.after.delivery_id]
        if not stored.status.waits:
            return Told(Effect.STALE, stored.status)
        self.deliveries[stored.delivery_id] = unit.after
        self.written.append(unit)
        return Told(Effect.WRITTEN, unit.after.status)


@dataclass
class ScriptedReceiver:
    """Answers what `answer` says to the requests that come, each after `takes_s` seconds."""

    answer: Callable[[Request], Answer]
    takes_s: float = 0.0
    requests: list[Request] = field(default_factory=list)
    at_s: list[float] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0

    async def send(self, request: Request, certificate: ClientCertificate | None = None) -> Answer:
        self.requests.append(request)
        self.at_s.append(asyncio.get_running_loop().time())
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await asyncio.sleep(self.takes_s)
        finally:
            self.at_once -= 1
        return self.answer(request)


@dataclass
class FixedDestinations:
    """One destination for all, or what `fails` says."""

    destination: Destination = field(
        default_factory=lambda: Destination("https://receiver.example.com/hook", Rules(), ("a secret of some length",))
    )
    fails: AragoraError | None = None

    async def of(self, delivery: Delivery) -> Destination:
        if self.fails is not None:
            raise self.fails
        return self.destination


@dataclass
class Follower:
    """Notes what was told."""

    outcomes: list[Settled] = field(default_factory=list)
    moves: list[Delivery] = field(default_factory=list)
    targets_held: list[str] = field(default_factory=list)
    ends: int = 0

    def settled(self, settled: Settled) -> None:
        self.outcomes.append(settled)

    def moved(self, delivery: Delivery) -> None:
        self.moves.append(delivery)

    def held(self, target_id: str) -> None:
        self.targets_held.append(target_id)

    def fenced(self) -> None:
        self.ends += 1


def in_turn(answers: Sequence[Answer]) -> Callable[[Request], Answer]:
    """One answer after the other; the last one for ever."""
    left = list(answers)

    def answer(_: Request) -> Answer:
        return left.pop(0) if len(left) > 1 else left[0]

    return answer
