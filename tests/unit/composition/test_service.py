"""When the service counts as running, by what has a process. Ray is not started."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from actors.kinds import AGENT, COORDINATOR, SHARED, Kind
from actors.runtime import Runtime
from aragora.composition.service import Service
from aragora.config.settings import Settings


@pytest.mark.parametrize(
    ("living", "runs"),
    [
        ({SHARED.name, COORDINATOR.name}, True),
        ({COORDINATOR.name}, True),  # an upgrade replaces the shared state just now
        ({SHARED.name}, True),
        ({AGENT.name}, False),
        (set(), False),
    ],
)
async def test_it_runs_while_the_shared_state_or_a_coordinator_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, living: set[str], runs: bool
) -> None:
    async def alive(_: Runtime, kind: Kind[Any]) -> frozenset[str]:
        return frozenset({"0"} if kind.name in living else ())

    monkeypatch.setattr(Runtime, "alive", alive)
    assert await Service(Settings(data_dir=tmp_path)).runs() is runs
