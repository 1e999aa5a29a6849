"""Approvals written within somebody else's transaction: they are there with it, or not at all."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select
from worlds.approvals import a_record, an_approval
from worlds.backends import databases_of, postgres_settings

from aragora.config.settings import Settings
from aragora.errors import NotFound
from aragora.scope import EVERYTHING
from aragora.storage.contexts import Context
from aragora.storage.database import Database
from aragora.storage.postgres_transactions import PostgresTransactions
from aragora.storage.sqlite_transactions import SqliteTransactions
from aragora.workflows.store.approval_rows import ApprovalRows
from aragora.workflows.store.approval_tables import people
from aragora.workflows.store.approvals_sql import SqlApprovals


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
async def database(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Database]:
    settings = Settings(data_dir=tmp_path)
    if request.param == "postgresql":
        settings = await postgres_settings(request.getfixturevalue("postgres_url"), tmp_path)
    async with databases_of(settings, Context.WORKFLOWS) as databases:
        yield databases[Context.WORKFLOWS]


async def in_a_transaction(database: Database, rows: ApprovalRows, fault: Exception | None) -> None:
    def sqlite(connection: Any) -> None:
        rows.sqlite(connection)
        if fault is not None:
            raise fault

    async def postgres(connection: Any) -> None:
        await rows.postgres(connection)
        if fault is not None:
            raise fault

    transactions: Any
    if database.is_sqlite:
        transactions = SqliteTransactions(database.location, "test")
        writing = transactions.run(sqlite)
    else:
        transactions = PostgresTransactions(database.location, "test")
        writing = transactions.run(postgres)
    try:
        await writing
    finally:
        await transactions.aclose()


async def test_the_rows_are_there_with_the_transaction_or_not_at_all(database: Database) -> None:
    store, rows = SqlApprovals(database), ApprovalRows((a_record(), a_record(an_approval(approval_id="apr_2"))))
    with pytest.raises(RuntimeError, match="the journal"):
        await in_a_transaction(database, rows, RuntimeError("the journal refused it"))
    with pytest.raises(NotFound):
        await store.get(EVERYTHING, "apr_1")
    await in_a_transaction(database, rows, None)
    await in_a_transaction(database, rows, None)
    await in_a_transaction(database, ApprovalRows(()), None)
    assert await store.get(EVERYTHING, "apr_1") == rows.records[0]
    count = await database.rows(select(func.count()).select_from(people))
    assert count[0][0] == 2 * len(("user:ann", "user:bob", "req", "aut"))
    await store.aclose()
