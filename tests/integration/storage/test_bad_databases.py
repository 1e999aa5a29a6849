"""A store that cannot be used: what `serve`, `doctor` and `migrations.*` say, and the code they exit with."""

from __future__ import annotations

import asyncio
import os
import shlex
import shutil
import socket
import sqlite3
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import asyncpg
import pytest
from worlds.interrupted import interrupted_at
from worlds.live_server import free_port
from worlds.waiting import WAIT_S

import aragora
from aragora.config.settings import Settings
from aragora.migrations.history import standing

pytestmark = pytest.mark.slow

SECRET = "hunter2"


@dataclass(frozen=True)
class Place:
    """A PostgreSQL as a URL names it."""

    role: str
    database: str
    host: str
    query: str = ""

    @property
    def url(self) -> str:
        return f"postgresql://{self.role}:{SECRET}@{self.host}/{self.database}{self.query}"


@pytest.fixture
async def place(postgres_url: str) -> Place:
    """A database of its own, with a role that has to show a password and owns nothing."""
    role, database = f"r{uuid.uuid4().hex[:12]}", f"d{uuid.uuid4().hex[:12]}"
    connection = await asyncpg.connect(postgres_url)
    try:
        await connection.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{SECRET}'")
        await connection.execute(f"CREATE DATABASE {database}")
        _demand_password(Path(await connection.fetchval("SHOW hba_file")), role)
        await connection.execute("SELECT pg_reload_conf()")
    finally:
        await connection.close()
    parts = urlsplit(postgres_url)
    directory = parse_qs(parts.query)["host"][0]
    return Place(role, database, "", f"?host={directory}")


