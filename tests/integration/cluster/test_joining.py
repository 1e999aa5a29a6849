"""Nodes join an installation on a real PostgreSQL: one founds it, the others compare, and nobody learns a secret."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import asyncpg
import pytest
from pydantic import SecretStr
from worlds.backends import fresh_database

from aragora.cluster import clock
from aragora.cluster.answers import Cost, answers_of
from aragora.cluster.token import derived_token
from aragora.cluster.versions import Versions
from aragora.composition.cluster import joining
from aragora.composition.cluster.joining import adopt, compare, ray_token_file, refuse_to_join
from aragora.config.settings import Settings
from aragora.errors import Conflict, Misconfigured, Unavailable
from aragora.migrations.applying import apply_all, migrate
from aragora.migrations.history import revisions, standing
from aragora.storage.contexts import SESSION_PREFIX, Context

pytestmark = pytest.mark.slow

OLD, NEW = "ab" * 32, "cd" * 32
SECRETS = {
    "jwt_secret": "j" * 40,
    "encryption_key": OLD,
    "receipt_signing_key": "5e" * 32,
    "api_token": "t" * 40,
}


class Installation:
    """A database of its own, and nodes on it."""

    def __init__(self, url: str, directory: Path) -> None:
        self.url = url
        self._directory = directory
        self._nodes = 0

    def node(self, **settings: Any) -> Settings:
        """The settings of a further node: the same as all, but for those given."""
        self._nodes += 1
        chosen = {**SECRETS, **settings}
        secrets = {name: SecretStr(value) for name, value in chosen.items() if name in {*SECRETS, "service_token"}}
        plain = {name: value for name, value in chosen.items() if name not in secrets}
        directory = self._directory / f"node-{self._nodes}"
        return Settings(**{"data_dir": directory, "database_url": SecretStr(self.url), **plain, **secrets})

    def row(self) -> dict[str, Any]:
        """The stored row, as whoever reads the database sees it."""
        (found,) = self.query("SELECT * FROM installation")
        return dict(found)

    def query(self, sql: str) -> list[Any]:
        async def run() -> list[Any]:
            connection = await asyncpg.connect(self.url)
            try:
                return list(await connection.fetch(sql))
            finally:
                await connection.close()

        return asyncio.run(run())


@pytest.fixture(autouse=True)
def _cheap_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """The doctor's tests pay the full price."""
    cheap = Cost(passes=1, memory_kib=8, lanes=1)
    monkeypatch.setattr(joining, "answers_of", partial(answers_of, cost=cheap))


@pytest.fixture(autouse=True)
def _no_ray_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def empty(postgres_url: str, tmp_path: Path) -> Installation:
    """A database in which nothing is."""
    return Installation(asyncio.run(fresh_database(postgres_url)), tmp_path)


@pytest.fixture
def founded(empty: Installation) -> Installation:
    """One whose first head has started."""
    assert refused(empty.node(), head=True) == []
    return empty


@pytest.fixture
def running(founded: Installation) -> Iterator[Installation]:
    """One of which a server has a session at the database."""
    stop = threading.Event()
    connected = threading.Event()

    async def hold() -> None:
        name = f"{SESSION_PREFIX}debates"
        connection = await asyncpg.connect(founded.url, server_settings={"application_name": name})
        connected.set()
        await asyncio.to_thread(stop.wait)
        await connection.close()

    holder = threading.Thread(target=lambda: asyncio.run(hold()))
    holder.start()
    assert connected.wait(60)
    yield founded
    stop.set()
    holder.join()


def refused(settings: Settings, *, head: bool = False, told: list[str] | None = None, release: str = "1") -> list[str]:
    """The lines by which a node is kept out; empty where it is let in."""
    notes: list[str] = [] if told is None else told
    try:
        refuse_to_join(settings, head=head, tell=notes.append, release=release)
    except (Misconfigured, Unavailable) as problem:
        return problem.message.splitlines()
    return []


def test_the_first_head_founds_and_nodes_with_its_settings_are_let_in(empty: Installation) -> None:
    told: list[str] = []
    assert refused(empty.node(), head=True, told=told) == []
    assert told == ["this is the first node of the installation: the others need its .env"]
    row = empty.row()
    assert refused(empty.node()) == refused(empty.node(), head=True) == []
    assert empty.row() == row


