"""`aragora budget` on a store of its own: what the month has cost, and an organisation's own limit."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from aragora.cli.main import main
from aragora.clock import SystemClock
from aragora.config.settings import Settings
from aragora.debate.budget import MonthlyLimits
from aragora.debate.journal import JournalRow
from aragora.debate.model import DebateStatus
from aragora.debate.records import DebateRecord, NewDebate
from aragora.debate.running.engine import reservation_of
from aragora.debate.store.journal_writer import JournalWriter
from aragora.errors import BudgetExhausted
from aragora.identity.audit import AuditEntry
from aragora.identity.store.audit_log import AuditLog
from aragora.migrations.applying import apply_all
from aragora.storage.contexts import Context
from aragora.storage.database import Database

NOW = SystemClock().now()


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("ARAGORA_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("ARAGORA_ORG_BUDGET_USD", "2")
    monkeypatch.delenv("DATABASE_URL", raising=False)
    made = Settings(data_dir=tmp_path, org_budget_usd=2.0)
    apply_all(made)
    return made


def opened(settings: Settings, debate_id: str, budget_usd: float) -> bool:
    """Whether a debate of the organisation acme opens."""

    async def open_() -> bool:
        database = Database.open(settings, Context.DEBATES)
        writer = JournalWriter(database)
        record = DebateRecord(debate_id, "Tabs?", DebateStatus.QUEUED, "{}", NOW, NOW, "ann", "acme")
        held = reservation_of(budget_usd, NOW, MonthlyLimits(org=2_000_000))
        rows = (JournalRow(debate_id, 1, "debate_start", "{}", NOW),)
        try:
            return (await writer.open(NewDebate(record, rows, reservation=held))).created
        except BudgetExhausted:
            return False
        finally:
            await writer.aclose()
            await database.aclose()

    return asyncio.run(open_())


def shown(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, dict[str, object]]:
    assert main(["budget", *arguments, "--json"]) == 0
    return {row["org_id"]: row for row in json.loads(capsys.readouterr().out)["accounts"]}


def test_an_operator_sees_the_month_and_sets_a_limit_that_holds_from_the_next_debate_on(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    assert opened(settings, "deb_1", 1.5)
    assert not opened(settings, "deb_2", 1.0)
    before = shown(capsys)
    assert before["acme"] == {"org_id": "acme", "spent_usd": 0.0, "held_usd": 1.5, "limit_usd": 2.0, "own_limit": False}
    assert before[""]["limit_usd"] is None
    assert shown(capsys, "acme", "3")["acme"]["limit_usd"] == 3.0
    assert opened(settings, "deb_2", 1.0)
    assert shown(capsys, "acme", "none")["acme"]["limit_usd"] is None
    assert opened(settings, "deb_3", 10.0)
    assert shown(capsys, "acme", "default")["acme"]["limit_usd"] == 2.0
    assert not opened(settings, "deb_4", 1.0)
    assert main(["budget"]) == 0
    assert "acme: spent 0.000000, held 12.500000, limit 2.00" in capsys.readouterr().out


def test_a_limit_that_was_set_stands_in_the_audit_log_and_one_that_was_refused_does_not(settings: Settings) -> None:
    assert main(["budget", "acme", "3"]) == 0
    assert main(["budget", "acme", "much"]) == 2
    assert main(["budget"]) == 0

    async def entries() -> list[AuditEntry]:
        database = Database.open(settings, Context.USERS)
        try:
            return await AuditLog(database, SystemClock()).page()
        finally:
            await database.aclose()

    noted = asyncio.run(entries())
    assert [(one.event.action, one.event.actor, one.event.details) for one in noted] == [
        ("budget.set", "operator", {"usd": "3"})
    ]


@pytest.mark.parametrize("usd", ["-1", "nan", "much"])
def test_what_is_no_sum_is_refused_with_what_is_allowed(
    settings: Settings, capsys: pytest.CaptureFixture[str], usd: str
) -> None:
    del settings
    assert main(["budget", "acme", "--", usd]) == 2
    assert "'none' for no limit" in capsys.readouterr().err


def test_a_store_that_is_not_migrated_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ARAGORA_DATA_DIR", str(tmp_path))
    assert main(["budget"]) == 2
    assert "aragora.migrations.apply" in capsys.readouterr().err


def test_an_organisation_that_was_named_is_shown_also_where_it_has_spent_nothing(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    del settings
    nothing = {"org_id": "new", "spent_usd": 0.0, "held_usd": 0.0, "limit_usd": 2.0, "own_limit": False}
    assert shown(capsys, "new") == {"new": nothing}
    assert shown(capsys, "new", "3") == {"new": nothing | {"limit_usd": 3.0, "own_limit": True}}
    assert shown(capsys, "new", "default") == {"new": nothing}


@pytest.mark.parametrize("org", ["", "a b", "a\x1b[31m", "\udcff"])
def test_what_can_be_no_organisation_gets_no_limit(
    settings: Settings, capsys: pytest.CaptureFixture[str], org: str
) -> None:
    del settings
    assert main(["budget", org, "3"]) == 2
    assert shown(capsys).keys() == {""}
