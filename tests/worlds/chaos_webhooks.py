"""A server's debates and its dispatcher of webhooks in one process without Ray, to kill, freeze and thaw: the real
engine, journal, outbox, fan-out, store and sender.

    python chaos_webhooks.py

It imports everything once, and then forks a process for each *life*, so that one begins within some milliseconds.
Orders come as lines of JSON on stdin: {"begin": {...}} begins a life (`Begin`), {"to": PID, "do": [...]} tells one what
to do. News goes to stdout, `PID WORD ...`: `begun`, `ready EPOCH`, `opened DEBATE_ID`, `delivered STATUS`,
`rotated`, `promoted`, `taken-back`, `fenced`,
`stopped CUT_OFF`, `failed ERROR`.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from worlds.chaos_coordinator import PAUSE_S, SlowAgents, engine_of, next_epoch
from worlds.endpoint_processes import ProcessesHere
from worlds.memory_engine import spec

from aragora.config.settings import Settings, load_settings
from aragora.debate.protocol import preset
from aragora.debate.records import TOLD, Tenure
from aragora.debate.store.debates import DebateStore
from aragora.debate.store.journal_writer import JournalWriter
from aragora.errors import AragoraError
from aragora.ids import LOCAL_ORG
from aragora.observability.logging import configure_logging
from aragora.secrets.encryption import service_of
from aragora.storage.contexts import Context
from aragora.storage.database import Database
from aragora.storage.outbox import OutboxRelay, OutboxRow
from aragora.storage.outbox_store import OutboxStore
from aragora.webhooks import dispatcher as dispatching
from aragora.webhooks import hot_endpoint
from aragora.webhooks.dispatcher import Dispatcher
from aragora.webhooks.egress import guard_of, open_sender
from aragora.webhooks.hot_endpoint import HotEndpoint
from aragora.webhooks.local import LocalDelivery
from aragora.webhooks.model import Rules
from aragora.webhooks.rotation import rotated
from aragora.webhooks.store.choices import EndpointChoices
from aragora.webhooks.store.endpoints import EndpointStore
from aragora.webhooks.telling import ChoiceTelling

SWEEP_S: Final = 0.2
"""What a server looks for every quarter of a minute, a test does not wait for."""
STOP_S: Final = 5.0
DIRECT: Final = Rules(base_s=0.05, max_s=0.05, timeout_s=0.25, max_retries=50, failure_threshold=1000)
"""Of what a program without a server delivers: its lease runs for half a second."""


@dataclass(frozen=True)
class Begin:
    """How a life begins.

    Args:
        environment: what `load_settings` takes.
        moment, count: at which moment of `worlds.webhook_moments` it kills itself, and at which time of its coming.
        clock_s: how much its wall clock is off.
        program: a program that calls `deliver_webhook`, and no server.
    """

    environment: dict[str, str]
    moment: str | None = None
    count: int = 1
    clock_s: float = 0.0
    program: bool = False


@dataclass
class ShiftedClock:
    """A wall clock that is off, and a monotonic one that is not."""

    by_s: float

    def now(self) -> float:
        return time.time() + self.by_s

    def monotonic(self) -> float:
        return time.monotonic()


class Here:
    """Brings the outbox's rows to the dispatcher of this process."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        self._dispatcher = dispatcher

    async def apply(self, rows: Sequence[OutboxRow]) -> None:
        await self._dispatcher.fan_out(rows)


def say(*words: object) -> None:
    os.write(1, (" ".join(map(str, (os.getpid(), *words))) + "\n").encode())


