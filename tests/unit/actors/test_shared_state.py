"""The shared state after its process died: the server was ready, and will not be told so again."""

from __future__ import annotations

import pytest
from worlds.backends import SetClock

from actors import shared_state
from actors.shared_state import REPLICA_SILENT_S, LifecycleStage, SharedStateActor
from aragora.config.settings import Settings


@pytest.mark.parametrize(("again", "state"), [(False, "starting"), (True, "ready")])
async def test_a_first_process_starts_and_one_after_a_crash_is_ready(
    monkeypatch: pytest.MonkeyPatch, again: bool, state: str
) -> None:
    monkeypatch.setattr(shared_state, "_runs_again", lambda: again)
    actor = SharedStateActor("state", Settings())
    assert (await actor.lifecycle()).state == state


async def test_a_watcher_of_the_process_that_died_learns_the_state_of_the_next_one_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shared_state, "_runs_again", lambda: False)
    before = await SharedStateActor("state", Settings()).set_lifecycle(LifecycleStage.DRAINING)
    monkeypatch.setattr(shared_state, "_runs_again", lambda: True)
    after = await SharedStateActor("state", Settings()).lifecycle(before.version)
    assert after.version > before.version


async def test_background_work_in_trouble_is_told_to_every_watcher_until_no_process_has_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    actor = SharedStateActor("state", Settings())
    clock = SetClock()
    monkeypatch.setattr(actor, "_clock", clock)
    known = (await actor.lifecycle()).version
    await actor.report_trouble("coordinator/0", ("outbox ratings",))
    await actor.report_trouble("replica/1", ("outbox ratings", "counter flush"))
    told = await actor.lifecycle(known)
    assert told.troubled == ("counter flush", "outbox ratings")
    assert told.state is LifecycleStage.STARTING
    await actor.report_trouble("coordinator/0", ("outbox ratings",))
    assert (await actor.lifecycle()).version == told.version, "nothing new, so nobody is woken"
    await actor.report_trouble("coordinator/0", ())
    assert (await actor.lifecycle()).troubled == ("counter flush", "outbox ratings")
    clock.at += REPLICA_SILENT_S + 1.0
    assert (await actor.lifecycle()).troubled == (), "a process that is silent has ended"


def test_a_process_outside_a_cluster_runs_for_the_first_time() -> None:
    assert not shared_state._runs_again()
