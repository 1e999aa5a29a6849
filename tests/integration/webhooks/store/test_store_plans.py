"""Every query of the take-up, the lists and the purge goes by its index on both stores: none of them grows with all
that was ever delivered."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import closing, suppress
from typing import Any

import asyncpg
import pytest
from pydantic import SecretStr
from sqlalchemy import Select, event, text
from worlds.backends import databases_of, fresh_database
from worlds.webhook_deliveries import WALL

from aragora.config.settings import Settings
from aragora.storage.contexts import Context, Location
from aragora.storage.database import Database
from aragora.webhooks.model import DeliveryStatus
from aragora.webhooks.store import figures, writer_postgres, writer_sqlite
from aragora.webhooks.store.deliveries import After, DeliveryStore, Wanted
from aragora.webhooks.store.figures import WebhookStandings
from aragora.webhooks.store.purging import DeliveryPurge

BACKENDS = ["sqlite", pytest.param("postgres", marks=pytest.mark.slow)]
ROWS = 20_000
SERIES = f"s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {ROWS})"
STATUS = "CASE WHEN n % 100 < 93 THEN 'DELIVERED' WHEN n % 100 < 97 THEN 'RETRYING' ELSE 'DEAD_LETTERED' END"
ENDED = f"CASE WHEN n % 100 BETWEEN 93 AND 96 THEN NULL ELSE {WALL} + n END"
FILL = (
    "INSERT INTO webhook_deliveries (delivery_id, event_id, org_id, webhook_id, target_id, event_type, status, "
    "created_at, due_at, budget_at, budget_from, attempts, throttled, ended_at) "
    f"SELECT 'dlv_' || n, 'evt_' || (n / 7), 'org_' || (n % 10), 'wh_' || (n % 50), 'wh_' || (n % 50), 'debate_end', "
    f"{STATUS}, {WALL} + n, {WALL} + n, {WALL}, 0, 1, 0, {ENDED} FROM s"
)
FILL_ATTEMPTS = (
    "INSERT INTO webhook_attempts (delivery_id, number, target_id, started_at, duration_s, told, text) "
    f"SELECT 'dlv_' || n, 1, 'wh_' || (n % 50), {WALL} + n, 0.1, '', CASE WHEN n % 20 = 0 THEN 'no' END FROM s"
)
FILL_EVENTS = (
    "INSERT INTO webhook_events (event_id, org_id, type, body, created_at) "
    f"SELECT 'evt_' || n, 'org_1', 'debate_end', '', {WALL} + n FROM s"
)
DUE, DUE_OF, LIST = "ix_webhook_deliveries_due", "ix_webhook_deliveries_due_of", "ix_webhook_deliveries_list"
ENDED_INDEX, DEAD, EVENT = "ix_webhook_deliveries_ended", "ix_webhook_deliveries_dead", "ix_webhook_deliveries_event"
BOTH = Wanted(since=WALL, until=WALL + 9e9)


class Explaining(Database):
    """Notes the plan of each query instead of running it."""

    def __init__(self, location: Location) -> None:
        super().__init__(location)
        self.plans: list[str] = []

    async def rows(self, query: Select[Any], what: str = "") -> Sequence[Any]:
        dialect = self.engine.sync_engine.dialect
        sql = str(query.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))
        self.plans.append(await plan(self, sql))
        return []


async def plan(database: Database, sql: str) -> str:
    """The plan of a statement, a step a line."""
    explain = "EXPLAIN QUERY PLAN" if database.is_sqlite else "EXPLAIN"
    async with database.reading() as connection:
        return "\n".join(str(row[-1]) for row in await connection.exec_driver_sql(f"{explain} {sql}"))


@pytest.fixture(scope="module", params=BACKENDS)
def settings(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A store of many deliveries, of which a few wait and a few are dead letters."""
    made = Settings(data_dir=tmp_path_factory.mktemp("filled"))
    if request.param == "postgres":
        url = asyncio.run(fresh_database(request.getfixturevalue("postgres_url")))
        made = made.model_copy(update={"database_url": SecretStr(url)})
    asyncio.run(_fill(made))
    return made