@pytest.mark.parametrize(("off_s", "how"), [(300.0, "300 s ahead of"), (-300.0, "300 s behind")])
def test_a_wrong_clock_is_told_and_keeps_nobody_out(
    founded: Installation, off_s: float, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clock, "time", SimpleNamespace(time=lambda: time.time() + off_s))
    told: list[str] = []
    assert refused(founded.node(), told=told) == []
    (line,) = told
    assert line.startswith(f"warning: this machine's clock is {how} that of PostgreSQL: synchronise")


def test_whoever_reads_the_database_finds_no_secret(founded: Installation) -> None:
    shown = json.dumps(founded.row(), default=str)
    assert not any(value in shown for value in SECRETS.values())
    assert len(json.loads(founded.row()["answers"])) == len(SECRETS)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("jwt_secret", "k" * 40),
        ("api_token", "u" * 40),
        ("receipt_signing_key", "6e" * 32),
        ("encryption_key", NEW),
        ("service_token", "s" * 40),
        ("coordinator_shards", 2),
        ("env", "production"),
    ],
)
def test_each_setting_that_differs_is_told_in_one_line_and_changes_nothing(
    setting: str, value: Any, founded: Installation
) -> None:
    row = founded.row()
    (line,) = refused(founded.node(**{setting: value}))
    assert line.startswith(f"ARAGORA_{setting.upper()} ")
    assert str(value) not in line or setting in ("coordinator_shards", "env")
    assert founded.row() == row


def test_several_are_several_lines(founded: Installation) -> None:
    lines = refused(founded.node(jwt_secret="k" * 40, api_token="u" * 40), head=True)
    assert [line.partition(" ")[0] for line in lines] == ["ARAGORA_API_TOKEN", "ARAGORA_JWT_SECRET"]


def test_what_is_missing_is_told_before_anything_is_asked() -> None:
    lines = refused(Settings())
    assert len(lines) == 5
    assert all(" is not set" in line for line in lines)


@pytest.mark.parametrize("migrated", [False, True])
def test_a_worker_before_its_head_founds_nothing(migrated: bool, empty: Installation) -> None:
    if migrated:
        apply_all(empty.node())
    (line,) = refused(empty.node())
    assert "start the head first" in line
    assert asyncio.run(compare(empty.node())) is None
    if migrated:
        assert "DATABASE_URL names another database" in line
        assert empty.query("SELECT * FROM installation") == []


def test_of_heads_that_start_at_once_one_founds_and_the_others_compare(empty: Installation) -> None:
    """Two of them with the same secrets, two with others: all of one kind are let in, none of the other."""
    heads = [empty.node(jwt_secret=secret * 40) for secret in "jjkk"]
    together = threading.Barrier(len(heads))

    def start(settings: Settings) -> tuple[list[str], list[str]]:
        together.wait()
        told: list[str] = []
        return refused(settings, head=True, told=told), told

    with ThreadPoolExecutor(len(heads)) as pool:
        outcomes = list(pool.map(start, heads))
    kept_out = [len(lines) for lines, _ in outcomes]
    assert kept_out in ([0, 0, 1, 1], [1, 1, 0, 0])
    assert sum(bool(told) for _, told in outcomes) == 1
    assert len(empty.query("SELECT * FROM installation")) == 1


def test_a_head_that_is_refused_has_not_migrated(founded: Installation) -> None:
    *_, before, _last = revisions(Context.USERS)
    asyncio.run(migrate(founded.node(), Context.USERS, before.number))
    pending = asyncio.run(standing(founded.node())).pending
    assert len(pending) == 1
    assert len(refused(founded.node(api_token="u" * 40), head=True)) == 1
    assert asyncio.run(standing(founded.node())).pending == pending
    (line,) = refused(founded.node())
    assert "lacks 1 migration of this release" in line
    assert refused(founded.node(), head=True) == []
    assert asyncio.run(standing(founded.node())).pending == ()


