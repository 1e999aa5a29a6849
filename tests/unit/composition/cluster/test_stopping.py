"""`aragora cluster stop`: the order of things, and what it says of what would not end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from aragora.composition.cluster import stopping
from aragora.config.settings import Settings
from aragora.errors import Conflict, Unavailable


@dataclass(frozen=True)
class Here:
    head: bool
    kept_in_redis: bool
    gcs_address: str = "10.77.0.10:6380"


class Stopped:
    """What was done, in order, and what was said."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.head = True
        self.kept_in_redis = False
        self.left: list[str] = []
        self.drain_fails: Unavailable | None = None
        self.done: list[str] = []
        self.said: list[str] = []

    def drain(self, _: Settings, own: str, say: Callable[[str], None]) -> None:
        self.done.append("drain")
        if self.drain_fails is not None:
            raise self.drain_fails
        say("drained")

    def end_workers(self, _: Settings) -> list[str]:
        self.done.append("workers")
        return self.left

    def end_node(self, _: Settings, say: Callable[[str], None]) -> None:
        self.done.append("head")
        say("node n1 (10.77.0.10) has stopped")

    def stop(self) -> None:
        stopping.stop(self.settings, self.said.append)


@pytest.fixture
def stopped(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Stopped:
    stopped = Stopped(Settings(data_dir=tmp_path))

    @contextmanager
    def connected(_: Settings) -> Iterator[Here]:
        yield Here(stopped.head, stopped.kept_in_redis)
        stopped.done.append("disconnect")

    monkeypatch.setattr(stopping, "connected", connected)
    monkeypatch.setattr(stopping, "drain_service", stopped.drain)
    monkeypatch.setattr(stopping, "_end_workers", stopped.end_workers)
    monkeypatch.setattr(stopping, "forget", lambda: stopped.done.append("forget"))
    monkeypatch.setattr(stopping, "stop_node", stopped.end_node)
    return stopped


def test_the_service_drains_then_the_workers_end_and_the_head_last_as_node_stop_ends_it(stopped: Stopped) -> None:
    stopped.stop()
    assert stopped.done == ["drain", "workers", "disconnect", "head"]
    assert stopped.said == ["drained", "node n1 (10.77.0.10) has stopped"]


def test_a_service_that_does_not_drain_is_ended_all_the_same(stopped: Stopped) -> None:
    stopped.drain_fails = Unavailable("the shared state does not answer")
    stopped.stop()
    assert stopped.done[-1] == "head"
    assert stopped.said[0] == "warning: not drained: the shared state does not answer"


def test_on_a_worker_it_names_the_head_and_ends_nothing(stopped: Stopped) -> None:
    stopped.head = False
    with pytest.raises(Conflict, match=r"10\.77\.0\.10"):
        stopped.stop()
    assert stopped.done == []


def test_workers_that_would_not_end_are_named_after_the_head_has_stopped(stopped: Stopped) -> None:
    stopped.left = ["10.77.0.12"]
    with pytest.raises(Unavailable, match=r"10\.77\.0\.12"):
        stopped.stop()
    assert stopped.done[-1] == "head"


def test_what_redis_keeps_of_the_cluster_is_forgotten_once_the_head_has_stopped(stopped: Stopped) -> None:
    stopped.kept_in_redis = True
    stopped.stop()
    assert stopped.done[-2:] == ["head", "forget"]
