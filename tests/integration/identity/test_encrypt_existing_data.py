"""The migration command: dry by default, safe beside writers, and honest about what it could not do."""

from __future__ import annotations

import asyncio
import json
import secrets
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from aragora.cli.encrypt_existing_data import main
from aragora.clock import SystemClock
from aragora.composition.encrypted_stores import TABLES, mark_empty_stores, marks
from aragora.composition.integrations import IntegrationAccess
from aragora.composition.process import _mark_empty_stores
from aragora.config.settings import Settings, load_settings
from aragora.integrations.stores import CONNECTORS, INTEGRATIONS
from aragora.migrations.applying import apply_pending
from aragora.observability.registry import Registry
from aragora.secrets.encryption import EncryptionService, PlaintextRefused
from aragora.secrets.keyring import Keyring
from aragora.storage.collection import DocumentsOf, open_documents
from aragora.storage.contexts import Context
from aragora.storage.counters import CounterStore
from aragora.storage.database import Database
from aragora.storage.documents import DocumentRow
from aragora.storage.reencryption import Outcome, Reencryption

pytestmark = pytest.mark.slow

OLD, NEW = secrets.token_hex(32), secrets.token_hex(32)
RECORDS = 450  # more than two pages


def plain_row(number: int, store: str = "sync") -> DocumentRow:
    document = {"connector_id": f"c{number}", "config": {"api_key": f"plain-{number}", "host": "db"}}
    return DocumentRow(f"org/{store}{number:05}", "org", "", "api", json.dumps(document), 1, 1.0, 1.0)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """Runs the command with a key setting; gives exit code and output."""
    for name in ("DATABASE_URL", "SUPABASE_URL", "SUPABASE_KEY", "ARAGORA_ENV"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ARAGORA_DATA_DIR", str(tmp_path))

    def command(keys: str | None, *arguments: str) -> tuple[int, str, str]:
        if keys is None:
            monkeypatch.delenv("ARAGORA_ENCRYPTION_KEY", raising=False)
        else:
            monkeypatch.setenv("ARAGORA_ENCRYPTION_KEY", keys)
        code = main(arguments)
        shown = capsys.readouterr()
        return code, shown.out, shown.err

    return command


def stored(settings: Settings, work: Callable[[Any], Any]) -> Any:
    """Do something with the documents of the installation."""

    async def go() -> Any:
        await apply_pending(settings)
        async with open_documents(settings) as documents:
            return await work(documents)

    return asyncio.run(go())


def test_plaintext_is_seen_then_encrypted_then_skipped_and_counted(tmp_path: Path, run: Callable[..., Any]) -> None:
    settings = Settings(data_dir=tmp_path)

    async def fill(documents: Any) -> None:
        for number in range(RECORDS):
            await documents(CONNECTORS.table).put(plain_row(number))
        await documents(INTEGRATIONS.table).put(plain_row(1, "integration"))

    stored(settings, fill)
    code, out, _ = run(NEW, "--all")
    assert code == 0
    assert f"sync: {RECORDS} migrated, 0 skipped, 0 failed" in out
    assert "dry run" in out

    async def payloads(documents: Any) -> list[str]:
        return [row.payload for name in TABLES.values() for row in await documents(name).page("", 1000)]

    assert sum("plain-" in payload for payload in stored(settings, payloads)) == RECORDS + 1
    code, out, _ = run(NEW, "--sync-store", "--execute")
    assert (code, f"Total: {RECORDS} migrated, 0 skipped, 0 failed" in out) == (0, True)
    assert sum("plain-" in payload for payload in stored(settings, payloads)) == 1
    code, out, _ = run(NEW, "--all", "--execute")
    assert f"Total: 1 migrated, {RECORDS} skipped, 0 failed" in out
    assert not any("plain-" in payload for payload in stored(settings, payloads))

    async def counted() -> dict[str, float]:
        database = Database.open(settings, Context.CORE)
        found = {f"{each.sample}{dict(each.labels)}": each.amount for each in await CounterStore(database).all()}
        await database.aclose()
        return found

    figures = asyncio.run(counted())
    assert figures["aragora_migration_records_total{'status': 'migrated', 'store': 'sync'}"] == RECORDS
    assert figures["aragora_migration_records_total{'status': 'skipped', 'store': 'sync'}"] == RECORDS


def test_rotation_brings_everything_under_the_new_key(tmp_path: Path, run: Callable[..., Any]) -> None:
    settings = Settings(data_dir=tmp_path)

    async def fill(documents: Any) -> None:
        await documents(CONNECTORS.table).put(plain_row(1))

    stored(settings, fill)
    assert run(OLD, "--all", "--execute")[0] == 0
    code, out, err = run(NEW, "--all", "--execute")
    assert (code, "1 failed" in out, "Key not found" in err) == (1, True, True)
    assert run(f"{NEW},{OLD}", "--all", "--execute")[0] == 0
    code, out, _ = run(NEW, "--all")
    assert (code, "Total: 0 migrated, 1 skipped, 0 failed" in out) == (0, True)


def test_a_corrupt_record_is_named_and_the_others_go_on(tmp_path: Path, run: Callable[..., Any]) -> None:
    async def fill(documents: Any) -> None:
        rows = documents(CONNECTORS.table)
        await rows.put(DocumentRow("org/broken", "org", "", "api", "{not json", 1, 1.0, 1.0))
        await rows.put(DocumentRow("org/number", "org", "", "api", "7", 1, 1.0, 1.0))
        forged = {"config": {"token": {"_encrypted": True, "v": 1, "alg": "AES-256-GCM", "key_id": "x"}}}
        await rows.put(DocumentRow("org/forged", "org", "", "api", json.dumps(forged), 1, 1.0, 1.0))
        await rows.put(plain_row(1))

    stored(Settings(data_dir=tmp_path), fill)
    code, out, err = run(NEW, "--sync-store", "--execute", "-v")
    assert code == 1
    assert "sync: 1 migrated, 0 skipped, 3 failed" in out
    for name in ("org/broken", "org/number", "org/forged"):
        assert name in err
    assert "plain-1" not in out + err


@pytest.mark.parametrize("arguments", [["--all"], ["--all", "--execute"]])
def test_without_a_key_nothing_is_done(arguments: list[str], run: Callable[..., Any]) -> None:
    code, _, err = run(None, *arguments)
    assert code == 2
    assert "ARAGORA_ENCRYPTION_KEY is not set" in err


def test_without_a_store_the_command_says_what_to_name(run: Callable[..., Any]) -> None:
    code, _, err = run(NEW)
    assert code == 2
    assert "--sync-store" in err


def test_without_tables_it_says_to_migrate(run: Callable[..., Any]) -> None:
    code, _, err = run(NEW, "--all")
    assert code == 2
    assert "aragora.migrations.apply" in err


def test_what_was_encrypted_whole_takes_no_plaintext_any_more(tmp_path: Path, run: Callable[..., Any]) -> None:
    settings = Settings(data_dir=tmp_path)

    async def plant(documents: Any) -> None:
        await documents(CONNECTORS.table).put(plain_row(7))

    async def payload(documents: Any) -> str:
        row = await documents(CONNECTORS.table).get(plain_row(7).record_id)
        return str(row.payload)

    stored(settings, plant)
    assert run(NEW, "--sync-store", "--execute")[0] == 0

    stored(settings, plant)
    code, out, err = run(NEW, "--sync-store", "--execute")

    assert (code, "sync: 0 migrated, 0 skipped, 1 failed" in out, "plaintext_refused" in err) == (1, True, True)
    assert "plain-7" in stored(settings, payload)  # never laundered into ciphertext
    assert run(NEW, "--sync-store", "--execute", "--accept-plaintext")[0] == 0
    assert "plain-7" not in stored(settings, payload)


def test_a_run_that_failed_or_only_looked_marks_nothing(tmp_path: Path, run: Callable[..., Any]) -> None:
    settings = Settings(data_dir=tmp_path)

    async def fill(documents: Any) -> None:
        await documents(CONNECTORS.table).put(plain_row(1))
        await documents(INTEGRATIONS.table).put(DocumentRow("org/x", "org", "", "api", "{not json", 1, 1.0, 1.0))

    async def marked(_: Any) -> frozenset[str]:
        async with marks(settings, SystemClock()) as noted:
            return await noted.all()

    stored(settings, fill)
    run(NEW, "--all")
    assert stored(settings, marked) == frozenset()
    run(NEW, "--sync-store", "--integration-store", "--execute")
    assert stored(settings, marked) == {"sync"}


async def test_a_fresh_installation_refuses_plaintext_from_its_first_record_on(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    await apply_pending(settings)
    async with open_documents(settings) as documents:
        await documents(CONNECTORS.table).put(plain_row(1))
        empty = {"integration", "gmail_tokens", "mfa", "webhook_endpoint", "webhook_delivery"}
        assert await mark_empty_stores(settings, SystemClock()) == empty
        assert await mark_empty_stores(settings, SystemClock()) == empty
        crypto = EncryptionService(Keyring.parse(NEW))
        access = IntegrationAccess(settings, crypto, SystemClock())
        store = await access.store()
        await store.save({"type": "slack", "user_id": "u", "webhook": "https://hooks.example.com/x"})
        planted = {"type": "jira", "user_id": "u", "org_id": "local", "webhook": "https://evil.example.com"}
        await documents(INTEGRATIONS.table).put(
            DocumentRow("local/jira/u", "local", "u", "jira", json.dumps(planted), 1, 1.0, 1.0)
        )
        with pytest.raises(PlaintextRefused):
            await store.get("jira", "u")
        assert (await store.get("slack", "u") or {})["webhook"] == "https://hooks.example.com/x"
        await access.aclose()


def test_a_start_names_the_stores_in_which_plaintext_is_still_read(
    tmp_path: Path, run: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    settings = load_settings({"ARAGORA_DATA_DIR": str(tmp_path), "ARAGORA_ENCRYPTION_KEY": NEW})

    async def plant(documents: Any) -> None:
        await documents(CONNECTORS.table).put(plain_row(1))

    stored(settings, plant)
    run(NEW, "--all", "--execute")
    _mark_empty_stores(settings)
    assert capsys.readouterr().err == ""
    with sqlite3.connect(tmp_path / "core.db") as connection:
        connection.execute("DELETE FROM encrypted_stores")
    _mark_empty_stores(settings)
    assert "plaintext secrets are still read in sync: run" in capsys.readouterr().err


async def test_a_mark_deleted_beside_a_running_server_changes_nothing_for_it(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    await apply_pending(settings)
    await mark_empty_stores(settings, SystemClock())
    access = IntegrationAccess(settings, EncryptionService(Keyring.parse(NEW)), SystemClock())
    store = await access.store()
    planted = {"type": "slack", "user_id": "u", "org_id": "local", "bot_token": "evil"}
    async with open_documents(settings) as documents:
        row = DocumentRow("local/slack/u", "local", "u", "slack", json.dumps(planted), 1, 1.0, 1.0)
        await documents(INTEGRATIONS.table).put(row)
    with sqlite3.connect(tmp_path / "core.db") as connection:
        connection.execute("DELETE FROM encrypted_stores")
    await access._count()
    with pytest.raises(PlaintextRefused):
        await store.get("slack", "u")
    await access.aclose()


async def test_writers_beside_the_migration_lose_nothing(documents: DocumentsOf) -> None:
    crypto = EncryptionService(Keyring.parse(NEW))
    rows = documents(CONNECTORS.table)
    for number in range(40):
        await rows.put(plain_row(number))
    written: dict[str, int] = {}

    async def write() -> None:
        for turn in range(3):
            for number in range(40):
                row = plain_row(number)
                document = {"config": {"api_key": f"turn {turn}"}}
                sealed = crypto.encrypt_fields(document, store="sync", record_id=row.record_id)
                await rows.put(DocumentRow(row.record_id, "org", "", "api", json.dumps(sealed), 1, 1.0, 1.0))
                written[row.record_id] = turn

    work = Reencryption(crypto, SystemClock(), Registry(), execute=True)
    summary, _ = await asyncio.gather(work.run("sync", rows, lambda: None), write())
    assert summary.counts[Outcome.FAILED] == 0
    for row in await rows.page("", 100):
        plain = crypto.decrypt_fields(json.loads(row.payload), store="sync", record_id=row.record_id)
        assert plain["config"]["api_key"] == "turn 2"
        assert not crypto.needs_encryption(json.loads(row.payload))
