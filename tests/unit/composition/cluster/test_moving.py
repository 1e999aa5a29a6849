"""A newer release replaces every actor of the older one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from actors import handover, kinds, runtime, whereabouts
from actors.kinds import Kind
from actors.whereabouts import Part
from aragora.composition.cluster import moving
from aragora.composition.service import Service
from aragora.config.settings import Settings

KINDS = sorted({of.name for of in vars(kinds).values() if isinstance(of, Kind)})


class Standing:
    """The actor that is asked for begins at once, and answers."""

    def at(self, *_: Any) -> Standing:
        return self

    async def ask(self, *_: Any, **__: Any) -> None:
        """It is ready."""

    async def activate(self) -> None:
        """It runs."""


@pytest.fixture
def ended(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the actors that end, in order, of a service that has one of each kind."""
    names: list[str] = []

    def end(some: Iterable[str]) -> None:
        names.extend(some)

    def begun(_: Service, *__: Any) -> Any:
        return Standing().activate()

    placed = tuple(Part(kind, f"{kind}/0", "a" * 56, True) for kind in KINDS)
    stand_in: Callable[[Settings], Standing] = lambda _: Standing()  # noqa: E731
    monkeypatch.setattr(moving, "_end", end)
    monkeypatch.setattr(whereabouts, "parts", lambda: placed)
    monkeypatch.setattr(runtime, "Runtime", stand_in)
    monkeypatch.setattr(handover, "begins_ready", nullcontext)
    for name in ("let_webhooks_end", "start_jobs", "activate", "admit"):
        monkeypatch.setattr(Service, name, begun)
    return names


def test_no_actor_of_the_older_release_stays(ended: list[str], tmp_path: Path) -> None:
    moving.renew(Settings(data_dir=tmp_path))
    assert sorted(ended) == [f"{kind}/0" for kind in KINDS]


def test_those_that_others_ask_end_after_them(ended: list[str], tmp_path: Path) -> None:
    moving.renew(Settings(data_dir=tmp_path))
    asking = {"knowledge": "coordinator", "mound_index": "knowledge", "agent": "coordinator", "breaker": "agent"}
    for asked, asks in asking.items():
        assert ended.index(f"{asks}/0") < ended.index(f"{asked}/0"), asked
    assert ended[-1] == "shared/0"
