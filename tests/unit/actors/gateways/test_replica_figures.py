"""Two replicas over one shared state: whichever answers, the figures are those of both."""

from __future__ import annotations

import pytest
from worlds.actors_without_ray import runtime_over

from actors import shared_state
from actors.gateways.replica_figures import SharedFigures
from actors.runtime import Runtime
from actors.shared_state import SharedStateActor
from aragora.config.settings import Settings
from aragora.errors import Unavailable
from aragora.server.error_notes import ErrorNote, ErrorNotes
from aragora.server.replica_figures import Failures, OwnFigures, Refusals


class Limits:
    """Stands for a replica's rate limits."""

    def __init__(self) -> None:
        self.refused = {"address": 0}
        self.degraded = ""


class Replica:
    def __init__(self, name: str, runtime: Runtime) -> None:
        self.notes = ErrorNotes(name)
        self.limits = Limits()
        self.figures = SharedFigures(runtime, f"node of {name}", OwnFigures(self.notes, self.limits))

    def fail(self, at: float) -> None:
        self.notes.add(ErrorNote(at, "GET", "/api/debates", 503, "answered", "req_1", self.notes.replica_id))


@pytest.fixture
def shared(monkeypatch: pytest.MonkeyPatch) -> SharedStateActor:
    monkeypatch.setattr(shared_state, "_runs_again", lambda: False)
    return SharedStateActor("state", Settings())


async def test_the_figures_of_two_replicas_are_summed_whichever_is_asked(shared: SharedStateActor) -> None:
    one, two = (Replica(name, runtime_over(shared)) for name in ("one", "two"))
    one.fail(1.0)
    two.fail(2.0)
    one.limits.refused["address"], two.limits.refused["address"] = 2, 3
    await two.figures.report()
    for asked in (one, two):
        failures = await asked.figures.failures(20)
        assert ([note.replica_id for note in failures.notes], failures.whole) == (["two", "one"], True)
        assert await asked.figures.refusals() == Refusals({"address": 5})


async def test_what_a_replica_has_just_noted_is_in_its_own_answer(shared: SharedStateActor) -> None:
    one = Replica("one", runtime_over(shared))
    for at in (1.0, 2.0):
        one.fail(at)
        assert len((await one.figures.failures(20)).notes) == at


async def test_after_a_crash_of_the_shared_state_the_next_report_tells_all_again(shared: SharedStateActor) -> None:
    class Restarted:
        """Hands on to the process that lives now."""

        living: SharedStateActor = shared

        def __getattr__(self, name: str) -> object:
            return getattr(self.living, name)

    restarted = Restarted()
    one = Replica("one", runtime_over(restarted))
    one.fail(1.0)
    await one.figures.report()
    restarted.living = SharedStateActor("state", Settings())
    one.fail(2.0)
    assert [note.at for note in (await one.figures.failures(20)).notes] == [2.0, 1.0]


async def test_while_the_shared_state_is_away_a_replica_tells_its_own_and_says_so() -> None:
    class Away:
        async def report_replica(self, _: object) -> int:
            raise Unavailable("the shared state is restarting")

    one = Replica("one", runtime_over(Away()))
    one.fail(1.0)
    one.limits.refused["address"] = 4
    assert await one.figures.failures(20) == Failures(one.notes.latest(20), whole=False)
    assert await one.figures.refusals() == Refusals({"address": 4}, whole=False)


async def test_a_replica_that_reports_is_known_to_serve_on_its_node(shared: SharedStateActor) -> None:
    known = (await shared.lifecycle()).version
    await Replica("one", runtime_over(shared)).figures.report()
    told = await shared.lifecycle(known)
    assert told.nodes.serving == {"node of one"}
