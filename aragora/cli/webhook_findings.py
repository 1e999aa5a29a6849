"""What `aragora doctor` says of webhooks: deliveries that this server does not send, receivers that fail, endpoints
that were given up. It reads the store, so it needs no server and no key."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack
from typing import Final

from aragora.cli.findings import Finding, ok, warning
from aragora.clock import Clock
from aragora.config.settings import Settings
from aragora.debate.records import TOLD
from aragora.errors import Misconfigured, Unavailable
from aragora.migrations.history import require_current
from aragora.storage.contexts import Context
from aragora.storage.database import Database
from aragora.storage.outbox_store import OutboxStore
from aragora.texts import counted
from aragora.webhooks.model import TargetStatus
from aragora.webhooks.store.choices import EndpointChoices
from aragora.webhooks.store.figures import DAY_S, WebhookStandings

SUBJECT: Final = "webhooks"
TIMEOUT_S: Final = 10.0
LATE_S: Final = 60.0  # the server looks every few seconds, and a busy receiver is no trouble
COUNTED_MAX: Final = 1_000


async def webhooks(settings: Settings, clock: Clock) -> list[Finding]:
    """None where there is no webhook and nothing waits, or where the store cannot be read: its own finding says so."""
    try:
        async with asyncio.timeout(TIMEOUT_S):
            await require_current(settings, Context.WEBHOOKS, Context.DEBATES)
            return await _read(settings, clock.now())
    except (Misconfigured, Unavailable):
        return []
    except TimeoutError:
        return [warning(SUBJECT, f"their store gave no answer within {TIMEOUT_S:g} s", "Is it busy, or locked?")]


async def _read(settings: Settings, wall: float) -> list[Finding]:
    async with AsyncExitStack() as closing:
        database, debates = (Database.open(settings, one) for one in (Context.WEBHOOKS, Context.DEBATES))
        closing.push_async_callback(debates.aclose)
        closing.push_async_callback(database.aclose)
        standings = WebhookStandings(database)
        endpoints = await EndpointChoices(database).count_by_status()
        waiting = sum((await standings.waiting()).values())
        due_s = (await standings.overdue(wall)).due_s
        events = await OutboxStore(debates).pending((TOLD,), 1)
        late_s = max(due_s, wall - events[0].created_at if events else 0.0)
        dead = await standings.dead_letters(wall - DAY_S, COUNTED_MAX)
        refusing = await standings.refusing(wall, COUNTED_MAX)
    found = list(_troubles(late_s, dead, refusing, endpoints[TargetStatus.DISABLED]))
    if found or not (waiting or any(endpoints.values())):
        return found
    enabled = counted(endpoints[TargetStatus.ENABLED], "endpoint")
    return [ok(SUBJECT, f"{enabled} enabled; {counted(waiting, 'delivery', 'deliveries')} waiting, none for too long")]


def _troubles(late_s: float, dead: int, refusing: int, disabled: int) -> Iterator[Finding]:
    if late_s > LATE_S:
        told = f"something has been due for {late_s / 60.0:.0f} min, and nothing holds it back"
        yield warning(SUBJECT, told, "Is a server running? If so, its log says what the dispatcher does.")
    if dead:
        told = f"{_up_to(dead, 'dead letter')} within a day"
        yield warning(SUBJECT, told, "aragora webhooks dead-letters says what did not arrive, and sends it again.")
    if refusing:
        told = f"the receivers of {_up_to(refusing, 'webhook')} fail, and are left alone for now"
        yield warning(SUBJECT, told, "Deliveries wait. aragora webhooks list shows which; tell their owners.")
    if disabled:
        told = f"{_up_to(disabled, 'endpoint')} disabled: nothing is sent there"
        yield warning(SUBJECT, told, "aragora webhooks list --status disabled says why; enable or delete them.")


def _up_to(number: int, what: str) -> str:
    return f"{COUNTED_MAX:,} or more {what}s" if number >= COUNTED_MAX else counted(number, what)
