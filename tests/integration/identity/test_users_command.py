"""`aragora users`: what an operator types and sees, on a store of its own."""

from __future__ import annotations

import asyncio
import io
import json
import shutil
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from worlds.interrupted import interrupted_at

from aragora.cli.main import main
from aragora.clock import SystemClock
from aragora.config.settings import Settings
from aragora.identity.audit import AuditEntry
from aragora.identity.store.audit_log import AuditLog
from aragora.migrations.applying import apply_all
from aragora.storage.contexts import Context
from aragora.storage.database import Database

pytestmark = pytest.mark.slow

PASSWORD = "correct horse battery"
Typed = Callable[..., tuple[int, str, str]]


class Terminal(io.StringIO):
    """Standard input of a person at a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(scope="module")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("users") / "data"
    apply_all(Settings(data_dir=made))
    return made


@pytest.fixture
def data_dir(migrated: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data directory without accounts, of a server where registration is closed."""
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.setenv("ARAGORA_REGISTRATION", "closed")
    monkeypatch.setenv("ARAGORA_DATA_DIR", str(tmp_path / "data"))
    shutil.copytree(migrated, tmp_path / "data")
    return tmp_path / "data"


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Typed:
    """Types `aragora users ...`; gives exit code, output and errors."""

    def run(*arguments: str, stdin: io.StringIO | None = None) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.stdin", stdin or io.StringIO())
        code = main(["users", *arguments])
        told = capsys.readouterr()
        return code, told.out, told.err

    return run


def made(typed: Typed, name: str, *roles: str) -> str:
    """A new account; returns its id."""
    given = [part for role in roles for part in ("--role", role)]
    arguments = ("create", f"{name}@example.com", *given, "--password-stdin", "--json")
    code, told, wrong = typed(*arguments, stdin=io.StringIO(f"{PASSWORD}\n"))
    assert code == 0, wrong
    user_id: str = json.loads(told)["user_id"]
    return user_id


def entries(data_dir: Path) -> list[AuditEntry]:
    async def read() -> list[AuditEntry]:
        database = Database.open(Settings(data_dir=data_dir), Context.USERS)
        try:
            return await AuditLog(database, SystemClock()).page()
        finally:
            await database.aclose()

    return asyncio.run(read())


def test_an_account_is_given_workspaces(typed: Typed, data_dir: Path) -> None:
    made(typed, "root", "owner")
    arguments = ("create", "mike@example.com", "--workspace", "team_a", "--password-stdin", "--json")
    code, told, wrong = typed(*arguments, stdin=io.StringIO(f"{PASSWORD}\n"))
    assert code == 0, wrong
    assert json.loads(told)["workspaces"] == ["team_a"]
    code, told, _ = typed("workspaces", "mike@example.com", "default", "team_b", "--yes")
    assert (code, told) == (0, "mike@example.com may use default, team_b.\n")
    code, _, wrong = typed("workspaces", "mike@example.com", "team b", "--yes")
    assert code != 0
    assert "A workspace's name has 1 to 64" in wrong
    last = entries(data_dir)[0].event
    assert (last.action, last.actor, last.details["workspaces"]) == ("user.workspaces", "operator", "default,team_b")


@pytest.mark.usefixtures("data_dir")
def test_the_first_owner_is_made_where_registration_is_closed(typed: Typed) -> None:
    user_id = made(typed, "root", "owner", "admin")
    code, told, _ = typed("list")
    assert (code, told) == (0, f"{user_id}  root@example.com  local  owner,admin  active\n")
    shown = json.loads(typed("show", "ROOT@example.com", "--json")[1])
    assert (shown["user_id"], shown["last_owner"], shown["sessions"]) == (user_id, True, 0)
    assert "owner, admin" in typed("show", user_id)[1]


@pytest.mark.usefixtures("data_dir")
def test_a_password_is_asked_for_and_never_an_argument(typed: Typed, monkeypatch: pytest.MonkeyPatch) -> None:
    assert typed("create", "x@example.com")[0] == 2
    answers = iter([PASSWORD, "another one", PASSWORD, PASSWORD])
    monkeypatch.setattr("aragora.cli.users.getpass", lambda _prompt: next(answers))
    code, _, wrong = typed("create", "x@example.com", stdin=Terminal())
    assert (code, wrong) == (2, "aragora: The two passwords differ.\n")
    assert typed("create", "x@example.com", stdin=Terminal())[0] == 0
    code, _, wrong = typed("create", "y@example.com", "--password-stdin", stdin=io.StringIO("password\n"))
    assert code == 2
    assert "common" in wrong


def test_what_takes_something_away_asks_first(typed: Typed, data_dir: Path) -> None:
    made(typed, "olga", "owner")
    made(typed, "mike")
    before = len(entries(data_dir))
    for command in (("disable",), ("role",), ("end-sessions",), ("revoke-keys",), ("reset-mfa",)):
        arguments = (*command, "mike@example.com", *(("viewer",) if command == ("role",) else ()))
        code, _, wrong = typed(*arguments)
        assert (code, "--yes" in wrong) == (2, True), command
        code, _, wrong = typed(*arguments, stdin=Terminal("n\n"))
        assert (code, "mike@example.com" in wrong) == (1, True), command
        assert len(entries(data_dir)) == before
        assert typed(*arguments, stdin=Terminal("y\n"))[0] == 0, command
        before += 1
        assert typed(*arguments, "--yes", "--json")[0] == 0
        before += 1
    assert typed("enable", "mike@example.com")[1] == "mike@example.com can log in again.\n"
    actions = [entry.event.action for entry in reversed(entries(data_dir))][2::2]
    assert actions == [
        "user.disable", "user.roles", "user.sessions_ended", "user.keys_revoked", "user.factor_reset", "user.enable",
    ]  # fmt: skip
    assert {entry.event.actor for entry in entries(data_dir)} == {"operator"}