def _demand_password(rules: Path, role: str) -> None:
    rules.write_text(f"local all {role} scram-sha-256\n{rules.read_text()}")


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def silent() -> Iterator[str]:
    """A host that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"127.0.0.1:{listener.getsockname()[1]}"


def typed(data_dir: Path, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(Path(aragora.__file__).parents[1]),
        "ARAGORA_DATA_DIR": str(data_dir),
        "ARAGORA_DB_POOL_TIMEOUT": "2",
        **variables,
    }
    return subprocess.run(
        [sys.executable, "-m", *command],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=data_dir.parent,
        stdin=subprocess.DEVNULL,
    )


def told(data_dir: Path, *command: str, code: int, **variables: str) -> str:
    """The one line of a refusal. Fails where it exits with another code, or says more or a secret."""
    ran = typed(data_dir, *command, **variables)
    assert ran.returncode == code, ran.stdout + ran.stderr
    assert "Traceback" not in ran.stdout + ran.stderr
    assert SECRET not in ran.stdout + ran.stderr
    (line,) = ran.stderr.splitlines()
    return line


def everywhere(data_dir: Path, *parts: str, code: int, **variables: str) -> None:
    """The same cause is told by the start, by the migrations and by the doctor."""
    serve = ("aragora.server", "--http-port", str(free_port()), "--port", str(free_port()))
    for command in (("aragora.migrations.status",), serve):
        line = told(data_dir, *command, code=code, **variables)
        assert line.startswith("error: ")
        for part in parts:
            assert part in line, line
    doctor = typed(data_dir, "aragora.cli", "doctor", "--url", "http://127.0.0.1:9", **variables)
    assert doctor.returncode == 2, doctor.stdout + doctor.stderr
    assert SECRET not in doctor.stdout + doctor.stderr
    assert all(part in doctor.stdout for part in parts), doctor.stdout


def test_a_wrong_password(data_dir: Path, place: Place) -> None:
    url = place.url.replace(SECRET, "another")
    everywhere(data_dir, f"refuses the role {place.role} or its password", "pg_hba.conf", code=2, DATABASE_URL=url)


def test_a_database_that_does_not_exist(data_dir: Path, place: Place) -> None:
    url = replace(place, database="nowhere").url
    everywhere(data_dir, "has no database nowhere", f"createdb -O {place.role} nowhere", code=2, DATABASE_URL=url)


def test_a_role_without_rights(data_dir: Path, place: Place) -> None:
    serve = ("aragora.server", "--http-port", str(free_port()), "--port", str(free_port()))
    for command in (("aragora.migrations.apply",), serve):
        line = told(data_dir, *command, code=2, DATABASE_URL=place.url)
        assert f"the role {place.role} has no right" in line
        assert f"GRANT CREATE, USAGE ON SCHEMA public TO {place.role}" in line
    doctor = typed(data_dir, "aragora.cli", "doctor", "--url", "http://127.0.0.1:9", DATABASE_URL=place.url)
    assert doctor.returncode == 2
    assert f"the role {place.role} has no right" in doctor.stdout


def test_a_host_on_which_nothing_listens(data_dir: Path) -> None:
    url = f"postgresql://me:{SECRET}@127.0.0.1:1/aragora"
    everywhere(data_dir, "nothing listens at 127.0.0.1:1", "start PostgreSQL there", code=3, DATABASE_URL=url)


def test_a_host_that_does_not_answer(data_dir: Path, silent: str) -> None:
    url = f"postgresql://me:{SECRET}@{silent}/aragora"
    everywhere(data_dir, f"PostgreSQL at {silent} does not answer", "firewall", code=3, DATABASE_URL=url)


def test_a_name_that_does_not_resolve(data_dir: Path) -> None:
    url = f"postgresql://me:{SECRET}@nowhere.invalid/aragora"
    everywhere(data_dir, "the name in nowhere.invalid:5432 does not resolve", code=3, DATABASE_URL=url)


def test_another_kind_of_database(data_dir: Path) -> None:
    everywhere(data_dir, "DATABASE_URL is wrong", "postgresql://", code=2, DATABASE_URL=f"mysql://me:{SECRET}@h/d")


def test_a_password_with_characters_that_an_address_cannot_hold(data_dir: Path) -> None:
    url = f"postgresql://me:{SECRET}@a:b/c@127.0.0.1/aragora"
    everywhere(data_dir, "DATABASE_URL is wrong", "percent-encode", code=2, DATABASE_URL=url)


@pytest.mark.parametrize("content", [b"garbage " * 1000, b"SQLite format 3\x00" + b"\xff" * 8000])
def test_a_file_that_is_no_database(data_dir: Path, content: bytes) -> None:
    data_dir.mkdir()
    (data_dir / "users.db").write_bytes(content)
    everywhere(data_dir, f"{data_dir / 'users.db'} is damaged", "backup", code=2)


def test_a_file_that_another_process_holds(data_dir: Path) -> None:
    assert typed(data_dir, "aragora.migrations.apply").returncode == 0
    holder = sqlite3.connect(data_dir / "debates.db", isolation_level=None)
    holder.execute("PRAGMA journal_mode=DELETE")
    holder.execute("BEGIN EXCLUSIVE")
    try:
        line = told(data_dir, "aragora.migrations.status", code=3)
    finally:
        holder.close()
    assert f"{data_dir / 'debates.db'} is locked" in line


@pytest.mark.parametrize(
    "command",
    [
        ("aragora.security.audit", "verify"),
        ("aragora.storage.migrations.encrypt_existing_data", "--all"),
        ("aragora.cli", "budget"),
        ("aragora.cli", "users", "list"),
    ],
)
def test_every_command_over_the_store_tells_what_is_wrong_with_it(data_dir: Path, command: tuple[str, ...]) -> None:
    key = {"ARAGORA_ENCRYPTION_KEY": "ab" * 32}
    away = told(data_dir, *command, code=3, DATABASE_URL=f"postgresql://me:{SECRET}@127.0.0.1:1/aragora", **key)
    assert "nothing listens at 127.0.0.1:1" in away
    other = data_dir.parent / "it's elsewhere"
    nothing = told(data_dir, *command, "--data-dir", str(other), code=2, **key)
    assert f"SQLite in {other}: its tables are not there yet" in nothing
    assert f"aragora.migrations.apply --data-dir {shlex.quote(str(other))}" in nothing
    assert not list(data_dir.parent.iterdir())


# --- which store, and what it loses -----------------------------------------------------------------------------


def test_commands_that_read_make_nothing_and_say_which_store_they_mean(data_dir: Path) -> None:
    other = data_dir.parent / "elsewhere"
    for arguments in (("aragora.migrations.status",), ("aragora.migrations.apply", "--dry-run")):
        ran = typed(data_dir, *arguments, "--data-dir", str(other))
        assert ran.returncode == 0, ran.stderr
        assert ran.stdout.splitlines()[0] == f"store: SQLite in {other}"
        if arguments == ("aragora.migrations.status",):
            assert ran.stdout.endswith(f"run `python -m aragora.migrations.apply --data-dir {other}`\n")
    assert typed(data_dir, "aragora.migrations.rollback", "--data-dir", str(other)).returncode == 0
    assert not list(data_dir.parent.iterdir())


@pytest.mark.parametrize("name", ["apply", "status", "rollback"])
def test_help_helps_and_an_unknown_argument_changes_nothing(data_dir: Path, name: str) -> None:
    assert "usage: python -m aragora.migrations." in typed(data_dir, f"aragora.migrations.{name}", "--help").stdout
    assert typed(data_dir, f"aragora.migrations.{name}", "bogus").returncode == 2
    assert not data_dir.exists()


def test_a_rollback_says_what_is_lost_and_changes_nothing_where_nobody_can_be_asked(data_dir: Path) -> None:
    assert typed(data_dir, "aragora.migrations.apply").returncode == 0
    while "loses:" not in typed(data_dir, "aragora.migrations.rollback", "--dry-run").stdout:
        assert "loses no table and no column" in undone(data_dir)
    shutil.rmtree(data_dir / "backups", ignore_errors=True)
    with sqlite3.connect(data_dir / "core.db") as connection:
        before = list(connection.iterdump())
    files = sorted(data_dir.iterdir())
    assert typed(data_dir, "aragora.migrations.rollback", "--dry-run").returncode == 0
    assert sorted(data_dir.iterdir()) == files
    for arguments, code in (((), 2), (("--dry-run",), 0)):
        ran = typed(data_dir, "aragora.migrations.rollback", *arguments)
        assert ran.returncode == code, ran.stderr
        assert "loses:" in ran.stdout
        assert "the table with 0 rows" in ran.stdout
    with sqlite3.connect(data_dir / "core.db") as connection:
        assert list(connection.iterdump()) == before
    assert not (data_dir / "backups").exists()
    while "loses:" in (told := undone(data_dir)):
        assert "table" in told
    assert "loses no table and no column" in told


def undone(data_dir: Path) -> str:
    """What the command says that undoes the newest migration, whatever that has made."""
    ran = typed(data_dir, "aragora.migrations.rollback", "--yes")
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def test_ctrl_c_at_the_question_ends_a_rollback_at_once_and_changes_nothing(data_dir: Path) -> None:
    assert typed(data_dir, "aragora.migrations.apply").returncode == 0
    before = asyncio.run(standing(Settings(data_dir=data_dir)))
    command = [sys.executable, "-m", "aragora.migrations.rollback", "--data-dir", str(data_dir)]
    assert interrupted_at(b"Type yes: ", command) == (130, b"Interrupted.\n")
    assert asyncio.run(standing(Settings(data_dir=data_dir))) == before


@pytest.mark.parametrize(
    "command",
    [
        ("aragora.migrations.status",),
        ("aragora.migrations.apply", "--dry-run"),
        ("aragora.security.audit", "verify"),
        ("aragora.storage.migrations.encrypt_existing_data", "--all"),
    ],
)
def test_a_reader_that_has_seen_enough_ends_a_command_without_a_traceback(
    data_dir: Path, command: tuple[str, ...]
) -> None:
    assert typed(data_dir, "aragora.migrations.apply").returncode == 0
    read_end, write_end = os.pipe()
    os.close(read_end)
    environment = {**os.environ, "ARAGORA_ENCRYPTION_KEY": "ab" * 32, "ARAGORA_DATA_DIR": str(data_dir)}
    ran = subprocess.run(
        [sys.executable, "-m", *command],
        stdout=write_end,
        stderr=subprocess.PIPE,
        env=environment,
        check=False,
        timeout=WAIT_S,
    )
    os.close(write_end)
    assert (ran.returncode, ran.stderr) == (141, b"")


def test_a_rollback_leaves_a_copy_that_only_its_owner_reads(data_dir: Path) -> None:
    assert typed(data_dir, "aragora.migrations.apply").returncode == 0
    ran = typed(data_dir, "aragora.migrations.rollback", "--yes")
    assert ran.returncode == 0, ran.stderr
    (copy,) = (data_dir / "backups").iterdir()
    assert str(copy) in ran.stdout
    assert copy.stat().st_mode & 0o077 == 0
    with sqlite3.connect(copy) as connection:
        assert connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] > 0


def test_nothing_is_rolled_back_beside_a_running_server(data_dir: Path) -> None:
    assert typed(data_dir, "aragora.migrations.apply").returncode == 0
    (data_dir / "run").mkdir()
    holder = subprocess.Popen(
        ["flock", str(data_dir / "run" / "server.lock"), "sh", "-c", "echo held; read _"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert holder.stdout is not None
    holder.stdout.readline()
    try:
        line = told(data_dir, "aragora.migrations.rollback", "--yes", code=2)
    finally:
        holder.kill()
        holder.communicate()
    assert "works on" in line
    assert "stop it first" in line


async def test_nothing_is_rolled_back_on_postgresql_while_sessions_of_a_server_are_there(
    data_dir: Path, postgres_url: str, place: Place
) -> None:
    url = postgres_url.replace("/postgres?", f"/{place.database}?")
    assert typed(data_dir, "aragora.migrations.apply", DATABASE_URL=url).returncode == 0
    session = await asyncpg.connect(url, server_settings={"application_name": "aragora-debates"})
    try:
        ran = typed(data_dir, "aragora.migrations.rollback", "--yes", DATABASE_URL=url)
    finally:
        await session.close()
    assert ran.returncode == 2
    assert "a server works on this store" in ran.stderr
    told_now = typed(data_dir, "aragora.migrations.rollback", "--yes", DATABASE_URL=url)
    assert told_now.returncode == 0, told_now.stderr
    assert "pg_dump" in told_now.stdout