async def _fill(settings: Settings) -> None:
    async with databases_of(settings, Context.WEBHOOKS) as databases:
        database = databases[Context.WEBHOOKS]
        async with database.writing() as connection:
            for fill in (FILL, FILL_ATTEMPTS, FILL_EVENTS):
                into, _, chosen = fill.partition("SELECT ")
                await connection.execute(text(f"{into} WITH RECURSIVE {SERIES} SELECT {chosen}"))
        async with database.reading() as connection:
            await connection.execute(text("ANALYZE"))


@pytest.fixture
async def filled(settings: Settings) -> AsyncIterator[Explaining]:
    database = Explaining(Location.of(settings, Context.WEBHOOKS))
    yield database
    await database.aclose()


READS: list[tuple[str, str, Callable[[DeliveryStore], Awaitable[object]]]] = [
    ("due", DUE, lambda it: it.due(WALL + ROWS, 100)),
    ("due, further on", DUE, lambda it: it.due(WALL + ROWS, 100, after=After(WALL + 9_000.0, "dlv_9"))),
    ("waiting of a target", DUE_OF, lambda it: it.waiting_of("wh_43", 100)),
    ("a page", LIST, lambda it: it.page("org_3", "wh_43", Wanted())),
    ("a page of one status", LIST, lambda it: it.page("org_3", "wh_43", Wanted(DeliveryStatus.DELIVERED))),
    ("a page of a time", LIST, lambda it: it.page("org_3", "wh_43", BOTH)),
    ("dead letters", DEAD, lambda it: it.dead_letters("org_8", Wanted())),
    ("dead letters of a time", DEAD, lambda it: it.dead_letters("org_8", BOTH)),
    ("counts", LIST, lambda it: it.counts("org_3", "wh_43")),
]


@pytest.mark.parametrize(("index", "read"), [(index, read) for _, index, read in READS], ids=[one[0] for one in READS])
async def test_a_read_goes_by_its_index(
    filled: Explaining, index: str, read: Callable[[DeliveryStore], Awaitable[object]]
) -> None:
    await read(DeliveryStore(filled))
    assert len(filled.plans) == 1
    _goes_by(filled.plans[0], index)
    if index == DUE or (index == DEAD and filled.is_sqlite):  # PostgreSQL sorts where an organisation has few of them
        assert "B-TREE" not in filled.plans[0]
        assert "Sort" not in filled.plans[0].replace("Incremental Sort", "")


async def test_dead_letters_to_revive_are_found_by_their_index_and_sorted(filled: Explaining) -> None:
    store = DeliveryStore(filled)
    await store.revivable("org_8", Wanted(), 100)
    with pytest.raises(IndexError):  # no row is read
        await store.stranded("org_8", Wanted())
    assert all(DEAD in each for each in filled.plans), filled.plans


async def test_the_oldest_that_waits_is_the_first_of_its_index(filled: Explaining) -> None:
    store = DeliveryStore(filled)
    for target_id, index in ((None, DUE), ("wh_43", DUE_OF)):
        with pytest.raises(IndexError):  # no row is read
            await store.oldest_due(target_id)
        _goes_by(filled.plans[-1], index)


FARES: list[tuple[str, str, Callable[[WebhookStandings], Awaitable[object]]]] = [
    ("what waits", DUE, lambda it: it.waiting()),
    ("delivered to", "ix_webhook_attempts_target", lambda it: it.delivered_to(WALL, 1_000)),
    ("dead letters of late", "ix_webhook_deliveries_", lambda it: it.dead_letters(WALL + ROWS - 100, 1_000)),
]


@pytest.mark.parametrize(("index", "read"), [one[1:] for one in FARES], ids=[one[0] for one in FARES])
async def test_how_all_fare_is_read_by_an_index(
    filled: Explaining, index: str, read: Callable[[WebhookStandings], Awaitable[object]]
) -> None:
    with suppress(IndexError):  # no row is read
        await read(WebhookStandings(filled))
    _goes_by(filled.plans[-1], index)


