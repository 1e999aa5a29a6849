"""A cluster that stands by, begins its service, and lets go of it: what is started, asked and ended. Ray is not
started."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from aragora.composition.cluster import deploying, draining, marks, stopping
from aragora.config.settings import Settings
from aragora.errors import Conflict, Unavailable

OWN = "10.77.0.10:6380"


@dataclass
class Here:
    gcs_address: str = OWN


class Played:
    """A cluster without Ray: `done` is what was done, in order. It stands for `Service` too."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.done: list[str] = []
        self.said: list[str] = []
        self.deployed: bytes | None = None
        self.stands_by: bytes | None = None
        self.serves = True
        self.drain_fails = False

    def note(self, what: str) -> Callable[..., None]:
        """What notes `what` when it is called."""
        return lambda *_: self.done.append(what)

    def migrate(self, _: Settings, *, runs: bool) -> None:
        self.done.append(f"migrate beside another: {runs}")

    async def activate_shared(self) -> None:
        self.done.append("shared state")

    async def activate(self) -> None:
        self.done.append("coordinators")

    async def admit(self) -> None:
        self.done.append("admit")

    async def start_jobs(self, _: float) -> None:
        self.done.append("jobs")

    async def drain(self, *_: float) -> int:
        if self.drain_fails:
            raise Unavailable("a coordinator does not answer")
        self.done.append("drain")
        return 2

    def end_work(self) -> None:
        self.done.append("end work")

    def end(self) -> None:
        self.done.append("end all")


@contextmanager
def connected(_: Settings) -> Iterator[Here]:
    yield Here()


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Played:
    played = Played(Settings(data_dir=tmp_path))
    for module in (deploying, draining):
        monkeypatch.setattr(module, "Service", lambda _: played)
    for module in (deploying, stopping):
        monkeypatch.setattr(module, "connected", connected)
    monkeypatch.setattr(deploying, "refuse_to_start", lambda *_: None)
    monkeypatch.setattr(deploying, "_mark", lambda _: b"this")
    monkeypatch.setattr(deploying, "_migrate", played.migrate)
    monkeypatch.setattr(deploying, "install_everywhere", played.note("release"))
    monkeypatch.setattr(deploying, "_deploy_ingress", played.note("ingress"))
    monkeypatch.setattr(deploying, "_await_ingress", played.note("it answers"))
    monkeypatch.setattr(draining, "_serves", lambda *_: played.serves)
    monkeypatch.setattr(draining, "release", played.note("release the database"))
    monkeypatch.setattr(marks, "deployed", lambda: played.deployed)
    monkeypatch.setattr(marks, "stands_by", lambda: played.stands_by)
    for name in ("remember_standby", "leave_service", "forget"):
        monkeypatch.setattr(marks, name, played.note(name))
    return played


def test_it_stands_by_with_an_ingress_that_answers_and_without_a_coordinator(played: Played) -> None:
    deploying.stand_by(played.settings, played.said.append)
    assert played.done == [
        "migrate beside another: True", "release", "shared state", "ingress", "it answers", "remember_standby",
    ]  # fmt: skip


def test_where_it_stands_by_already_nothing_changes(played: Played) -> None:
    played.stands_by = b"this"
    deploying.stand_by(played.settings, played.said.append)
    assert played.done == []


def test_where_the_service_runs_it_does_not_stand_by(played: Played) -> None:
    played.deployed = b"another"
    with pytest.raises(Conflict, match="undeploy"):
        deploying.stand_by(played.settings, played.said.append)
    assert played.done == []


def test_from_standing_by_the_service_begins_without_its_ingress_being_replaced(played: Played) -> None:
    played.stands_by = b"this"
    deploying._bring(played.settings, played.said.append, b"this", None)
    assert played.done == ["end work", "coordinators", "admit", "jobs"]


def test_another_release_that_stands_by_is_replaced(played: Played) -> None:
    played.stands_by = b"an older one"
    deploying._bring(played.settings, played.said.append, b"this", None)
    assert played.done == ["release", "coordinators", "ingress", "admit", "jobs"]


def test_to_let_go_it_drains_and_keeps_the_ingress(played: Played) -> None:
    stopping.to_standby(played.settings, played.said.append)
    assert played.done == ["leave_service", "drain", "end work", "release the database"]
    assert played.said[0] == "drained; left for the next start: 2 debates"


def test_one_that_does_not_drain_lets_go_all_the_same(played: Played) -> None:
    played.drain_fails = True
    stopping.to_standby(played.settings, played.said.append)
    assert played.done == ["leave_service", "end work", "release the database"]
    assert "not drained" in played.said[0]


@pytest.mark.parametrize("drain_fails", [False, True])
def test_to_undeploy_it_ends_the_ingress_too_and_no_node(played: Played, drain_fails: bool) -> None:
    played.drain_fails = drain_fails
    stopping.undeploy(played.settings, played.said.append)
    assert [one for one in played.done if one != "drain"] == [
        "leave_service", "end all", "release the database", "forget",
    ]  # fmt: skip


def test_where_another_cluster_serves_no_coordinator_is_asked_to_drain(played: Played) -> None:
    played.serves = False
    stopping.undeploy(played.settings, played.said.append)
    assert "drain" not in played.done
    assert played.said[0] == "the service does not run here: nothing to drain"