class Program:
    """A program that delivers without a server."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    async def begin(self) -> None:
        self._delivery = await LocalDelivery.open(self._settings, DIRECT, service_of(self._settings))

    async def do_deliver(self, url: str) -> None:
        told = await self._delivery.deliver("wh-123", "debate_end", {"n": 1}, url, "your-secret-key")
        say("delivered", told.status)

    async def stop(self) -> int:
        await self._delivery.aclose(STOP_S)
        return 0


class Server:
    """What a server does for webhooks."""

    def __init__(self, settings: Settings, clock: ShiftedClock) -> None:
        self._settings = settings
        self._clock = clock
        self._relay: OutboxRelay | None = None

    async def begin(self) -> None:
        settings, clock = self._settings, self._clock
        debates, webhooks = (Database.open(settings, context) for context in (Context.DEBATES, Context.WEBHOOKS))
        crypto = service_of(settings)
        self._endpoints = EndpointStore(webhooks, clock, crypto)
        self._sender = open_sender(settings, guard_of(settings), clock)

        def hot(endpoint_id: str, epoch: int) -> HotEndpoint:
            return HotEndpoint(
                endpoint_id,
                epoch,
                webhooks,
                crypto,
                sender=self._sender,
                authority=self._dispatcher,
                clock=clock,
                slots=settings.webhook_max_in_flight,
            )

        self._processes = ProcessesHere(hot)
        self._dispatcher = Dispatcher(
            webhooks,
            DebateStore(debates),
            crypto,
            self._sender,
            clock=clock,
            slots=settings.webhook_max_in_flight,
            max_payload_bytes=settings.webhook_max_payload_bytes,
            processes=self._processes,
            hot_endpoints=1,
        )
        await self._dispatcher.begin()
        telling = ChoiceTelling(EndpointChoices(webhooks), self._told)
        await telling.look()
        epoch = await next_epoch(debates)
        writer = JournalWriter(debates, tenure=Tenure(0, epoch), telling=telling)
        agents = SlowAgents(Path(os.devnull), 0.0)
        self._engine = engine_of(settings, debates, writer, agents, epoch=epoch, clock=clock)
        self._relay = OutboxRelay(OutboxStore(debates), writer, {TOLD: Here(self._dispatcher)})
        await self._engine.recover(lambda _: True)
        self._relay.start()
        say("ready", epoch)

    async def do_open(self, debate_id: str) -> None:
        try:
            await self._engine.open(spec(debate_id, protocol=preset("duel", rounds=1)))
        except AragoraError as error:
            say("failed", error.message)
        else:
            say("opened", debate_id)

    async def do_fenced(self) -> None:
        """Say when the dispatcher knows that it has a successor."""
        while not self._dispatcher._following.are_fenced:
            await asyncio.sleep(PAUSE_S)
        say("fenced")

    async def do_clock(self, by_s: str) -> None:
        self._clock.by_s = float(by_s)

    async def do_rotate(self, endpoint_id: str, secret: str) -> None:
        at = self._clock.now()
        await self._endpoints.change(LOCAL_ORG, endpoint_id, lambda it: rotated(it, secret, 3600.0, at))
        await self._dispatcher.endpoint_changed(endpoint_id)
        say("rotated")

    async def do_promote(self, endpoint_id: str) -> None:
        """Hand an endpoint over, as soon as it can be."""
        while not await self._dispatcher._hot.promote(endpoint_id) or endpoint_id not in self._processes.hot:
            await asyncio.sleep(PAUSE_S)
        say("promoted")

    async def do_take_back(self, endpoint_id: str) -> None:
        await self._dispatcher._hot.take_back(endpoint_id, STOP_S)
        say("taken-back")

    async def stop(self) -> int:
        """As a server stops: debates first, then the outbox, then webhooks."""
        await self._engine.drain(STOP_S)
        if self._relay is not None:
            await self._relay.aclose()
        cut_off = await self._dispatcher.drain(STOP_S)
        await self._sender.aclose()
        return cut_off

    def _told(self) -> None:
        if self._relay is not None:
            self._relay.wake(TOLD)


async def live(begin: Begin, orders: int) -> None:
    from worlds.webhook_moments import MOMENTS, Blow

    settings = load_settings(begin.environment)
    configure_logging(settings)
    for module in (dispatching, hot_endpoint):
        module.SWEEP_S = SWEEP_S  # type: ignore[attr-defined]
    if begin.moment is not None:
        MOMENTS[begin.moment](Blow(begin.count))
    lived = Program(settings) if begin.program else Server(settings, ShiftedClock(begin.clock_s))
    await lived.begin()
    lines = asyncio.StreamReader()
    reading = asyncio.StreamReaderProtocol(lines)
    await asyncio.get_running_loop().connect_read_pipe(lambda: reading, os.fdopen(orders, "rb"))
    doing = set()
    while line := await lines.readline():
        what, *words = json.loads(line)
        if what == "stop":
            break
        doing.add(asyncio.create_task(getattr(lived, f"do_{what}")(*words)))
    say("stopped", await lived.stop())


def main() -> None:
    from worlds import webhook_moments  # noqa: F401  imported once, for all lives

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for a life
    gc.freeze()  # what was imported is shared by all lives
    orders: dict[int, int] = {}
    for line in sys.stdin:
        order: dict[str, Any] = json.loads(line)
        if "to" in order:
            with suppress(BrokenPipeError):  # it has died
                os.write(orders[order["to"]], (json.dumps(order["do"]) + "\n").encode())
            continue
        mine, its = os.pipe()
        pid = os.fork()
        if pid == 0:
            for fd in (its, *orders.values()):
                os.close(fd)
            os.close(0)
            asyncio.run(live(Begin(**order["begin"]), mine))
            os._exit(0)
        os.close(mine)
        orders[pid] = its
        sys.stdout.write(f"{pid} begun\n")
        sys.stdout.flush()


if __name__ == "__main__":
    import worlds.chaos_webhooks as program  # the module that the moments strike, and not `__main__`

    program.main()