async def test_what_is_overdue_costs_lookups_by_target_and_no_look_at_all_that_waits(filled: Explaining) -> None:
    query = figures.overdue_by_target(WALL + ROWS, filled.is_sqlite)
    await filled.rows(query)
    for index in (DUE_OF, "ix_webhook_attempts_target"):
        _goes_by(filled.plans[-1], index)
    assert f"{DUE} " not in filled.plans[-1]


async def test_figures_of_a_window_go_by_its_target(filled: Explaining) -> None:
    with pytest.raises(IndexError):
        await DeliveryStore(filled).stats("wh_43", WALL, WALL + 100.0)
    _goes_by(filled.plans[0], "ix_webhook_attempts_target")


async def test_purging_chooses_by_its_indices(filled: Explaining) -> None:
    statements = await _statements(filled)
    indices = {
        "ended": (ENDED_INDEX, "webhook_deliveries.event_id"),
        "texts": ("ix_webhook_attempts_text", "webhook_attempts.number"),
        "events": ("ix_webhook_events_created", "webhook_events.created_at <"),
        "alone": (EVENT, "DELETE FROM webhook_events"),
    }
    for index, words in indices.values():
        found = [sql for sql in statements if words in sql]
        assert found, words
        _goes_by(await plan(filled, found[0]), index)


@pytest.mark.parametrize("settings", ["sqlite"], indirect=True)
def test_the_writer_of_sqlite_goes_by_its_indices(filled: Explaining) -> None:
    ids = '["dlv_1", "dlv_2"]'
    statements = [
        (writer_sqlite.STANDINGS, (ids,), "sqlite_autoindex_webhook_deliveries_1"),
        (writer_sqlite.KNOWN, (ids,), "sqlite_autoindex_webhook_deliveries_1"),
        (writer_sqlite.CANCEL, (1.0, "x", "wh_43", 10), DUE_OF),
        (writer_sqlite.EPOCHS, ('["a"]',), "sqlite_autoindex_webhook_owners_1"),
    ]
    with closing(sqlite3.connect(str(filled.location.path))) as connection:
        for sql, values, index in statements:
            steps = connection.execute(f"EXPLAIN QUERY PLAN {sql}", values).fetchall()
            _goes_by("\n".join(step[-1] for step in steps), index)


@pytest.mark.slow
@pytest.mark.parametrize("settings", ["postgres"], indirect=True)
async def test_the_writer_of_postgresql_goes_by_its_indices(filled: Explaining) -> None:
    connection = await asyncpg.connect(filled.location.dsn)
    try:
        statements: list[tuple[str, tuple[object, ...], str]] = [
            (writer_postgres.STANDINGS, (["dlv_1", "dlv_2"],), "webhook_deliveries_pkey"),
            (writer_postgres.CANCEL, (1.0, "x", "wh_43", 10), DUE_OF),
        ]
        for sql, values, index in statements:
            _goes_by("\n".join(row[0] for row in await connection.fetch(f"EXPLAIN {sql}", *values)), index)
    finally:
        await connection.close()


def _goes_by(plan: str, index: str) -> None:
    """Endpoints and targets are few here, and PostgreSQL reads them whole."""
    assert index in plan, plan
    few = ("on webhook_endpoints", "on webhook_targets")
    lines = [line for line in plan.splitlines() if not any(one in line for one in few)]
    whole = [line for line in lines if line.strip(" ->").startswith(("SCAN webhook_", "Seq Scan"))]
    assert not [line for line in whole if index not in line], plan


async def _statements(database: Database) -> list[str]:
    """What one step of each purge would run, with its values."""
    found: list[str] = []
    engine = database.engine.sync_engine

    @event.listens_for(engine, "before_execute")
    def seen(_: object, clause: Any, *__: object) -> None:
        if hasattr(clause, "compile") and not getattr(clause, "is_insert", False):
            found.append(str(clause.compile(dialect=engine.dialect, compile_kwargs={"literal_binds": True})))

    purge = DeliveryPurge(database, lambda _what, _number: ())
    for step in (purge.ended, purge.texts, purge.events):
        await step(WALL + 5_000.0)
    return found
