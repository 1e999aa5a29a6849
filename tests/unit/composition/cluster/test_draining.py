"""What a node that leaves drains: itself, the whole service, or nothing where the service has ended before."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from actors.cluster_nodes import Node
from actors.ray_node import RunningNode
from aragora.composition.cluster import draining
from aragora.composition.service import Service
from aragora.config.settings import Settings

HERE = "10.77.0.11"


class Left:
    """What was done, and what was said, when the node here left. `alone` is whether no other one takes work."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.service_runs = True
        self.alone = False
        self.done: list[str] = []
        self.said: list[str] = []

    def leave(self) -> None:
        here = RunningNode(HERE, "10.77.0.10:6380", psutil.Process())
        draining.leave(self.settings, here, self.said.append)


@pytest.fixture
def left(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Left:
    left = Left(Settings(data_dir=tmp_path))

    @contextmanager
    def connected(_: Settings) -> Iterator[None]:
        yield

    async def runs(_: Service) -> bool:
        return left.service_runs

    def noted(what: str) -> Callable[..., None]:
        return lambda *_: left.done.append(what)

    node = Node(id="a" * 56, address=HERE, head=False, alive=True, draining=False)
    monkeypatch.setattr(draining, "connected", connected)
    monkeypatch.setattr(draining, "_found", lambda _: node)
    monkeypatch.setattr(draining, "_others", lambda _: [] if left.alone else [node])
    monkeypatch.setattr(draining, "_drain", noted("node"))
    monkeypatch.setattr(draining, "drain_service", noted("service"))
    monkeypatch.setattr(Service, "runs", runs)
    return left


def test_a_node_among_others_drains_itself(left: Left) -> None:
    left.leave()
    assert left.done == ["node"]


def test_the_last_one_drains_the_service(left: Left) -> None:
    left.alone = True
    left.leave()
    assert left.done == ["service"]


@pytest.mark.parametrize("alone", [False, True])
def test_a_service_that_has_ended_is_not_begun_anew_to_be_drained(left: Left, alone: bool) -> None:
    """Whoever asks an actor begins it, and with it the debates that `aragora cluster stop` has left."""
    left.alone, left.service_runs = alone, False
    left.leave()
    assert left.done == []
    assert left.said == ["the service has ended: nothing is left to drain"]
