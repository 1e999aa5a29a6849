"""The end of a coordinator's process: everything is on disk before its stores close."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from actors import coordinator
from actors.coordinator import CoordinatorActor
from aragora.config.settings import Settings
from aragora.storage.contexts import Context
from aragora.storage.database import Database


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


async def test_a_drain_closes_every_store_after_the_journal(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    told: list[str] = []

    async def started(_: CoordinatorActor) -> Any:
        return coordinator._Parts(*(Part(name, told) for name in ("engine", "links", "writer", "relay")))  # type: ignore[arg-type]

    async def closed(database: Database) -> None:
        told.append(database.context.name)

    monkeypatch.setattr(coordinator.sys, "setswitchinterval", lambda _: None)  # type: ignore[attr-defined]
    monkeypatch.setattr(CoordinatorActor, "_start", started)
    monkeypatch.setattr(Database, "aclose", closed)
    actor = CoordinatorActor("0", Settings(data_dir=tmp_path))
    for context in (Context.DEBATES, Context.ELO):
        actor._open(context)
    assert await asyncio.wait_for(actor.drain(1.0), 30) == 2
    assert told == ["engine", "links", "relay", "writer", "DEBATES", "ELO"]
