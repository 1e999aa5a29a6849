"""What the metrics page shows of webhooks."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace

import pytest
from worlds.backends import SetClock
from worlds.webhook_deliveries import WALL, answered, delivery
from worlds.webhook_store import attempted, endpoint, enqueued, many

from actors.gateways.webhook_figures import COUNTED_S, SERIES_MAX, WebhookFigures
from aragora.debate.records import TOLD
from aragora.errors import Unavailable
from aragora.secrets.encryption import EncryptionService
from aragora.secrets.keyring import Keyring
from aragora.storage.database import Database
from aragora.storage.outbox import OutboxRow
from aragora.webhooks.model import DeliveryStatus, TargetRow, TargetStatus
from aragora.webhooks.store.endpoints import EndpointStore
from aragora.webhooks.store.figures import DAY_S, Overdue, WebhookStandings
from aragora.webhooks.store.units import KeepTarget
from aragora.webhooks.store.writer import DeliveryWriter

HELD = Overdue(due_s=0.0, held_s=600.0)


@dataclass
class Elsewhere:
    """The outbox, and the processes that deliver."""

    rows: list[OutboxRow] = field(default_factory=list)
    on_their_way: int | None = 0

    async def pending(self, topics: Collection[str], limit: int = 100) -> list[OutboxRow]:
        return [row for row in self.rows if row.topic in topics][:limit]

    async def count(self) -> int:
        if self.on_their_way is None:
            raise Unavailable("the cluster does not tell its actors")
        return self.on_their_way


def figures_of(database: Database, clock: SetClock, elsewhere: Elsewhere | None = None) -> WebhookFigures:
    elsewhere = elsewhere or Elsewhere()
    return WebhookFigures(database, elsewhere, elsewhere, clock)


async def registered(database: Database, clock: SetClock, *numbers: int, status: TargetStatus | None = None) -> None:
    store = EndpointStore(database, clock, EncryptionService(Keyring.ephemeral()))
    for number in numbers:
        await store.add(endpoint(number, status=status or TargetStatus.ENABLED), limit=10)


async def readings(figures: WebhookFigures) -> dict[str, float]:
    return {
        delta.sample.removeprefix("aragora_webhook_") + "".join(value for _, value in delta.labels): delta.amount
        for delta in await figures.gauges()
    }


async def test_the_page_tells_what_waits_and_for_how_long_and_which_breakers_refuse(
    database: Database, writer: DeliveryWriter
) -> None:
    clock = SetClock(WALL + 60.0)
    await registered(database, clock, 1)
    for number in (1, 2):
        await writer.enqueue(enqueued(delivery(number, target_id="wh_9")))
    retrying = {"status": DeliveryStatus.RETRYING, "ended_at": None, "due_at": WALL + 90.0, "last_code": 500}
    await writer.attempted(attempted(delivery(1, target_id="wh_8"), answered(500), at=WALL - 3_600.0, **retrying))
    for target_id, breaker, retry_at in (
        ("wh_1", "open", WALL + 90.0),
        ("wh_2", "open", WALL + 30.0),
        ("wh_3", "half_open", None),
        ("wh_4", "closed", None),
        ("url_5", "open", WALL + 90.0),
    ):
        await writer.keep(KeepTarget(TargetRow(target_id, breaker, 5, retry_at=retry_at)))
    event = OutboxRow("deb_1:events:1", TOLD, "deb_1", "{}", WALL + 53.0)
    others = OutboxRow("deb_1:usage", "usage", "deb_1", "{}", WALL)

    assert await readings(figures_of(database, clock, Elsewhere([others, event], 7))) == {
        "circuit_breaker_statewh_1": 1.0,
        "circuit_breaker_statewh_2": 0.0,
        "circuit_breaker_statewh_3": 0.0,
        "waitingPENDING": 1.0,
        "waitingRETRYING": 1.0,
        "endpointsenabled": 1.0,
        "endpointspaused": 0.0,
        "endpointsdisabled": 0.0,
        "endpointsunverified": 0.0,
        "oldest_due_seconds": 60.0,
        "oldest_held_seconds": 0.0,
        "oldest_event_seconds": 7.0,
        "in_flight": 7.0,
    }


async def test_what_is_not_known_to_be_on_its_way_is_absent(database: Database) -> None:
    assert "in_flight" not in await readings(figures_of(database, SetClock(WALL), Elsewhere(on_their_way=None)))


async def test_counts_are_as_old_as_half_a_minute_and_breakers_are_fresh(
    database: Database, writer: DeliveryWriter
) -> None:
    clock = SetClock(WALL)
    figures = figures_of(database, clock)
    assert (await readings(figures))["waitingPENDING"] == 0.0
    await writer.enqueue(enqueued(delivery(1)))
    await writer.keep(KeepTarget(TargetRow("wh_1", "open", 5, retry_at=WALL + 60.0)))

    now = await readings(figures)
    assert (now["waitingPENDING"], now["circuit_breaker_statewh_1"]) == (0.0, 1.0)
    clock.at += COUNTED_S
    assert (await readings(figures))["waitingPENDING"] == 1.0


async def test_an_enabled_endpoint_that_was_sent_to_within_a_day_shows_its_closed_breaker(
    database: Database, writer: DeliveryWriter
) -> None:
    """An alert that ends, and a panel, need a series that goes back to 0."""
    clock = SetClock(WALL + DAY_S)
    await registered(database, clock, 1, 2, 3)
    await registered(database, clock, 4, status=TargetStatus.DISABLED)
    for number, at in ((1, WALL + 1.0), (2, WALL - 1.0), (4, WALL + 1.0)):
        await _sent(writer, number, f"wh_{number:06}", at)
    figures = figures_of(database, clock)

    def breakers(told: dict[str, float]) -> dict[str, float]:
        return {name: value for name, value in told.items() if name.startswith("circuit_breaker_state")}

    assert breakers(await readings(figures)) == {"circuit_breaker_statewh_000001": 0.0}
    await writer.keep(KeepTarget(TargetRow("wh_000001", "open", 5, retry_at=clock.at + 60.0)))
    assert breakers(await readings(figures)) == {"circuit_breaker_statewh_000001": 1.0}
    await writer.keep(KeepTarget(TargetRow("wh_000001", "closed")))
    assert breakers(await readings(figures)) == {"circuit_breaker_statewh_000001": 0.0}


async def test_the_series_of_breakers_are_bounded_and_those_that_refuse_come_first(
    database: Database, writer: DeliveryWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = SetClock(WALL + 60.0)
    assert SERIES_MAX == 1_000
    monkeypatch.setattr("actors.gateways.webhook_figures.SERIES_MAX", 2)
    await registered(database, clock, 1, 2, 3)
    for number in (1, 2, 3):
        await _sent(writer, number, f"wh_{number:06}", WALL)
    await writer.keep(KeepTarget(TargetRow("wh_000003", "open", 5, retry_at=WALL + 90.0)))

    told = await readings(figures_of(database, clock))
    states = {name: value for name, value in told.items() if name.startswith("circuit_breaker_state")}
    assert len(states) == 2
    assert states["circuit_breaker_statewh_000003"] == 1.0


@pytest.mark.parametrize(
    ("row", "sent_at", "status", "overdue"),
    [
        pytest.param(None, None, None, Overdue(600.0, 0.0), id="nothing holds it back"),
        pytest.param(TargetRow("wh_000001"), None, None, Overdue(600.0, 0.0), id="closed"),
        pytest.param(TargetRow("wh_000001", "open", 5, retry_at=WALL + 601.0), None, None, HELD, id="refusing"),
        pytest.param(
            TargetRow("wh_000001", "open", 5, retry_at=WALL + 590.0), None, None, Overdue(10.0, 600.0), id="refused"
        ),
        pytest.param(TargetRow("wh_000001", paused_until=WALL + 601.0), None, None, HELD, id="Retry-After"),
        pytest.param(
            TargetRow("wh_000001", paused_until=WALL + 400.0), None, None, Overdue(200.0, 600.0), id="it is over"
        ),
        pytest.param(None, WALL + 580.0, None, Overdue(20.0, 600.0), id="served at its pace"),
        pytest.param(None, WALL - 580.0, None, Overdue(600.0, 0.0), id="served before"),
        pytest.param(None, None, TargetStatus.PAUSED, HELD, id="paused"),
        pytest.param(None, None, TargetStatus.DISABLED, HELD, id="disabled"),
    ],
)
async def test_what_waits_for_its_receiver_is_told_apart_from_what_should_have_been_sent(
    database: Database,
    writer: DeliveryWriter,
    *,
    row: TargetRow | None,
    sent_at: float | None,
    status: TargetStatus | None,
    overdue: Overdue,
) -> None:
    clock = SetClock(WALL + 600.0)
    await registered(database, clock, 1, status=status)
    await writer.enqueue(enqueued(*many(100, 3, target_id="wh_000001")))
    if sent_at is not None:
        await _sent(writer, 1, "wh_000001", sent_at)
    if row is not None:
        await writer.keep(KeepTarget(row))
    assert await WebhookStandings(database).overdue(clock.at) == overdue


async def test_each_of_many_targets_counts_by_the_first_that_waits_for_it(
    database: Database, writer: DeliveryWriter
) -> None:
    standings = WebhookStandings(database)
    assert await standings.overdue(WALL) == Overdue()
    for place, target_id in enumerate(("url_1", "wh_1", "wh_2", "wh_3")):
        waiting = many(100 * place, 3, target_id=target_id, due_at=WALL + 10.0 * place)
        await writer.enqueue(enqueued(*waiting))
    await writer.enqueue(enqueued(delivery(900, target_id="wh_4", due_at=WALL + 1e6)))
    await writer.keep(KeepTarget(TargetRow("url_1", "open", 5, retry_at=WALL + 1e6)))
    await writer.keep(KeepTarget(TargetRow("wh_2", "open", 5, retry_at=WALL + 1e6)))
    assert await standings.overdue(WALL) == Overdue()
    assert await standings.overdue(WALL + 100.0) == Overdue(due_s=90.0, held_s=100.0)
    assert await standings.waiting() == {DeliveryStatus.PENDING: 13, DeliveryStatus.RETRYING: 0}


async def test_what_is_overdue_is_looked_for_among_so_many_targets(
    database: Database, writer: DeliveryWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aragora.webhooks.store.figures.TARGETS_MAX", 2)
    for place, target_id in enumerate(("wh_1", "wh_2", "wh_3")):
        await writer.enqueue(enqueued(delivery(place, target_id=target_id, due_at=WALL - 10.0 * place)))
    assert await WebhookStandings(database).overdue(WALL + 100.0) == Overdue(due_s=110.0)


async def _sent(writer: DeliveryWriter, number: int, target_id: str, at: float) -> None:
    """A delivery that arrived, in a request that began at that time."""
    one = delivery(number, target_id=target_id)
    await writer.enqueue(enqueued(one))
    unit = attempted(one, at=at)
    await writer.attempted(replace(unit, attempt=replace(unit.attempt, started_at=at)))
