"""What must hold of webhooks after any fault, read from the stores and from what receivers got: the one judge of every
chaos test of webhooks.

- Nothing is lost: every event of a debate that an endpoint chose has its delivery, under the id that follows from event
  and endpoint; it was answered with a 2xx, or is a dead letter of an endpoint that is meant to fail.
- A request comes again, with the same delivery id and number of attempt, only where its outcome was not stored when its
  sender was struck; and no more of those were open than one process may have on their way.
- Whatever came is in the store: its delivery, its event under the same id, its attempt, at the endpoint it is for, with
  the same bytes each time.
- Every delivery has ended in a state that its attempts explain; attempts are numbered without a gap.
- Counters are the rows, to the unit; the outbox is empty; breakers are closed where nothing fails.
- An endpoint that keeps order got its events in the order of their making.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final

from sqlalchemy import Table, select
from worlds.waiting import eventually
from worlds.webhook_arrivals import Arrival, Arrivals

from aragora.config.settings import Settings
from aragora.debate.records import TOLD
from aragora.debate.store import tables as debate_tables
from aragora.encoding import decode
from aragora.storage import tables
from aragora.storage.contexts import Context
from aragora.storage.database import Database
from aragora.webhooks.events import CATALOGUE, EVERY
from aragora.webhooks.ids import delivery_id, event_id
from aragora.webhooks.store import tables as webhook_tables

ENDED: Final = frozenset({"DELIVERED", "DEAD_LETTERED", "CANCELLED"})
RUNNING: Final = frozenset({"queued", "active"})
DELIVERIES: Final = "aragora_webhook_deliveries_total"
RETRIES: Final = "aragora_webhook_retries_total"
DEAD_LETTERED: Final = "aragora_webhook_dead_lettered_total"
CANCELLED: Final = "aragora_webhook_cancelled_total"
LATENCIES: Final = "aragora_webhook_delivery_latency_seconds_count"

Key = tuple[str, int]
"""Delivery and number of the attempt."""


@dataclass(frozen=True)
class Blow:
    """A fault that ended or froze a sender. `open` are the requests that receivers had got then and whose outcomes were
    not stored; `slots` is how many one sender may have on their way."""

    name: str
    open: frozenset[Key]
    slots: int


@dataclass
class Findings:
    """What a look found; the lists are empty where all is well."""

    wanted: int = 0  # events of debates, once for each endpoint that chose them
    deliveries: int = 0
    requests: int = 0
    delivered: int = 0
    dead: int = 0
    duplicates: int = 0
    bound: int = 0
    lost: list[str] = field(default_factory=list)
    repeated: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def problems(self) -> list[str]:
        return [*self.lost, *self.repeated, *self.wrong]


@dataclass(frozen=True)
class Stored:
    """What the stores hold of webhooks, and of the debates they tell of, row by row."""

    debates: Sequence[Any]
    journal: Sequence[Any]
    told: Sequence[Any]  # the outbox
    endpoints: Sequence[Any]
    events: Sequence[Any]
    deliveries: Sequence[Any]
    attempts: Sequence[Any]
    targets: Sequence[Any]
    counters: Sequence[Any]


@dataclass(frozen=True)
class Expected:
    """What is known from outside.

    Args:
        places: the place of each endpoint among the receivers.
        debates: those of which everything must have been told; None: all.
        failing: endpoints whose receivers are meant to fail.
        ordered: endpoints that keep order.
    """

    places: Mapping[str, str]
    debates: Collection[str] | None = None
    failing: Collection[str] = ()
    ordered: Collection[str] = ()


async def examine(settings: Settings, arrivals: Arrivals, blows: Sequence[Blow], expected: Expected) -> Findings:
    """Judge the stores that `settings` name, after everything had the time to end."""
    return judge(await read(settings), list(arrivals.requests), arrivals.delivered(), blows, expected)


def judge(
    stored: Stored,
    requests: Sequence[Arrival],
    delivered: Collection[str],
    blows: Sequence[Blow],
    expected: Expected,
) -> Findings:
    """`requests` are all that came, `delivered` the deliveries that a receiver answered with a 2xx."""
    found = Findings(
        deliveries=len(stored.deliveries),
        requests=len(requests),
        delivered=sum(row.status == "DELIVERED" for row in stored.deliveries),
        dead=sum(row.status == "DEAD_LETTERED" for row in stored.deliveries),
        duplicates=len(requests) - len({one.key for one in requests}),
        bound=sum(len(blow.open) for blow in blows),
    )
    _wanted(found, stored, delivered, expected)
    _repeated(found, requests, blows)
    _arrived(found, stored, requests, expected)
    _ended(found, stored, delivered)
    _counted(found, stored)
    _breakers(found, stored, expected)
    _in_order(found, stored, requests, expected)
    found.wrong += [f"left in the outbox: {row.outbox_id}" for row in stored.told]
    return found


async def open_requests(settings: Settings, arrivals: Arrivals) -> frozenset[Key]:
    """The requests that came and whose outcomes are not stored."""
    database = Database.open(settings, Context.WEBHOOKS)
    try:
        of = webhook_tables.webhook_attempts.c
        rows = await database.rows(select(of.delivery_id, of.number))
    finally:
        await database.aclose()
    return frozenset(one.key for one in list(arrivals.requests)) - {(row[0], row[1]) for row in rows}


async def all_over(settings: Settings, debates: Collection[str], deadline_s: float) -> None:
    """Return once no debate runs, the outbox tells nothing, and no delivery waits; fails after `deadline_s` seconds."""
    left: list[str] = []

    async def over() -> bool:
        stored = await read(settings, Context.DEBATES)
        known = {row.debate_id for row in stored.debates}
        left[:] = [one for one in debates if one not in known]
        left.extend(row.debate_id for row in stored.debates if row.status in RUNNING)
        left.extend(row.outbox_id for row in stored.told)
        if not left:
            stored = await read(settings, Context.WEBHOOKS)
            left.extend(f"{row.delivery_id} {row.status}" for row in stored.deliveries if row.ended_at is None)
        return not left

    try:
        await eventually(over, deadline_s=deadline_s, pause_s=0.05)
    except AssertionError:
        raise AssertionError(f"{len(left)} not over within {deadline_s:g} s: {left[:5]}") from None


async def read(settings: Settings, *contexts: Context) -> Stored:
    """What the stores hold; of a context that is not named (none: of both), nothing."""
    wanted = contexts or (Context.DEBATES, Context.WEBHOOKS)
    opened = {context: Database.open(settings, context) for context in wanted}
    of = webhook_tables

    async def rows(context: Context, table: Table) -> Sequence[Any]:
        return await opened[context].rows(select(table)) if context in opened else ()

    try:
        outbox = await rows(Context.DEBATES, tables.outbox)
        return Stored(
            debates=await rows(Context.DEBATES, debate_tables.debates),
            journal=await rows(Context.DEBATES, debate_tables.journal),
            told=[row for row in outbox if row.topic.partition(".")[0] == TOLD],
            endpoints=await rows(Context.WEBHOOKS, of.webhook_endpoints),
            events=await rows(Context.WEBHOOKS, of.webhook_events),
            deliveries=await rows(Context.WEBHOOKS, of.webhook_deliveries),
            attempts=await rows(Context.WEBHOOKS, of.webhook_attempts),
            targets=await rows(Context.WEBHOOKS, of.webhook_targets),
            counters=await rows(Context.WEBHOOKS, tables.webhook_counters),
        )
    finally:
        for database in opened.values():
            await database.aclose()


def _wanted(found: Findings, stored: Stored, delivered: Collection[str], expected: Expected) -> None:
    """Each event of a debate, at each endpoint that chose its type."""
    orgs = {row.debate_id: row.org_id for row in stored.debates}
    status = {row.delivery_id: row.status for row in stored.deliveries}
    for row in stored.journal:
        if expected.debates is not None and row.debate_id not in expected.debates:
            continue
        for endpoint in stored.endpoints:
            if not _chose(endpoint, row.type, orgs[row.debate_id]):
                continue
            found.wanted += 1
            one = delivery_id(event_id(row.debate_id, row.seq), endpoint.endpoint_id)
            what = f"{row.debate_id}:{row.seq} ({row.type}) for {endpoint.endpoint_id}"
            if one not in status:
                found.lost.append(f"{what} has no delivery")
            elif endpoint.endpoint_id in expected.failing:
                if status[one] != "DEAD_LETTERED":
                    found.lost.append(f"{what} fails and is {status[one]}")
            elif status[one] != "DELIVERED" or one not in delivered:
                found.lost.append(f"{what} is {status[one]}, answered with a 2xx: {one in delivered}")


def _chose(endpoint: Any, event_type: str, org_id: str) -> bool:
    kind, names = CATALOGUE.get(event_type), decode(endpoint.events)
    if kind is None or endpoint.org_id != org_id or endpoint.status != "enabled":
        return False
    return event_type in names or (EVERY in names and not kind.high_volume)


def _repeated(found: Findings, requests: Sequence[Arrival], blows: Sequence[Blow]) -> None:
    allowed = Counter(key for blow in blows for key in blow.open)
    for key, times in Counter(one.key for one in requests).items():
        if times - 1 > allowed[key]:
            found.repeated.append(f"{key} came {times} times, and was open at {allowed[key]} blows")
    for blow in blows:
        if len(blow.open) > blow.slots:
            found.repeated.append(f"{blow.name}: {len(blow.open)} requests were open, of {blow.slots} allowed")


def _arrived(found: Findings, stored: Stored, requests: Sequence[Arrival], expected: Expected) -> None:
    deliveries = {row.delivery_id: row for row in stored.deliveries}
    attempts = {(row.delivery_id, row.number): row for row in stored.attempts}
    bodies: defaultdict[str, set[bytes]] = defaultdict(set)
    for one in requests:
        row = deliveries.get(one.delivery_id)
        if row is None:
            found.wrong.append(f"{one.delivery_id} came, and the store does not know it")
            continue
        bodies[one.delivery_id].add(one.body)
        message_id = row.delivery_id if row.direct is not None else row.event_id
        if one.event_id != message_id:
            found.wrong.append(f"{one.delivery_id} came as {one.event_id}, and is {message_id}")
        if row.direct is None and one.place != expected.places[row.target_id]:
            found.wrong.append(f"{one.delivery_id} is for {row.target_id}, and came to {one.place}")
        if one.key not in attempts:
            found.wrong.append(f"{one.key} came, and its attempt is not stored")
    found.wrong += [f"{one} came with {len(each)} bodies" for one, each in bodies.items() if len(each) > 1]
    came = {one.key for one in requests}
    unseen = [key for key, row in attempts.items() if row.code is not None and key not in came]
    found.wrong += [f"{key} is stored with an answer, and never came" for key in unseen]


def _ended(found: Findings, stored: Stored, delivered: Collection[str]) -> None:
    attempts: defaultdict[str, list[Any]] = defaultdict(list)
    for row in sorted(stored.attempts, key=lambda row: row.number):
        attempts[row.delivery_id].append(row)
    for row in stored.deliveries:
        mine = attempts.pop(row.delivery_id, [])
        numbers = [one.number for one in mine]
        if row.status not in ENDED or row.ended_at is None:
            found.lost.append(f"{row.delivery_id} is {row.status}, ended at {row.ended_at}")
        if numbers != list(range(1, row.attempts + 1)):
            found.wrong.append(f"{row.delivery_id} has {row.attempts} attempts, and of them {numbers}")
        succeeded = [one.number for one in mine if one.failure is None]
        if succeeded != ([row.attempts] if row.status == "DELIVERED" else []):
            found.wrong.append(f"{row.delivery_id} is {row.status}, and the attempts {succeeded} succeeded")
        if row.status == "DELIVERED" and row.delivery_id not in delivered:
            found.wrong.append(f"{row.delivery_id} is DELIVERED, and no receiver said so")
    found.wrong += [f"attempts of {one}, which there is not" for one in attempts]
    known = {row.event_id for row in stored.events}
    found.wrong += [f"{one.delivery_id} has lost its event" for one in stored.deliveries if one.event_id not in known]


def _counted(found: Findings, stored: Stored) -> None:
    types = {row.delivery_id: _label(row.event_type) for row in stored.deliveries}
    wanted: Counter[tuple[str, str, str]] = Counter()
    for row in stored.attempts:
        event_type = types.get(row.delivery_id, "")
        status = "delivered" if row.failure is None else row.failure
        status = status if status in ("delivered", "timeout", "blocked") else "failed"
        wanted[DELIVERIES, event_type, status] += 1
        wanted[LATENCIES, event_type, ""] += 1
        wanted[RETRIES, event_type, ""] += row.number > 1
    for row in stored.deliveries:
        wanted[DEAD_LETTERED, _label(row.event_type), ""] += row.status == "DEAD_LETTERED"
        wanted[CANCELLED, "", ""] += row.status == "CANCELLED"
    have: Counter[tuple[str, str, str]] = Counter()
    for row in stored.counters:
        if row.sample in (DELIVERIES, LATENCIES, RETRIES, DEAD_LETTERED, CANCELLED):
            labels = dict(decode(row.labels))
            have[row.sample, labels.get("event_type", ""), labels.get("status", "")] += row.value
    for name in sorted(wanted.keys() | have.keys()):
        if wanted[name] != have[name]:
            found.wrong.append(f"{name} counts {have[name]:g}, and there are {wanted[name]}")


def _label(event_type: str) -> str:
    return event_type if event_type in CATALOGUE else "other"


def _breakers(found: Findings, stored: Stored, expected: Expected) -> None:
    for row in stored.targets:
        if row.breaker in ("closed", "open") and (row.breaker == "open") != (row.retry_at is not None):
            found.wrong.append(f"the breaker of {row.target_id} is {row.breaker}, to be tried at {row.retry_at}")
        if row.breaker != "closed" and row.target_id not in expected.failing:
            found.wrong.append(f"the breaker of {row.target_id} is {row.breaker}, and nothing of it fails")


def _in_order(found: Findings, stored: Stored, requests: Sequence[Arrival], expected: Expected) -> None:
    """By the first request of each delivery."""
    made = {row.delivery_id: row for row in stored.deliveries}
    for endpoint_id in expected.ordered:
        place = expected.places[endpoint_id]
        order = dict.fromkeys(one.delivery_id for one in requests if one.place == place)
        for one, other in pairwise(made[each] for each in order if each in made):
            if one.created_at > other.created_at:
                told = " came before ".join(f"{row.event_id} ({row.event_type})" for row in (one, other))
                found.wrong.append(f"{endpoint_id} keeps order, and {told}, which was made first")
