"""The end of a coordinator's process: everything is on disk before its stores close."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from worlds.memory_engine import World
from worlds.waiting import eventually

from actors import coordinator
from actors.coordinator import CoordinatorActor
from aragora.config.settings import Settings
from aragora.debate.records import SET_ASIDE
from aragora.errors import Misconfigured, Unavailable
from aragora.migrations.applying import apply_pending
from aragora.storage.contexts import Context
from aragora.storage.database import Database
from aragora.supervision import LOOPS


class Part:
    """Stands for any part of a coordinator, and notes its end."""

    def __init__(self, name: str, told: list[str]) -> None:
        self._name = name
        self._told = told

    async def drain(self, _: float) -> int:
        self._told.append(self._name)
        return 2

    def close(self) -> None:
        self._told.append(self._name)

    async def aclose(self) -> None:
        self._told.append(self._name)


async def started(actor: CoordinatorActor) -> Any:
    """What it answers once it has started, however long a busy machine takes."""

    async def ready() -> Any:
        try:
            return await actor.ready()
        except Unavailable:
            return None

    return await eventually(ready, "the coordinator has started")


async def test_a_coordinator_that_only_an_operator_can_mend_says_so_at_once_and_gives_back_what_it_began(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(coordinator.sys, "setswitchinterval", lambda _: None)  # type: ignore[attr-defined]
    closed: list[Context] = []
    aclose = Database.aclose

    async def noted(database: Database) -> None:
        closed.append(database.context)
        await aclose(database)

    monkeypatch.setattr(Database, "aclose", noted)
    settings = Settings(data_dir=tmp_path)
    key_file = tmp_path / "keys" / "receipt_ed25519.pem"
    key_file.parent.mkdir()
    key_file.write_text("garbage")
    await apply_pending(settings)
    closed.clear()
    actor = CoordinatorActor("0", settings)
    with pytest.raises(Misconfigured):
        await started(actor)
    assert (actor._databases, closed) == ([], [Context.WEBHOOKS, Context.DEBATES])
    assert "start of a coordinator" in LOOPS.troubled()
    key_file.unlink()
    assert (await started(actor)).active == 0
    assert "start of a coordinator" not in LOOPS.troubled()
    await actor.drain(1.0)


async def test_the_health_hears_of_debates_that_are_set_aside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    async def started(_: CoordinatorActor) -> Any:
        return None

    monkeypatch.setattr(coordinator.sys, "setswitchinterval", lambda _: None)  # type: ignore[attr-defined]
    monkeypatch.setattr(CoordinatorActor, "_start", started)
    actor = CoordinatorActor("0", Settings(data_dir=tmp_path))
    actor._engine = World().engine
    assert actor._troubles() == ()
    actor._engine._recovery._set_aside["deb_1"] = "damaged"
    assert actor._troubles() == (SET_ASIDE,)


async def test_a_drain_closes_every_store_after_the_journal(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    told: list[str] = []

    async def started(_: CoordinatorActor) -> Any:
        return coordinator._Parts(*(Part(name, told) for name in ("engine", "links", "writer", "relay", "telling")))  # type: ignore[arg-type]

    async def closed(database: Database) -> None:
        told.append(database.context.name)

    monkeypatch.setattr(coordinator.sys, "setswitchinterval", lambda _: None)  # type: ignore[attr-defined]
    monkeypatch.setattr(CoordinatorActor, "_start", started)
    monkeypatch.setattr(Database, "aclose", closed)
    actor = CoordinatorActor("0", Settings(data_dir=tmp_path))
    for context in (Context.DEBATES, Context.ELO):
        actor._open(context)
    assert await asyncio.wait_for(actor.drain(1.0), 30) == 2
    assert told == ["engine", "links", "relay", "telling", "writer", "DEBATES", "ELO"]
