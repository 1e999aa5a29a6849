"""The moments at which a process that delivers webhooks kills itself: -9, with everything that it had on its way.

A moment is a function that puts a blow before or behind one step of the real code. A test installs it in a process of
its own (`worlds.chaos_webhooks`).
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, Final

import worlds.chaos_webhooks as life

from aragora.webhooks import fanout
from aragora.webhooks.hot_endpoint import HotEndpoint
from aragora.webhooks.hot_endpoints import PREFIX
from aragora.webhooks.model import DeliveryStatus
from aragora.webhooks.owner import LEASED, Owner
from aragora.webhooks.sender import Sender
from aragora.webhooks.store import writer_postgres, writer_sqlite
from aragora.webhooks.store.endpoints import EndpointStore
from aragora.webhooks.store.owners import Owners
from aragora.webhooks.store.units import Attempted, Unit
from aragora.webhooks.store.writer import DeliveryWriter

Applies = Callable[..., bool]


class Blow:
    """Kills this process when it is struck for the time number `count`."""

    def __init__(self, count: int) -> None:
        self._left = count

    def strike(self) -> None:
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


Moment = Callable[[Blow], None]


def always(*_: Any, **__: Any) -> bool:
    return True


def before(owner: Any, name: str, blow: Blow, applies: Applies = always) -> None:
    """Strike where `owner.name` is called with arguments to which the blow applies."""
    real = getattr(owner, name)

    @wraps(real)
    def struck(*args: Any, **named: Any) -> Any:
        if applies(*args, **named):
            blow.strike()
        return real(*args, **named)

    setattr(owner, name, struck)


def behind(owner: Any, name: str, blow: Blow, applies: Applies = always) -> None:
    """Strike where the coroutine `owner.name` has returned."""
    real = getattr(owner, name)

    @wraps(real)
    async def struck(*args: Any, **named: Any) -> Any:
        outcome = await real(*args, **named)
        if applies(*args, **named):
            blow.strike()
        return outcome

    setattr(owner, name, struck)


def in_a_transaction(blow: Blow, applies: Callable[[Unit], bool]) -> None:
    """Strike when all of a group of units is written that holds such a unit, and nothing is committed."""
    write = writer_sqlite._write
    write_to_postgres = writer_postgres.PostgresDeliveries._write

    def struck(units: Any, connection: Any) -> Any:
        outcomes = write(units, connection)
        if any(map(applies, units)):
            blow.strike()
        return outcomes

    async def struck_in_postgres(self: Any, units: Any, connection: Any) -> Any:
        outcomes = await write_to_postgres(self, units, connection)
        if any(map(applies, units)):
            blow.strike()
        return outcomes

    writer_sqlite._write = struck
    writer_postgres.PostgresDeliveries._write = struck_in_postgres  # type: ignore[method-assign]


def is_result(unit: Unit) -> bool:
    return isinstance(unit, Attempted)


def is_end(unit: Unit) -> bool:
    return isinstance(unit, Attempted) and unit.after.status is DeliveryStatus.DEAD_LETTERED


def is_refused(unit: Unit) -> bool:
    return isinstance(unit, Attempted) and unit.attempt.answer.code == 401


def _small_pages(blow: Blow) -> None:
    fanout.PAGE = 2  # type: ignore[misc]
    before(DeliveryWriter, "enqueue", blow)


def _key_begins(prefix: str) -> Applies:
    return lambda _, key, *__, **___: key.startswith(prefix)


MOMENTS: Final[Mapping[str, Moment]] = {
    "after the outbox commit": lambda blow: before(life.Here, "apply", blow),
    "during fan-out": _small_pages,
    "after insert": lambda blow: behind(DeliveryWriter, "enqueue", blow),
    "before send": lambda blow: before(Sender, "send", blow),
    "after the answer": lambda blow: behind(Sender, "send", blow),
    "before the result's commit": lambda blow: in_a_transaction(blow, is_result),
    "after the result's commit": lambda blow: behind(DeliveryWriter, "attempted", blow),
    "in dead-lettering": lambda blow: in_a_transaction(blow, is_end),
    "after dead-lettering": lambda blow: behind(DeliveryWriter, "attempted", blow, lambda _, unit: is_end(unit)),
    "in rotation, before it is stored": lambda blow: before(EndpointStore, "change", blow),
    "in rotation, before the dispatcher hears of it": lambda blow: behind(EndpointStore, "change", blow),
    "in rotation, where the other secret is to be tried": lambda blow: in_a_transaction(blow, is_refused),
    "in hand-over from a program, the epoch is taken": lambda blow: behind(
        Owners, "advance", blow, _key_begins(LEASED)
    ),
    "in hand-over from a program, before it is stored": lambda blow: before(DeliveryWriter, "moved", blow),
    "in hand-over from a program, part of it is stored": lambda blow: behind(DeliveryWriter, "moved", blow),
    "in hand-over to a process, the endpoint is at rest": lambda blow: behind(Owner, "quiesce", blow),
    "in hand-over to a process, the epoch is taken": lambda blow: behind(Owners, "advance", blow, _key_begins(PREFIX)),
    "in hand-over to a process, it has begun": lambda blow: behind(HotEndpoint, "begin", blow),
    "in hand-over from a process, it let go": lambda blow: behind(HotEndpoint, "release", blow),
    "in hand-over from a process, the epoch is taken": lambda blow: behind(
        Owners, "advance", blow, _key_begins(PREFIX)
    ),
}
"""By name. Those that an owner's own clock does not bring about, a test does: `in send` is the receiver's blow, that of
a process of a cluster the operating system's."""
