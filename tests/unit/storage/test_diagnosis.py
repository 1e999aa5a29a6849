"""What a failing database means to the operator."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from aragora.storage.contexts import Context, Location
from aragora.storage.diagnosis import diagnose
from aragora.storage.postgres import ConnectTimeout, connect


def of(host: str, timeout_s: float = 1.0) -> Location:
    return Location(Context.CORE, None, f"postgresql://me:hunter2@{host}/aragora", timeout_s=timeout_s)


async def test_a_server_that_takes_connections_and_never_answers_did_not_connect() -> None:
    silent = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    host = "{}:{}".format(*silent.sockets[0].getsockname())
    with pytest.raises(ConnectTimeout) as late:
        await connect(of(host, timeout_s=0.1))
    silent.close()
    assert "firewall" in str(diagnose(late.value, of(host)))


def test_a_statement_that_took_too_long_is_no_matter_of_the_firewall() -> None:
    found = diagnose(TimeoutError(), of("db:5432"))
    assert "db:5432 answers" in found.told
    assert "pg_stat_activity" in found.mend
    assert not found.lasting


def test_a_migration_has_time_on_postgresql_and_waits_for_a_lock_of_sqlite_as_ever() -> None:
    assert of("db").unhurried().timeout_s > 3600
    assert Location(Context.CORE, Path("core.db"), timeout_s=7.0).unhurried().timeout_s == 7.0