def test_ctrl_c_at_the_question_ends_the_command_at_once_and_changes_nothing(typed: Typed, data_dir: Path) -> None:
    made(typed, "mike")
    before = len(entries(data_dir))
    command = [sys.executable, "-m", "aragora.cli", "users", "disable", "mike@example.com"]
    code, told = interrupted_at(b"[y/N] ", command)
    assert code == 130
    assert b"Traceback" not in told
    assert len(entries(data_dir)) == before


def test_what_was_taken_away_is_told_in_the_singular_and_the_plural(typed: Typed, data_dir: Path) -> None:
    user_id = made(typed, "mike")
    with sqlite3.connect(data_dir / "users.db") as connection:
        now = SystemClock().now()
        login = ("ses_1", user_id, "local", now, now + 60, 0, False, "")
        columns = "session_id, user_id, org_id, created_at, expires_at, generation, mfa, address"
        connection.execute(f"INSERT INTO sessions ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", login)
    code, told, question = typed("end-sessions", "mike@example.com", stdin=Terminal("y\n"))
    assert (code, told) == (0, "Ended 1 login.\n")
    assert question == "End 1 login of mike@example.com? [y/N] "
    assert typed("revoke-keys", "mike@example.com", "--yes")[1] == "Revoked 0 API keys.\n"


def test_no_account_is_made_in_what_can_be_no_organisation(typed: Typed, data_dir: Path) -> None:
    before = len(entries(data_dir))
    for org in ("", "a\nb", "a b"):
        arguments = ("create", "x@example.com", "--org", org, "--password-stdin")
        assert typed(*arguments, stdin=io.StringIO(f"{PASSWORD}\n"))[0] == 2
    assert len(entries(data_dir)) == before


@pytest.mark.usefixtures("data_dir")
def test_the_last_owner_goes_only_where_that_is_said(typed: Typed) -> None:
    made(typed, "root", "owner", "admin")
    for arguments in (("role", "root@example.com", "member"), ("disable", "root@example.com")):
        typed("role", "root@example.com", "owner", "--yes")
        code, _, wrong = typed(*arguments, "--yes")
        assert (code, "--last-owner" in wrong) == (1, True)
        assert typed(*arguments, "--yes", "--last-owner")[0] == 0


def test_an_invitation_is_printed_once_and_only_where_the_server_takes_it(
    typed: Typed, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, _, wrong = typed("invite", "new@example.com")
    assert (code, "ARAGORA_REGISTRATION" in wrong) == (2, True)
    monkeypatch.setenv("ARAGORA_REGISTRATION", "invited")
    code, token, _ = typed("invite", "new@example.com", "--role", "viewer", "--org", "org_1")
    assert code == 0
    assert token.startswith("arinv_")
    assert token.strip().encode() not in (data_dir / "users.db").read_bytes()
    assert {"token", "invitation_id", "expires_at"} == json.loads(typed("invite", "b@example.com", "--json")[1]).keys()


@pytest.mark.usefixtures("data_dir")
def test_pages_name_the_next_one_and_wrong_names_say_so(typed: Typed) -> None:
    ids = [made(typed, name) for name in ("a", "b")]
    assert f"More: the same with --after {ids[0]}" in typed("list", "--limit", "1")[1]
    assert [one["user_id"] for one in json.loads(typed("list", "--after", ids[0], "--json")[1])] == [ids[1]]
    assert json.loads(typed("list", "--org", "org_none", "--json")[1]) == []
    for named in ("nobody@example.com", "usr_none"):
        code, _, wrong = typed("show", named)
        assert code == 1
        assert "no " in wrong
    assert typed("role", "a@example.com", "king", "--yes")[0] == 2


def test_a_place_without_a_store_is_named_and_stays_as_it_is(typed: Typed, tmp_path: Path, data_dir: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    code, _, wrong = typed("list", "--data-dir", str(elsewhere))
    assert code == 2
    assert str(elsewhere) in wrong
    assert not elsewhere.exists()
    assert typed("list", "--data-dir", str(data_dir))[0] == 0


def test_every_command_has_help(capsys: pytest.CaptureFixture[str]) -> None:
    from aragora.cli.users import users

    names: list[Any] = [command.name or command.callback.__name__ for command in users.registered_commands]  # type: ignore[union-attr]
    for name in names:
        assert main(["users", name.replace("_", "-"), "--help"]) == 0
        assert "Usage: aragora users" in capsys.readouterr().out


@pytest.mark.parametrize(("name", "password"), [("J\x1b[2Jane", PASSWORD), ("", PASSWORD), ("Jane", "eight\x1bchars")])
def test_no_account_is_made_with_what_no_route_takes(typed: Typed, data_dir: Path, name: str, password: str) -> None:
    arguments = ("create", "jane@example.com", "--name", name, "--password-stdin")
    code, told, wrong = typed(*arguments, stdin=io.StringIO(f"{password}\n"))
    assert (code, told) == (2, "")
    assert "U+001B" in wrong or "1 to 100" in wrong
