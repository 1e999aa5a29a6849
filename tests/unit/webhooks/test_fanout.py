"""From the outbox to deliveries: to whom, under which ids, and what a damaged event does."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import pytest
from worlds.backends import SetClock
from worlds.webhook_deliveries import WALL

from aragora.debate.journal import row_of
from aragora.debate.model import DebateEnded, DebateSpec, DebateStatus, Protocol
from aragora.debate.records import DebateRecord, told_row
from aragora.encoding import encode_text
from aragora.errors import NotFound, Unavailable
from aragora.scope import Scope
from aragora.storage.outbox import OutboxRow
from aragora.webhooks import fanout
from aragora.webhooks.counting import lag_s
from aragora.webhooks.endpoint import PayloadKind
from aragora.webhooks.fanout import PARKED_AT, FanOut, Happened
from aragora.webhooks.ids import delivery_id
from aragora.webhooks.model import Delivery, EventRecord, TargetStatus
from aragora.webhooks.store.endpoints import Route
from aragora.webhooks.store.units import Enqueue, Tenure
from aragora.webhooks.workflow_events import WorkflowRow

SPEC = DebateSpec("deb_1", "Which queue?", ("a", "b"), Protocol("structured"), seed=7, org_id="acme", domain="software")


class StoppedClock:
    def now(self) -> float:
        return WALL

    def monotonic(self) -> float:
        return 0.0


@dataclass
class Store:
    """Debates, endpoints and what was enqueued."""

    routes_by_org: dict[str, list[Route]] = field(default_factory=dict)
    journals: dict[str, list[str]] = field(default_factory=dict)
    enqueued: list[Enqueue] = field(default_factory=list)
    known: set[str] = field(default_factory=set)
    away: bool = False

    async def get(self, debate_id: str, scope: Scope) -> DebateRecord:
        if debate_id not in self.journals:
            raise NotFound("There is no such debate.")
        return DebateRecord(debate_id, "q", DebateStatus.ACTIVE, encode_text(SPEC), 1.0, 1.0, "ann", "acme")

    async def events(self, debate_id: str, after: int = 0, limit: int = 500) -> list[str]:
        return self.journals[debate_id][after : after + limit]

    async def routes(self, org_id: str, after: str, limit: int) -> list[Route]:
        found = [one for one in self.routes_by_org.get(org_id, []) if one.endpoint_id > after]
        return sorted(found, key=lambda one: one.endpoint_id)[:limit]

    async def enqueue(self, unit: Enqueue) -> frozenset[str]:
        if self.away:
            raise Unavailable("The database is away.")
        self.enqueued.append(unit)
        new = {one.delivery_id for one in unit.deliveries} - self.known
        self.known |= new
        return frozenset(new)


@dataclass
class Scene:
    store: Store
    made: list[tuple[EventRecord, Sequence[Delivery]]]
    fan_out: FanOut

    @property
    def to(self) -> list[str]:
        return [one.target_id for _, deliveries in self.made for one in deliveries]


def scene(*routes: Route) -> Scene:
    store = Store()
    made: list[tuple[EventRecord, Sequence[Delivery]]] = []
    for one in routes:
        store.routes_by_org.setdefault(one.org_id, []).append(one)

    async def note(event: EventRecord, deliveries: Sequence[Delivery]) -> None:
        made.append((event, deliveries))

    made_of = FanOut(
        store,
        store,
        store,
        note,
        tenure=Tenure("shard/0", 3),
        max_bytes=262_144,
        clock=StoppedClock(),
    )
    return Scene(store, made, made_of)


def route(endpoint_id: str, *events: str, org_id: str = "acme", **changes: Any) -> Route:
    made = Route(endpoint_id, org_id, events or ("*",), {}, PayloadKind.FULL, TargetStatus.ENABLED)
    return replace(made, **changes)


def ended(store: Store, debate_id: str = "deb_1", status: DebateStatus = DebateStatus.COMPLETED) -> OutboxRow:
    """A debate whose only event is its end; the outbox row that tells of it."""
    row = row_of(debate_id, 1, 1_772_366_400.0, DebateEnded(status, "decided", 3, 0.25))
    store.journals[debate_id] = [row.payload]
    return told_row(row)


async def test_each_endpoint_that_wants_an_event_gets_one_delivery_under_an_id_that_follows_from_both() -> None:
    it = scene(route("wh_1"), route("wh_2", "debate_end"), route("wh_3", "consensus"))
    row = ended(it.store)

    await it.fan_out.of_debates([row])

    assert it.to == ["wh_1", "wh_2"]
    (event, deliveries), *_ = it.made
    assert (event.event_id, event.org_id, event.type) == ("deb_1:1", "acme", "debate_end")
    body = json.loads(event.body)
    assert body["timestamp"] == "2026-03-01T12:00:00.000Z"
    assert body["data"]["debate_id"] == "deb_1"
    assert body["data"]["domain"] == "software"
    assert body["data"]["status"] == "completed"
    assert [one.delivery_id for one in deliveries] == [delivery_id("deb_1:1", "wh_1"), delivery_id("deb_1:1", "wh_2")]
    assert it.store.enqueued[0].tenure == Tenure("shard/0", 3)


async def test_an_event_reaches_no_endpoint_of_another_organisation() -> None:
    it = scene(route("wh_1", org_id="other"), route("wh_2"))

    await it.fan_out.of_debates([ended(it.store)])

    assert it.to == ["wh_2"]


async def test_an_event_that_comes_again_makes_nothing_new() -> None:
    it = scene(route("wh_1"))
    row = ended(it.store)

    await it.fan_out.of_debates([row])
    await it.fan_out.of_debates([row])

    assert it.to == ["wh_1"]
    assert it.store.enqueued[0].deliveries[0].delivery_id == it.store.enqueued[1].deliveries[0].delivery_id


@pytest.mark.parametrize("deaf", [TargetStatus.DISABLED, TargetStatus.UNVERIFIED])
async def test_a_paused_endpoint_s_deliveries_wait_and_a_disabled_or_unverified_one_gets_none(
    deaf: TargetStatus,
) -> None:
    it = scene(route("wh_1", status=TargetStatus.PAUSED), route("wh_2", status=deaf), route("wh_3"))

    await it.fan_out.of_debates([ended(it.store)])

    assert it.to == ["wh_1", "wh_3"]
    assert [one.due_at == PARKED_AT for _, made in it.made for one in made] == [True, False]


async def test_a_filter_chooses_by_the_data() -> None:
    it = scene(
        route("wh_1", matching={"status": ("failed",)}),
        route("wh_2", matching={"domain": ("software",), "status": ("completed", "failed")}),
    )

    await it.fan_out.of_debates([ended(it.store)])

    assert it.to == ["wh_2"]


def notified(seq: int = 3, **changed: Any) -> OutboxRow:
    """The row of the outbox that tells of a workflow."""
    facts = {"execution_id": "exe_1", "workflow_id": "wf_1", "workflow": "Release", "version": 1, "parent": ""}
    data = {**facts, "workspace": "team_a", "run": "tell", "message": "Out.", "details": {}}
    row = WorkflowRow("exe_1", seq, "acme", "workflow.notified", 1_772_366_400.0, data)
    payload = encode_text(replace(row, **changed))
    return OutboxRow(f"exe_1:workflow_events:{seq}", "workflow_events", "exe_1", payload, 1_772_366_400.0)


async def test_an_event_of_a_workflow_goes_to_those_of_its_organisation_that_chose_it() -> None:
    it = scene(
        route("wh_1"),
        route("wh_2", "workflow.notified", matching={"workspace": ("team_a",), "workflow_id": ("wf_1",)}),
        route("wh_3", "workflow.notified", matching={"workspace": ("team_b",)}),
        route("wh_4", "debate_end", "workflow.execution_ended"),
        route("wh_5", org_id="other"),
        route("wh_6", status=TargetStatus.DISABLED),
    )
    for _ in range(2):
        await it.fan_out.of_workflows([notified()])

    assert it.to == ["wh_1", "wh_2"]
    (event, deliveries), *_ = it.made
    assert (event.event_id, event.org_id, event.type) == ("exe_1:3", "acme", "workflow.notified")
    body = json.loads(event.body)
    assert (body["type"], body["seq"], body["timestamp"]) == ("workflow.notified", 3, "2026-03-01T12:00:00.000Z")
    assert body["data"]["message"] == "Out."
    assert [one.delivery_id for one in deliveries] == [delivery_id("exe_1:3", "wh_1"), delivery_id("exe_1:3", "wh_2")]


async def test_a_row_of_a_workflow_that_cannot_be_told_takes_no_other_with_it() -> None:
    it = scene(route("wh_1"))
    damaged = replace(notified(1), payload='{"seq": 1}')
    unknown = notified(2, type="workflow.of_a_later_release")

    await it.fan_out.of_workflows([damaged, unknown, notified(3)])

    assert [event.event_id for event, _ in it.made] == ["exe_1:3"]


async def test_where_the_store_is_away_the_rows_of_workflows_stay() -> None:
    it = scene(route("wh_1"))
    it.store.away = True

    with pytest.raises(Unavailable):
        await it.fan_out.of_workflows([notified()])


async def test_an_event_of_a_workflow_that_is_larger_than_a_body_goes_out_thin() -> None:
    it = scene(route("wh_1"))
    facts = {"execution_id": "exe_1", "message": "x" * 300_000}

    await it.fan_out.of_workflows([notified(data=facts)])

    ((event, _),) = it.made
    assert json.loads(event.body)["data"] == {
        "execution_id": "exe_1",
        "links": {"execution": "/api/workflow-executions/exe_1"},
    }


async def test_an_event_that_cannot_be_read_takes_no_other_with_it() -> None:
    it = scene(route("wh_1"))
    good = ended(it.store)
    it.store.journals["deb_2"] = ["{}"]
    damaged = [
        replace(good, outbox_id="deb_2:events:1", debate_id="deb_2"),
        replace(good, outbox_id="deb_3:events:1", debate_id="deb_3"),
        replace(good, outbox_id="deb_1:events:x", payload="no JSON"),
        replace(good, outbox_id="deb_1:events:9", payload='{"seq": 9, "type": "debate_end"}'),
    ]

    await it.fan_out.of_debates([*damaged, good])

    assert it.to == ["wh_1"]


async def test_a_store_that_is_away_is_told_so_that_the_outbox_keeps_its_rows() -> None:
    it = scene(route("wh_1"))
    it.store.away = True

    with pytest.raises(Unavailable):
        await it.fan_out.of_debates([ended(it.store)])


async def test_many_endpoints_are_served_page_by_page_in_the_order_of_making(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fanout, "PAGE", 10)
    it = scene(*(route(f"wh_{number:03}") for number in range(25)))

    await it.fan_out.of_debates([ended(it.store)])

    assert [len(unit.deliveries) for unit in it.store.enqueued] == [10, 10, 5]
    times = [one.created_at for _, made in it.made for one in made]
    assert all(before < after for before, after in pairwise(times))


async def test_events_that_come_at_once_are_made_and_told_in_one_order() -> None:
    it = scene(route("wh_1"))
    enqueue, first_is_written = it.store.enqueue, asyncio.Event()

    async def slow_at_first(unit: Enqueue) -> frozenset[str]:
        if not it.store.enqueued and not first_is_written.is_set():
            first_is_written.set()
            for _ in range(20):
                await asyncio.sleep(0)
        return await enqueue(unit)

    it.store.enqueue = slow_at_first  # type: ignore[method-assign]
    told = EventRecord("evt_1", "acme", "webhook.failing", "{}", WALL)
    telling = asyncio.create_task(it.fan_out.of_debates([ended(it.store)]))
    await first_is_written.wait()
    await it.fan_out.of(Happened(told, {}))
    await telling

    times = [one.created_at for _, deliveries in it.made for one in deliveries]
    assert (len(times), times) == (2, sorted(times))


async def test_a_clock_that_was_set_back_delays_nothing() -> None:
    it = scene(route("wh_1"))
    clock = SetClock(WALL)
    it.fan_out._clock = clock
    await it.fan_out.of_debates([ended(it.store)])
    clock.at = WALL - 3600.0
    await it.fan_out.of_debates([ended(it.store, "deb_2")])

    (_, (before,)), (_, (after,)) = it.made
    assert after.created_at > before.created_at, "the order of their making is kept"
    assert after.due_at == after.budget_at == WALL - 3600.0, "and it is due now"


async def test_what_is_made_of_events_that_happened_before_counts_as_no_lag() -> None:
    it = scene(route("wh_1"))
    for back_s in (0.0, 3600.0):
        it.fan_out._clock = SetClock(WALL - back_s)
        await it.fan_out.to(
            route("wh_1"), [Happened(EventRecord(f"evt_{back_s}", "acme", "debate_end", "{}", 1.0), {})]
        )

    made = [one for _, deliveries in it.made for one in deliveries]
    assert len(made) == 2
    assert [lag_s(one, 1.0, WALL + 1.0, -1.0) for one in made] == [None, None]
