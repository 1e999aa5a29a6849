"""The shared state: what it tells its watchers, and after its process died, when nobody tells it again."""

from __future__ import annotations

import asyncio

import pytest
from worlds.actors_without_ray import runtime_over
from worlds.backends import SetClock
from worlds.waiting import WAIT_S

from actors import shared_state
from actors.gateways.operations import SharedLifecycle
from actors.shared_state import NODES_KEPT, REPLICA_SILENT_S, LifecycleStage, SharedStateActor
from aragora.config.settings import Settings
from aragora.server.nodes import Told
from aragora.server.replica_figures import SILENT_S, ReplicaReport


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


async def test_a_node_that_drains_is_told_to_every_watcher_once_and_can_be_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shared_state, "_runs_again", lambda: False)
    actor = SharedStateActor("state", Settings())
    known = (await actor.lifecycle()).version
    await actor.set_node_draining("one")
    told = await actor.lifecycle(known)
    assert told.nodes.draining == ("one",)
    await actor.set_node_draining("one")
    assert (await actor.lifecycle()).version == told.version, "said again, it wakes nobody"
    await actor.forget_node("one")
    assert (await actor.lifecycle(told.version)).nodes == Told(forgotten=("one",))


async def test_of_very_many_nodes_the_oldest_are_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_state, "_runs_again", lambda: False)
    actor = SharedStateActor("state", Settings())
    for number in range(NODES_KEPT + 5):
        await actor.set_node_draining(str(number))
    draining = (await actor.lifecycle()).nodes.draining
    assert (len(draining), draining[-1]) == (NODES_KEPT, str(NODES_KEPT + 4))


async def test_a_replica_that_is_silent_serves_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_state, "_runs_again", lambda: False)
    actor, clock = SharedStateActor("state", Settings()), SetClock()
    monkeypatch.setattr(actor, "_clock", clock)
    await actor.report_replica(ReplicaReport("replica_1", "one"))
    assert (await actor.lifecycle()).nodes.serving == {"one"}
    clock.at += SILENT_S + 1.0
    assert (await actor.lifecycle()).nodes.serving == frozenset()


async def test_a_new_process_of_the_shared_state_learns_from_its_watchers_which_nodes_drain(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shared_state, "_runs_again", lambda: False)
    first, second = SharedStateActor("state", Settings()), SharedStateActor("state", Settings())

    class Restarted:
        living = first

        def __getattr__(self, name: str) -> object:
            return getattr(self.living, name)

    restarted = Restarted()
    lifecycle = SharedLifecycle(runtime_over(restarted), SetClock(), 0.0)
    await first.set_node_draining("one")
    await lifecycle._refresh(known=0)
    restarted.living = second
    await lifecycle._refresh(known=0)
    assert (await second.lifecycle()).nodes.draining == ("one",)
    await lifecycle._refresh(known=0)
    assert lifecycle.nodes().draining == ("one",)


async def test_where_the_service_comes_back_after_it_had_closed_new_sockets_stay_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shared_state, "_runs_again", lambda: False)
    actor = SharedStateActor("state", Settings())
    lifecycle = SharedLifecycle(runtime_over(actor), SetClock(), 0.0)
    await actor.set_lifecycle(LifecycleStage.CLOSING, "the server is restarting")
    assert await lifecycle.closing() == "the server is restarting"
    await actor.set_lifecycle(LifecycleStage.READY)
    async with asyncio.timeout(WAIT_S):
        while (await lifecycle.readiness()).state != "ready":  # until the follower of the first life has ended
            await asyncio.sleep(0)
    closing = asyncio.ensure_future(lifecycle.closing())
    await asyncio.sleep(0)
    assert not closing.done()
    await actor.set_lifecycle(LifecycleStage.CLOSING, "once more")
    assert await asyncio.wait_for(closing, WAIT_S) == "once more"
