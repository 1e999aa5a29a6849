"""The shared state after its process died: the server was ready, and will not be told so again."""

from __future__ import annotations

import pytest

from actors import shared_state
from actors.shared_state import LifecycleStage, SharedStateActor
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


def test_a_process_outside_a_cluster_runs_for_the_first_time() -> None:
    assert not shared_state._runs_again()