def test_a_worker_with_another_python_or_ray_than_the_head_is_refused(
    founded: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def head(address: str, environment: Mapping[str, str]) -> Versions:
        asked.append(Path(environment["RAY_AUTH_TOKEN_PATH"]).read_text())
        return Versions("3.1.0", "2.61.0")

    monkeypatch.setattr(joining, "versions_at", head)
    settings = founded.node()
    with pytest.raises(Misconfigured, match=r"^Python is .*\nRay is .* here and 2\.61\.0 in the cluster"):
        refuse_to_join(settings, head=False, head_at="10.0.0.10:6380", release="1")
    assert asked == [derived_token(settings)]


def test_another_release_is_told_and_let_in(founded: Installation) -> None:
    told: list[str] = []
    assert refused(founded.node(), told=told, release="2") == []
    assert told == ["this node runs Aragora 2, and the one that joined last runs 1"]
    told.clear()
    assert refused(founded.node(), told=told, release="2") == []
    assert told == []


def test_a_row_that_is_not_readable_is_told(founded: Installation) -> None:
    founded.query("UPDATE installation SET answers = '[]'")
    (line,) = refused(founded.node())
    assert "delete the row" in line


def test_a_database_that_is_away_is_one_line(empty: Installation) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        at = f"127.0.0.1:{nobody.getsockname()[1]}"
        (line,) = refused(empty.node(database_url=SecretStr(f"postgresql://me:hunter2@{at}/x")))
    assert line.startswith(f"nothing listens at {at}: start PostgreSQL there")


def test_a_database_that_does_not_answer_is_one_line(empty: Installation) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        at = f"127.0.0.1:{silent.getsockname()[1]}"
        url = SecretStr(f"postgresql://me:hunter2@{at}/x")
        (line,) = refused(empty.node(database_url=url, db_pool_timeout=0.5))
    assert line.startswith(f"PostgreSQL at {at} does not answer")


@pytest.mark.parametrize("mode", ["disabled", "none"])
def test_an_open_ray_is_refused(mode: str, founded: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_AUTH_MODE", mode)
    (line,) = refused(founded.node())
    assert line.startswith("RAY_AUTH_MODE")


def test_the_operators_ray_token_must_be_the_same_too(founded: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN", "theirs")
    (line,) = refused(founded.node())
    assert line.startswith("RAY_AUTH_TOKEN is set here, and is not on the other nodes")


def test_nodes_of_one_installation_have_one_ray_token_in_their_own_files(
    founded: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = []
    for settings in (founded.node(), founded.node()):
        monkeypatch.delenv("RAY_AUTH_TOKEN_PATH", raising=False)
        files.append(ray_token_file(settings))
        assert os.environ["RAY_AUTH_MODE"] == "token"
        assert os.environ["RAY_AUTH_TOKEN_PATH"] == str(files[-1])
    one, other = (file.read_text() for file in files if file is not None)
    assert one == other


# --- Changing a secret on purpose ------------------------------------------------------------------------


def test_a_changed_secret_is_adopted_once_no_other_node_runs(founded: Installation) -> None:
    changed = founded.node(jwt_secret="k" * 40)
    with pytest.raises(Conflict, match=r"ARAGORA_JWT_SECRET cannot change while nodes run: stop 10\.0\.0\.2 first"):
        adopt(changed, ["10.0.0.2"])
    assert adopt(changed, []) == ("ARAGORA_JWT_SECRET",)
    assert refused(founded.node(jwt_secret="k" * 40)) == []
    assert len(refused(founded.node())) == 1
    assert adopt(changed, ["10.0.0.2"]) == ()


def test_a_node_that_only_the_database_knows_of_counts_as_running(running: Installation) -> None:
    """Cut off from the head it still serves, with the old secrets."""
    with pytest.raises(Conflict, match="a server works on this store"):
        adopt(running.node(jwt_secret="k" * 40), [])
    assert refused(running.node()) == []


def test_the_keys_of_encryption_change_while_nodes_run(running: Installation) -> None:
    both = f"{OLD},{NEW}"
    assert refused(running.node(encryption_key=both)) == []
    assert adopt(running.node(encryption_key=both), ["10.0.0.2"]) == ("ARAGORA_ENCRYPTION_KEY",)
    (line,) = refused(running.node())
    assert "lacks 1 key" in line
    assert refused(running.node(encryption_key=f"{NEW},{OLD}")) == []
    assert adopt(running.node(encryption_key=NEW), ["10.0.0.2"]) == ("ARAGORA_ENCRYPTION_KEY",)
    assert refused(running.node(encryption_key=NEW)) == refused(running.node(encryption_key=f"{NEW},{OLD}")) == []
    with pytest.raises(Conflict, match="ARAGORA_ENCRYPTION_KEY cannot change while nodes run"):
        adopt(running.node(encryption_key="ef" * 32), ["10.0.0.2"])


def test_another_number_of_shards_is_adopted_only_while_nothing_runs(running: Installation) -> None:
    with pytest.raises(Conflict, match="ARAGORA_COORDINATOR_SHARDS"):
        adopt(running.node(coordinator_shards=2), [])


def test_before_the_first_head_there_is_nothing_to_adopt(empty: Installation) -> None:
    for _ in range(2):
        with pytest.raises(Conflict, match="first head"):
            adopt(empty.node(), [])
        apply_all(empty.node())
