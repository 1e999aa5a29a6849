"""What the doctor says of webhooks, out of the store alone."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import insert
from worlds.backends import SetClock, fresh_database
from worlds.webhook_deliveries import WALL, delivery
from worlds.webhook_store import dead, endpoint, enqueued

from aragora.cli.findings import Finding, State
from aragora.cli.webhook_findings import LATE_S, webhooks
from aragora.config.settings import Settings
from aragora.debate.records import TOLD
from aragora.migrations.applying import apply_pending
from aragora.secrets.encryption import EncryptionService
from aragora.secrets.keyring import Keyring
from aragora.storage.contexts import Context
from aragora.storage.database import Database
from aragora.storage.tables import outbox
from aragora.webhooks.model import Delivery, TargetRow, TargetStatus
from aragora.webhooks.store.endpoints import EndpointStore
from aragora.webhooks.store.figures import DAY_S
from aragora.webhooks.store.units import KeepTarget
from aragora.webhooks.store.writer import DeliveryWriter

CLOCK = SetClock(WALL + 30.0)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.slow)])
async def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """Of a store that is migrated, and empty."""
    url = None
    if request.param == "postgres":
        url = SecretStr(await fresh_database(request.getfixturevalue("postgres_url")))
    made = Settings(data_dir=tmp_path, database_url=url)
    await apply_pending(made)
    return made


@pytest.fixture
async def database(settings: Settings) -> AsyncIterator[Database]:
    opened = Database.open(settings, Context.WEBHOOKS)
    yield opened
    await opened.aclose()


@pytest.fixture
async def writer(database: Database) -> AsyncIterator[DeliveryWriter]:
    writer = DeliveryWriter(database)
    yield writer
    await writer.aclose()


async def examined(settings: Settings, clock: SetClock = CLOCK) -> list[str]:
    found = await webhooks(settings, clock)
    assert {one.subject for one in found} <= {"webhooks"}
    assert all(one.mend for one in found if one.state is not State.OK)
    return [f"{one.state}: {one.told}" for one in found]


async def test_without_webhooks_there_is_nothing_to_say(settings: Settings) -> None:
    assert await examined(settings) == []


async def test_a_store_without_tables_is_left_to_its_own_finding_and_not_made(tmp_path: Path) -> None:
    assert await webhooks(Settings(data_dir=tmp_path), CLOCK) == []
    assert not await asyncio.to_thread(os.listdir, tmp_path)


async def test_webhooks_that_fare_well_are_one_line(
    settings: Settings, database: Database, writer: DeliveryWriter
) -> None:
    await registered(database, 1, 2)
    await writer.enqueue(enqueued(delivery()))
    told = ["ok: 2 endpoints enabled; 1 delivery waiting, none for too long"]
    assert await examined(settings) == told
    await writer.keep(KeepTarget(TargetRow("wh_1", "open", 5, retry_at=WALL + 29.0)))
    assert await examined(settings) == told, "a trial may pass"


async def test_each_trouble_is_told_with_what_to_do(
    settings: Settings, database: Database, writer: DeliveryWriter
) -> None:
    await registered(database, 1)
    await registered(database, 2, 3, status=TargetStatus.DISABLED)
    for number in (1, 2):
        await died(writer, delivery(number), WALL - 10.0)
    await died(writer, delivery(3), WALL - DAY_S)
    await writer.enqueue(enqueued(delivery(4, target_id="wh_000009")))
    await writer.keep(KeepTarget(TargetRow("wh_000001", "open", 5, retry_at=WALL + 1e6)))

    assert await examined(settings, SetClock(WALL + 600.0)) == [
        "warning: something has been due for 10 min, and nothing holds it back",
        "warning: 2 dead letters within a day",
        "warning: the receivers of 1 webhook fail, and are left alone for now",
        "warning: 2 endpoints disabled: nothing is sent there",
    ]


async def test_what_a_receiver_holds_back_is_not_late(settings: Settings, writer: DeliveryWriter) -> None:
    await writer.enqueue(enqueued(delivery()))
    await writer.keep(KeepTarget(TargetRow("wh_1", paused_until=WALL + 1e6)))
    assert await examined(settings, SetClock(WALL + 600.0)) == [
        "ok: 0 endpoints enabled; 1 delivery waiting, none for too long"
    ]


async def test_events_that_no_dispatcher_takes_are_late(settings: Settings) -> None:
    debates = Database.open(settings, Context.DEBATES)
    async with debates.writing() as connection:
        row = {"outbox_id": "o", "topic": TOLD, "debate_id": "deb_1", "payload": "{}", "created_at": WALL}
        await connection.execute(insert(outbox).values(row))
    await debates.aclose()
    assert await examined(settings, SetClock(WALL + LATE_S)) == []
    (late,) = await webhooks(settings, SetClock(WALL + 120.0))
    assert late == Finding(
        "webhooks",
        State.WARNING,
        "something has been due for 2 min, and nothing holds it back",
        "Is a server running? If so, its log says what the dispatcher does.",
    )


async def registered(database: Database, *numbers: int, status: TargetStatus = TargetStatus.ENABLED) -> None:
    store = EndpointStore(database, CLOCK, EncryptionService(Keyring.ephemeral()))
    for number in numbers:
        await store.add(endpoint(number, status=status), limit=10)


async def died(writer: DeliveryWriter, one: Delivery, at: float) -> None:
    await writer.enqueue(enqueued(one))
    unit = dead(one, at=at)
    await writer.attempted(replace(unit, after=replace(unit.after, ended_at=at)))
