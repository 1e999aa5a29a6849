"""`python -m aragora.security.audit verify`: what an operator sees."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest
from worlds.migrated import migrated

from aragora.cli.audit import main
from aragora.clock import SystemClock
from aragora.config.settings import Settings
from aragora.identity.audit import AuditEvent, Outcome
from aragora.identity.store.audit_log import AuditLog
from aragora.storage.contexts import Context
from aragora.storage.database import Database

pytestmark = pytest.mark.slow


@pytest.fixture
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data directory with three audit entries."""
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.setenv("ARAGORA_DATA_DIR", str(tmp_path))
    asyncio.run(_write(Settings(data_dir=tmp_path)))
    return tmp_path


async def _write(settings: Settings) -> None:
    migrated(settings)
    database = Database.open(settings, Context.USERS)
    log = AuditLog(database, SystemClock())
    for number in range(3):
        await log.append(AuditEvent(f"auth.try{number}", "usr_1", "org_1", Outcome.SUCCESS))
    await database.aclose()


def _sql(data_dir: Path, statement: str) -> None:
    with sqlite3.connect(data_dir / "users.db") as connection:
        connection.execute(statement)


def test_an_untouched_log_is_intact(data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify"]) == 0
    shown = capsys.readouterr().out
    assert "Entries: 3" in shown
    assert "Intact." in shown


def test_a_changed_entry_is_named(data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _sql(data_dir, "UPDATE audit_log SET actor = 'usr_2' WHERE seq = 2")
    assert main(["verify"]) == 1
    assert "NOT INTACT: entry 2 was changed" in capsys.readouterr().err


def test_entries_cut_off_show_against_a_head_noted_before(data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["verify"])
    head = capsys.readouterr().out.split("Head:")[1].split()[0]
    _sql(data_dir, "DELETE FROM audit_log WHERE seq = 3")
    assert main(["verify"]) == 0
    assert main(["verify", "--head", head]) == 1


def test_without_a_database_it_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ARAGORA_DATA_DIR", str(tmp_path))
    assert main(["verify"]) == 2
    assert "aragora.migrations.apply" in capsys.readouterr().err
