"""Of two clusters on one PostgreSQL one serves: who is noted, who is refused, and what takes nothing elsewhere."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text
from worlds.backends import SetClock, databases_of, postgres_settings

from actors import coordinator, served_here
from actors.coordinator import CoordinatorActor
from actors.ray_node import GCS_AT
from actors.served_here import NotServed, ServedJobs, refuse_unless_served_here
from aragora.cluster.serving_store import ServingStore
from aragora.composition.cluster.joining import _refuse_generation_of_another
from aragora.composition.cluster.serving_alone import claim, refuse_beside_another, release, serving_head
from aragora.config.settings import Settings
from aragora.errors import Conflict
from aragora.free_ports import free_ports
from aragora.migrations.applying import apply_all, migrate
from aragora.storage.contexts import Context

pytestmark = pytest.mark.slow

ONE, OTHER = "127.0.0.1:6380", "127.0.0.2:6380"


@pytest.fixture
def settings(postgres_url: str, tmp_path: Path) -> Settings:
    settings = asyncio.run(postgres_settings(postgres_url, tmp_path))
    apply_all(settings)
    return settings


@pytest.fixture
def living() -> Iterator[str]:
    """The GCS of a cluster whose head answers."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def silent() -> str:
    """The GCS of one whose head is off."""
    return f"127.0.0.1:{free_ports(1)[0]}"


def test_the_first_one_is_noted_and_stays_it_when_it_is_deployed_again(settings: Settings) -> None:
    assert asyncio.run(serving_head(settings)) is None
    for _ in range(2):  # its head died, or all of it: the address is the same
        refuse_beside_another(settings, ONE, None)
        claim(settings, ONE, None)
    assert asyncio.run(serving_head(settings)) == ONE


def test_a_second_one_is_refused_in_one_line_that_names_the_first_and_what_to_do(settings: Settings) -> None:
    claim(settings, ONE, None)
    for attempt in (refuse_beside_another, claim):
        with pytest.raises(Conflict) as refused:
            attempt(settings, OTHER, None)
        assert "\n" not in refused.value.message
        for told in ("127.0.0.1", "aragora cluster undeploy", "--instead-of 127.0.0.1"):
            assert told in refused.value.message
    assert asyncio.run(serving_head(settings)) == ONE


def test_of_clusters_that_deploy_at_once_one_serves(settings: Settings) -> None:
    async def at_once() -> list[str]:
        async with databases_of(settings, Context.CORE) as databases:
            store = ServingStore(databases[Context.CORE], SetClock())
            return await asyncio.gather(*(store.claim(f"127.0.0.{number}:6380") for number in range(1, 9)))

    assert len(set(asyncio.run(at_once()))) == 1


def test_one_that_ends_its_service_makes_room_and_no_other_does(settings: Settings) -> None:
    claim(settings, ONE, None)
    release(settings, OTHER)
    assert asyncio.run(serving_head(settings)) == ONE
    release(settings, ONE)
    claim(settings, OTHER, None)
    assert asyncio.run(serving_head(settings)) == OTHER


def test_instead_of_a_head_that_is_off_another_one_serves(settings: Settings, silent: str) -> None:
    claim(settings, silent, None)
    with pytest.raises(Conflict, match=r"--instead-of 127\.0\.0\.1"):
        claim(settings, OTHER, "10.0.0.9")  # the name must be the one that is off
    refuse_beside_another(settings, OTHER, "127.0.0.1")
    claim(settings, OTHER, "127.0.0.1")
    assert asyncio.run(serving_head(settings)) == OTHER


def test_a_head_that_answers_is_not_off(settings: Settings, living: str) -> None:
    claim(settings, living, None)
    with pytest.raises(Conflict, match="lives"):
        claim(settings, OTHER, "127.0.0.1")
    assert asyncio.run(serving_head(settings)) == living


def test_before_the_table_is_there_nobody_is_refused(settings: Settings) -> None:
    asyncio.run(migrate(settings, Context.CORE, "0005"))
    assert asyncio.run(serving_head(settings)) is None
    refuse_beside_another(settings, OTHER, None)
    release(settings, OTHER)


def test_a_head_does_not_take_the_schema_from_under_another_cluster(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim(settings, ONE, None)
    monkeypatch.setattr("aragora.migrations.history.Standing.generation_begins", True)
    asyncio.run(_refuse_generation_of_another(settings, ONE))
    with pytest.raises(Conflict, match=r"new generation.*127\.0\.0\.1:6380"):
        asyncio.run(_refuse_generation_of_another(settings, OTHER))


def test_debates_and_jobs_are_taken_only_where_the_service_is(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def taken() -> int:
        async with databases_of(settings, Context.CORE, Context.DEBATES) as databases:
            await refuse_unless_served_here(databases[Context.DEBATES])
            epoch, _ = await ServedJobs(databases[Context.CORE]).take(["job"], 1.0)
            return epoch

    assert asyncio.run(taken()) == 1, "outside a cluster nobody asks"
    monkeypatch.setenv(GCS_AT, ONE)
    for noted in (None, OTHER):
        if noted:
            claim(settings, noted, None)
        with pytest.raises(NotServed) as refused:
            asyncio.run(taken())
        assert refused.value.retry_after_s == served_here.AGAIN_S
    release(settings, OTHER)
    claim(settings, ONE, None)
    assert asyncio.run(taken()) == 2


def test_a_coordinator_of_the_cluster_that_does_not_serve_leaves_the_shard_to_the_other(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(coordinator.sys, "setswitchinterval", lambda _: None)  # type: ignore[attr-defined]
    monkeypatch.setenv(GCS_AT, ONE)
    claim(settings, OTHER, None)

    async def asked() -> list[int]:
        actor = CoordinatorActor("0", settings)
        with pytest.raises(NotServed):
            await actor.ready()
        await actor._close()
        async with databases_of(settings, Context.DEBATES) as databases, databases[Context.DEBATES].reading() as rows:
            return list((await rows.execute(text("SELECT epoch FROM shard_epochs"))).scalars())

    assert asyncio.run(asked()) == []
