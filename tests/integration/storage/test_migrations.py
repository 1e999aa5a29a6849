"""The schema's history: up, down, twice at once, and to exactly the tables that the stores use."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from argparse import Namespace
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import asyncpg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError
from worlds.schema import rollback_last, schema

import aragora.storage
from aragora.config.settings import Settings
from aragora.errors import Misconfigured, Unavailable
from aragora.identity.api_keys import ApiKeyStore
from aragora.identity.store.invitations import InvitationStore
from aragora.identity.store.users import UserStore
from aragora.migrations import rollback
from aragora.migrations.applying import _ADVISORY_KEY, apply_pending, migrate, migrating_alone
from aragora.migrations.history import (
    VERSIONS,
    Revision,
    Standing,
    require_current,
    revisions,
    standing,
    version_table,
)
from aragora.migrations.rolling_back import Loss
from aragora.storage.contexts import Context
from aragora.storage.database import Database
from aragora.storage.serving import LOCK_FILE, held


@pytest.fixture
def postgres_only(empty_settings: Settings) -> str:
    """The URL of the store, where it is PostgreSQL."""
    if empty_settings.database_url is None:
        pytest.skip("PostgreSQL alone has sessions with timeouts")
    return empty_settings.database_url.get_secret_value()


ALL = [revision for context in Context for revision in revisions(context)]


async def test_apply_brings_an_empty_store_up_to_date_and_then_has_nothing_to_do(empty_settings: Settings) -> None:
    assert sorted(await apply_pending(empty_settings)) == sorted(ALL)
    assert (await standing(empty_settings)).pending == ()
    assert await apply_pending(empty_settings) == ()


async def test_rollback_undoes_one_migration_at_a_time_down_to_nothing(empty_settings: Settings) -> None:
    await apply_pending(empty_settings)
    undone = [await rollback_last(empty_settings) for _ in ALL]
    assert undone == sorted(ALL, reverse=True)
    assert (await standing(empty_settings)).applied == ()
    assert await rollback_last(empty_settings) is None
    assert sorted(await apply_pending(empty_settings)) == sorted(ALL)


@pytest.mark.parametrize("context", [context for context in Context if revisions(context)])
async def test_the_migrated_schema_is_what_the_stores_use(settings: Settings, context: Context) -> None:
    metadata = schema(context)

    def differences(connection: Connection) -> list[object]:
        mine = {"include_name": lambda name, kind, _parents: kind != "table" or name in metadata.tables}
        return list(compare_metadata(MigrationContext.configure(connection, opts=mine), metadata))

    database = Database.open(settings, context)
    async with database.reading() as connection:
        assert await connection.run_sync(differences) == []
    await database.aclose()


async def test_addresses_from_before_get_their_one_form_unless_it_is_taken(empty_settings: Settings) -> None:
    composed, decomposed = "jos\u00e9@example.com", "jose\u0301@example.com"
    before = {"u1": decomposed, "u2": "plain@example.com", "u3": "\uff4aane@example.com", "u4": "jane@example.com"}
    await apply_pending(empty_settings)
    undone = ""
    while undone != "users/0002 invitations":
        undone = str(await rollback_last(empty_settings))
    database = Database.open(empty_settings, Context.USERS)
    async with database.writing() as connection:
        for user_id, email in before.items():
            row = {
                "user_id": user_id, "email": email, "name": "N", "org_id": "o", "roles": "[]", "mfa_enabled": False,
                "totp_last_step": 0, "disabled": False, "created_at": 1.0, "updated_at": 1.0,
            }  # fmt: skip
            names = ", ".join(row)
            await connection.execute(
                text(f"INSERT INTO users ({names}) VALUES ({', '.join(f':{name}' for name in row)})"), row
            )
    await apply_pending(empty_settings)
    async with database.reading() as connection:
        rows = await connection.execute(text("SELECT user_id, email FROM users ORDER BY user_id"))
        after = {row.user_id: row.email for row in rows}
    await database.aclose()
    assert after == {**before, "u1": composed}


async def test_debates_from_before_workspaces_are_in_default_and_keep_their_keys_on_the_way_back(
    empty_settings: Settings,
) -> None:
    await apply_pending(empty_settings)
    await _roll_back(empty_settings, "debates/0003 workspaces")
    database = Database.open(empty_settings, Context.DEBATES)
    await _insert(database, "debates", _debate("before", key="k1"))
    await apply_pending(empty_settings)
    for name in ("team_a", "team_b"):
        await _insert(database, "debates", {**_debate(name, key="k1"), "workspace": name})
    async with database.reading() as connection:
        rows = await connection.execute(text("SELECT debate_id, workspace FROM debates ORDER BY debate_id"))
        assert [tuple(row) for row in rows] == [("before", "default"), ("team_a", "team_a"), ("team_b", "team_b")]
    with pytest.raises(IntegrityError):
        await _insert(database, "debates", {**_debate("again", key="k1"), "workspace": "team_a"})
    await database.aclose()
    await _roll_back(empty_settings, "debates/0003 workspaces")
    database = Database.open(empty_settings, Context.DEBATES)
    async with database.reading() as connection:
        rows = await connection.execute(text("SELECT debate_id, idempotency_key FROM debates ORDER BY debate_id"))
        assert [tuple(row) for row in rows] == [("before", "k1"), ("team_a", None), ("team_b", None)]
    await database.aclose()
    await apply_pending(empty_settings)
    await require_current(empty_settings, *Context)


async def test_accounts_keys_and_invitations_from_before_workspaces_have_default_and_their_owners(
    empty_settings: Settings,
) -> None:
    await apply_pending(empty_settings)
    await _roll_back(empty_settings, "users/0004 workspaces")
    database = Database.open(empty_settings, Context.USERS)
    user = {
        "user_id": "u1", "email": "a@example.com", "name": "N", "org_id": "o", "roles": '["member"]',
        "mfa_enabled": False, "totp_last_step": 0, "disabled": False, "created_at": 1.0, "updated_at": 1.0,
    }  # fmt: skip
    key = {"key_id": "k1", "user_id": "u1", "org_id": "o", "name": "ci", "digest": "d", "created_at": 1.0}
    invited = {
        "invitation_id": "i1", "digest": "d", "email": "b@example.com", "org_id": "o", "roles": '["member"]',
        "invited_by": "u1", "created_at": 1.0, "expires_at": 9e9,
    }  # fmt: skip
    for table, row in (("users", user), ("api_keys", key), ("invitations", invited)):
        await _insert(database, table, row)
    await apply_pending(empty_settings)
    users, keys, invitations = UserStore(database), ApiKeyStore(database), InvitationStore(database)
    standing_now = await users.standing("u1", 0.0)
    made = await keys.get("k1")
    assert standing_now is not None
    assert made is not None
    assert (standing_now.workspaces, (await users.by_id("u1")).workspaces) == (("default",), ("default",))
    assert made.workspace is None
    assert [one.workspaces for one in await invitations.open_of("o", 2.0)] == [("default",)]
    await database.aclose()
    await _roll_back(empty_settings, "users/0004 workspaces")
    database = Database.open(empty_settings, Context.USERS)
    async with database.reading() as connection:
        assert (await connection.execute(text("SELECT user_id FROM users"))).scalar_one() == "u1"
    await database.aclose()


@pytest.mark.parametrize("number", ["1001", "9999", "0000", "0999x", "later"])
async def test_a_store_of_a_newer_generation_or_of_nobody_is_refused(settings: Settings, number: str) -> None:
    await _set_revision(settings, Context.DEBATES, number)
    with pytest.raises(Misconfigured, match="newer version"):
        await standing(settings)


async def test_a_newer_store_of_the_same_generation_is_worked_on(settings: Settings) -> None:
    await _set_revision(settings, Context.DEBATES, "0999")
    found = await standing(settings)
    assert [str(revision) for revision in found.ahead] == ["debates/0999 of a newer program"]
    assert found.pending == ()
    assert sorted(found.applied) == sorted(ALL)
    assert await apply_pending(settings) == ()
    await require_current(settings, *Context)


async def test_what_a_newer_program_made_is_not_rolled_back_by_an_older_one(settings: Settings) -> None:
    await _set_revision(settings, Context.ELO, "0999")
    with pytest.raises(Misconfigured, match="agent_elo/0999"):
        await rollback_last(settings)
    assert [revision.number for revision in (await standing(settings)).ahead] == ["0999"]


async def test_a_rollback_that_this_program_cannot_do_is_refused_before_anybody_stops_a_server_for_it(
    tmp_path: Path,
) -> None:
    settings = Settings(data_dir=tmp_path)
    await apply_pending(settings)
    await _set_revision(settings, Context.ELO, "0999")
    (tmp_path / "run").mkdir(exist_ok=True)
    with held(tmp_path / LOCK_FILE), pytest.raises(Misconfigured, match="roll back with the newer version"):
        await rollback.command(settings, Namespace(dry_run=False, yes=True))


def test_only_the_first_revision_of_a_generation_keeps_older_programs_out() -> None:
    first, second, next_one = (Revision(number, Context.CORE, "x") for number in ("0001", "0002", "1001"))
    assert not Standing((), (first, second)).generation_begins
    assert not Standing((first,), (second,)).generation_begins
    assert Standing((first,), (second, next_one)).generation_begins


@pytest.mark.slow
def test_processes_that_apply_at_once_do_it_once(empty_settings: Settings) -> None:
    with ThreadPoolExecutor(3) as pool:
        runs = list(pool.map(lambda _: _command(empty_settings, "apply"), range(3)))
    assert [run.returncode for run in runs] == [0, 0, 0], [run.stderr for run in runs]
    lines = [line for run in runs for line in run.stdout.splitlines() if line.startswith("applied ")]
    assert sorted(lines) == sorted(f"applied {revision}" for revision in ALL)


@pytest.mark.slow
def test_the_commands_say_what_is_applied_and_what_is_pending(empty_settings: Settings) -> None:
    before = _command(empty_settings, "status")
    assert f"0 applied, {len(ALL)} pending" in before.stdout
    _command(empty_settings, "apply")
    assert f"{len(ALL)} applied, 0 pending" in _command(empty_settings, "status").stdout
    assert f"rolled back {max(ALL)}" in _command(empty_settings, "rollback", "--yes").stdout
    assert f"pending  {max(ALL)}" in _command(empty_settings, "status").stdout


@pytest.mark.slow
def test_a_data_directory_that_cannot_be_made_is_one_line_and_exit_code_2(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    failed = _command(Settings(data_dir=tmp_path / "file" / "data"), "apply")
    assert failed.returncode == 2
    assert failed.stderr.startswith("error: ARAGORA_DATA_DIR: cannot make")
    assert len(failed.stderr.splitlines()) == 1


async def test_a_database_that_is_away_is_unavailable(tmp_path: Path) -> None:
    url = "postgresql://nobody:hunter2@127.0.0.1:1/none"
    with pytest.raises(Unavailable) as told:
        await apply_pending(Settings(data_dir=tmp_path, database_url=url))  # type: ignore[arg-type]
    assert "hunter2" not in str(told.value)


async def test_a_migration_waits_for_locks_longer_than_a_request_may(
    empty_settings: Settings, postgres_only: str
) -> None:
    await apply_pending(empty_settings)
    hurried = empty_settings.model_copy(update={"db_pool_timeout": 0.3})
    reader = await asyncpg.connect(postgres_only)
    try:
        await reader.execute("BEGIN; LOCK TABLE api_keys IN ACCESS SHARE MODE")
        undoing = asyncio.create_task(migrate(hurried, Context.USERS, None))
        await asyncio.wait({undoing}, timeout=1.0)
        assert not undoing.done()
        await reader.execute("COMMIT")
        await undoing
    finally:
        await reader.close()


async def test_another_process_that_migrates_is_named_and_no_firewall(
    empty_settings: Settings, postgres_only: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aragora.migrations.applying.WAIT_S", 0.2)
    other = await asyncpg.connect(postgres_only)
    try:
        await other.execute("SELECT pg_advisory_lock($1)", _ADVISORY_KEY)
        with pytest.raises(Unavailable, match="another process has been migrating"):
            await apply_pending(empty_settings)
    finally:
        await other.close()


async def test_nothing_pending_is_known_without_the_lock(settings: Settings) -> None:
    async with migrating_alone(settings):
        assert await apply_pending(settings) == ()


@pytest.mark.parametrize("context", list(Context))
def test_each_context_has_one_line_of_revisions_named_by_their_files(context: Context) -> None:
    numbers = [revision.number for revision in revisions(context)]
    assert numbers[:1] in ([], ["0001"])
    for before, after in pairwise(int(number) for number in numbers):
        assert after in (before + 1, (before // 1000 + 1) * 1000 + 1)  # the next one, or the next generation's first
    for place, file in enumerate(sorted((VERSIONS / context).glob("*.py"))):
        source = file.read_text()
        before = f'"{numbers[place - 1]}"' if place else "None"
        assert f'revision = "{numbers[place]}"' in source
        assert f"down_revision = {before}" in source
        assert "def downgrade()" in source


async def _roll_back(settings: Settings, last: str) -> None:
    """Undo migrations up to and including this one."""
    while str(await rollback_last(settings)) != last:
        continue


async def _insert(database: Database, table: str, row: dict[str, object]) -> None:
    names = ", ".join(row)
    async with database.writing() as connection:
        await connection.execute(
            text(f"INSERT INTO {table} ({names}) VALUES ({', '.join(f':{name}' for name in row)})"), row
        )


def _debate(debate_id: str, *, key: str) -> dict[str, object]:
    return {
        "debate_id": debate_id, "question": "Q?", "status": "queued", "spec": "{}", "created_at": 1.0,
        "updated_at": 1.0, "created_by": "ann", "org_id": "o", "rounds": 0, "cost_usd": 0.0, "last_seq": 0,
        "idempotency_key": key, "request_hash": "h",
    }  # fmt: skip


async def _set_revision(settings: Settings, context: Context, number: str) -> None:
    database = Database.open(settings, context)
    async with database.writing() as connection:
        await connection.execute(text(f"UPDATE {version_table(context)} SET version_num = :number"), {"number": number})
    await database.aclose()


def _command(settings: Settings, name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {"ARAGORA_DATA_DIR": str(settings.data_dir), "PYTHONPATH": str(Path(aragora.__file__).parents[1])}
    if settings.database_url is not None:
        environment["DATABASE_URL"] = settings.database_url.get_secret_value()
    return subprocess.run(
        [sys.executable, "-m", f"aragora.migrations.{name}", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("loss", "told"),
    [
        (Loss("users", 1), "users: the table with 1 row"),
        (Loss("users", 2, ("name",)), "users: 1 column of 2 rows: name"),
        (Loss("users", 0, ("email", "name")), "users: 2 columns of 0 rows: email, name"),
    ],
)
def test_a_loss_is_told_in_the_singular_and_the_plural(loss: Loss, told: str) -> None:
    assert str(loss) == told
