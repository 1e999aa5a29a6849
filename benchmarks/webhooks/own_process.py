"""What a process of its own gives an endpoint: the same events of real debates, as fast as they go, to an endpoint in
the dispatcher and to one that has a process. Ray, the actors and the store are the product's; debates are over before.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from sqlalchemy import func, select

from aragora.clock import SystemClock
from aragora.debate.records import TOLD
from aragora.encoding import encode_text
from aragora.secrets.encryption import service_of
from aragora.storage.contexts import Context
from aragora.storage.database import Database
from aragora.storage.outbox import OutboxRow
from aragora.webhooks.endpoint import Endpoint
from aragora.webhooks.events import CATALOGUE
from aragora.webhooks.store.endpoints import EndpointStore
from aragora.webhooks.store.tables import webhook_deliveries
from benchmarks.load import AGENTS, load_on, run
from benchmarks.system import System, running
from benchmarks.webhooks.bed import Bed, add, endpoint
from benchmarks.webhooks.options import Line, Options

if TYPE_CHECKING:
    from actors.runtime import Reference, Runtime
    from actors.webhook_dispatcher import WebhookDispatcherActor

CONCURRENCY: Final = 20
AT_ONCE: Final = 100  # as the outbox gives them
WARM_PER_S: Final = 50.0
LIMIT_S: Final = 120.0


def run_all(bed: Bed, options: Options) -> list[Line]:
    """One line."""
    store = os.environ.get("DATABASE_URL")
    more = {"ARAGORA_WEBHOOK_ALLOWED_NETWORKS": "127.0.0.1/32", "ARAGORA_WEBHOOK_HOT_ENDPOINTS": "1"}
    with running(stubs=len(AGENTS), latency_ms=0.0, http=False, database_url=store, **more) as it:
        return asyncio.run(_measure(it, bed.url, options))


async def _measure(system: System, url: str, options: Options) -> list[Line]:
    from actors.kinds import DISPATCHER, DISPATCHER_KEY  # noqa: PLC0415  imports Ray
    from actors.runtime import Runtime  # noqa: PLC0415

    settings, runtime = system.settings, Runtime(system.settings)
    async with load_on(system) as load:
        await run(load.debate, options.own_debates, CONCURRENCY)
    debates, webhooks = Database.open(settings, Context.DEBATES), Database.open(settings, Context.WEBHOOKS)
    rows = await _told(debates)
    dispatcher = runtime.at(DISPATCHER, DISPATCHER_KEY)
    store = EndpointStore(webhooks, SystemClock(), service_of(settings))
    shared, own = (replace(_all_events(endpoint(name, f"{url}/{name}")), org_id="local") for name in ("shared", "own"))
    warm, measured = rows[: len(rows) // 2], rows[len(rows) // 2 :]
    await add(webhooks, store, [shared])
    await dispatcher.ask(lambda it: it.endpoint_changed(shared.endpoint_id), timeout_s=60.0)
    in_dispatcher = await _rate(dispatcher, webhooks, shared, measured)
    await store.delete("local", shared.endpoint_id)
    await add(webhooks, store, [own])
    await dispatcher.ask(lambda it: it.endpoint_changed(own.endpoint_id), timeout_s=60.0)
    await _heat(runtime, dispatcher, own, warm)
    in_process = await _rate(dispatcher, webhooks, own, measured)
    await webhooks.aclose()
    await debates.aclose()
    figures = {
        "events": len(measured),
        "in_dispatcher_per_s": in_dispatcher,
        "in_process_per_s": in_process,
        "ratio": in_process / in_dispatcher,
    }
    return [Line("a process of its own", figures)]


def _all_events(one: Endpoint) -> Endpoint:
    return replace(one, events=tuple(sorted(CATALOGUE)), rules=replace(one.rules, max_in_flight=50))


async def _told(debates: Database) -> list[OutboxRow]:
    """What the outbox would tell of every event of the debates."""
    from aragora.debate.store.tables import journal  # noqa: PLC0415

    query = select(journal.c.debate_id, journal.c.seq, journal.c.type, journal.c.at)
    found = await debates.rows(query.order_by(journal.c.debate_id, journal.c.seq))
    return [
        OutboxRow(f"{debate_id}:{TOLD}:{seq}", TOLD, debate_id, encode_text({"seq": seq, "type": kind}), at)
        for debate_id, seq, kind, at in found
        if kind in CATALOGUE
    ]


async def _heat(
    runtime: Runtime, dispatcher: Reference[WebhookDispatcherActor], one: Endpoint, rows: Sequence[OutboxRow]
) -> None:
    """Events at a pace that makes the endpoint hot, until it has a process."""
    from actors.kinds import ENDPOINT  # noqa: PLC0415

    for row in rows:
        await _tell(dispatcher, [row])
        await asyncio.sleep(1.0 / WARM_PER_S)
        if one.endpoint_id in await runtime.alive(ENDPOINT):
            break
    else:
        raise SystemExit("the endpoint got no process: more debates make more events")


async def _rate(
    dispatcher: Reference[WebhookDispatcherActor], webhooks: Database, one: Endpoint, rows: Sequence[OutboxRow]
) -> float:
    """Deliveries a second, from the first event to the last result in the store."""
    before, began = await _ended(webhooks, one), time.monotonic()
    for first in range(0, len(rows), AT_ONCE):
        await _tell(dispatcher, rows[first : first + AT_ONCE])
    while await _ended(webhooks, one) < before + len(rows):
        if time.monotonic() - began > LIMIT_S:
            raise SystemExit(f"not delivered within {LIMIT_S:g} s")
        await asyncio.sleep(0.02)
    return len(rows) / (time.monotonic() - began)


async def _tell(dispatcher: Reference[WebhookDispatcherActor], rows: Sequence[OutboxRow]) -> None:
    await dispatcher.ask(lambda it: it.fan_out(tuple(rows)), timeout_s=60.0)


async def _ended(webhooks: Database, one: Endpoint) -> int:
    of = webhook_deliveries.c
    query = select(func.count()).where(of.target_id == one.endpoint_id, of.ended_at.is_not(None))
    return int((await webhooks.rows(query))[0][0])
