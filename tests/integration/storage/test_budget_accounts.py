"""The month's accounts on both stores: one transaction with the opening and the end, exact beside other writers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import text
from worlds.schema import rollback_last

from aragora.config.settings import Settings
from aragora.debate.budget import MonthlyLimits, Reservation
from aragora.debate.model import DebateStatus
from aragora.debate.proposition import Idempotency
from aragora.debate.records import DebateUpdate, NewDebate, Opened
from aragora.debate.store.journal_writer import JournalWriter
from aragora.errors import BudgetExhausted, Fenced
from aragora.migrations.applying import apply_pending
from aragora.migrations.history import standing
from aragora.storage.contexts import Context
from aragora.storage.database import Database

MONTH = "2026-11"
LIMITS = MonthlyLimits(org=1_000, installation=1_500)


def priced(
    build: type, debate_id: str, micros: int, *, org_id: str = "acme", limits: MonthlyLimits = LIMITS
) -> NewDebate:
    new: NewDebate = build.new_debate(debate_id, org_id=org_id)
    return replace(new, reservation=Reservation(MONTH, micros, limits))


def ended(cost_usd: float, status: DebateStatus = DebateStatus.FAILED) -> DebateUpdate:
    return DebateUpdate(status=status, reason="over", cost_usd=cost_usd)


async def balances(database: Database) -> dict[str, tuple[int, int]]:
    rows = await database.rows(text("SELECT account, spent, held FROM accounts"), "reading")
    return {row[0]: (row[1], row[2]) for row in rows}


async def test_an_opening_holds_its_budget_and_the_end_turns_it_into_what_was_spent(
    writer: JournalWriter, debates_db: Database, build: type
) -> None:
    await writer.open(priced(build, "d1", 600))
    assert await balances(debates_db) == {"acme": (0, 600), "": (0, 600)}
    with pytest.raises(BudgetExhausted):
        await writer.open(priced(build, "d2", 401))
    assert await debates_db.rows(text("SELECT debate_id FROM debates"), "reading") == [("d1",)]
    await writer.commit(build.commit("d1", 2, update=ended(0.00025)))
    assert await balances(debates_db) == {"acme": (250, 0), "": (250, 0)}
    assert (await writer.open(priced(build, "d2", 401))).created


async def test_of_two_openings_with_one_key_in_a_group_both_are_refused_where_the_budget_is_exhausted(
    writer: JournalWriter, debates_db: Database, build: type
) -> None:
    key = Idempotency("k", "h")
    twice = [replace(priced(build, debate_id, 1_001), idempotency=key) for debate_id in ("d1", "d2")]
    told = await asyncio.gather(*(writer.open(one) for one in twice), return_exceptions=True)
    assert [type(one) for one in told] == [BudgetExhausted, BudgetExhausted]
    assert await debates_db.rows(text("SELECT debate_id FROM debates"), "reading") == []
    assert (await writer.open(replace(priced(build, "d3", 900), idempotency=key))).created


async def test_asks_that_were_cut_off_count_in_the_accounts(
    writer: JournalWriter, debates_db: Database, build: type
) -> None:
    await writer.open(priced(build, "d1", 600))
    cancelled = build.commit("d1", 2, update=ended(0.00025, DebateStatus.CANCELLED))
    await writer.commit(replace(cancelled, cut_off=4))
    assert await balances(debates_db) == {"acme": (370, 0), "": (370, 0)}


async def test_the_installation_bounds_all_organisations_together(writer: JournalWriter, build: type) -> None:
    await writer.open(priced(build, "d1", 900))
    with pytest.raises(BudgetExhausted, match="this server's budget"):
        await writer.open(priced(build, "d2", 601, org_id="birch"))
    assert (await writer.open(priced(build, "d3", 600, org_id="birch"))).created


async def test_an_opening_or_an_end_that_comes_again_counts_once(
    writer: JournalWriter, debates_db: Database, build: type
) -> None:
    opening = priced(build, "d1", 600)
    told = [await writer.open(opening) for _ in range(2)]
    assert [outcome.created for outcome in told] == [True, False]
    end = build.commit("d1", 2, update=ended(0.0001))
    await writer.commit(end)
    with pytest.raises(Fenced):
        await writer.commit(end)
    assert await balances(debates_db) == {"acme": (100, 0), "": (100, 0)}


async def test_what_an_operator_set_for_an_organisation_replaces_the_setting(
    writer: JournalWriter, debates_db: Database, build: type
) -> None:
    async with debates_db.writing("setting a limit") as connection:
        await connection.execute(
            text("INSERT INTO budget_limits (org_id, micros) VALUES ('acme', NULL), ('birch', 10)")
        )
    open_ended = MonthlyLimits(org=1_000)
    assert (await writer.open(priced(build, "d1", 50_000, limits=open_ended))).created
    with pytest.raises(BudgetExhausted):
        await writer.open(priced(build, "d2", 11, org_id="birch", limits=open_ended))


async def test_two_coordinators_that_open_at_once_stay_within_the_limit(
    opened: Callable[[Context], Database], build: type
) -> None:
    databases = [opened(Context.DEBATES) for _ in range(2)]
    writers = [JournalWriter(database) for database in databases]
    openings = [
        writers[number % 2].open(priced(build, f"d{number}", 100, org_id=f"org{number % 3}")) for number in range(40)
    ]
    told: list[Any] = await asyncio.gather(*openings, return_exceptions=True)
    let_in = [f"d{number}" for number, one in enumerate(told) if isinstance(one, Opened)]
    assert len(let_in) == 15
    assert {type(one) for one in told} == {Opened, BudgetExhausted}
    assert (await balances(databases[0]))[""] == (0, 1_500)
    ends = [
        writers[number % 2].commit(build.commit(debate_id, 2, update=ended(0.00001)))
        for number, debate_id in enumerate(let_in)
    ]
    await asyncio.gather(*ends)
    assert (await balances(databases[1]))[""] == (150, 0)
    for writer in writers:
        await writer.aclose()


async def test_a_store_of_before_the_accounts_starts_with_what_the_month_has_spent(
    empty_settings: Settings, build: type
) -> None:
    await apply_pending(empty_settings)
    while (await rollback_last(empty_settings)) is not None:
        if await _version(empty_settings) == "0001":
            break
    database = Database.open(empty_settings, Context.DEBATES)
    insert = text(
        "INSERT INTO debates (debate_id, question, status, spec, created_at, updated_at, created_by, org_id, rounds, "
        "cost_usd, last_seq) VALUES (:id, 'q', :status, '{}', :at, 0, 'ann', :org, 1, :cost, 1)"
    )
    now = time.time()
    values = [
        ("a", "completed", now, "acme", 0.5),
        ("b", "active", now, "acme", 0.0),
        ("c", "failed", 1.0, "acme", 9.0),
    ]
    async with database.writing("filling") as connection:
        for debate_id, status, at, org, cost in values:
            row = {"id": debate_id, "status": status, "at": at, "org": org, "cost": cost}
            await connection.execute(insert, row)
    await database.aclose()
    await apply_pending(empty_settings)
    database = Database.open(empty_settings, Context.DEBATES)
    assert await balances(database) == {"acme": (500_000, 0), "": (500_000, 0)}
    writer = JournalWriter(database)
    await writer.commit(build.commit("b", 2, update=ended(0.25)))
    assert await balances(database) == {"acme": (750_000, 0), "": (750_000, 0)}
    await writer.aclose()
    await database.aclose()


async def _version(settings: Settings) -> str | None:
    done = [revision.number for revision in (await standing(settings)).applied if revision.context is Context.DEBATES]
    return done[-1] if done else None
