"""The job that gives the dispatcher a process: where deliveries wait, or a replay runs."""

from __future__ import annotations

from typing import Any, cast

from worlds.webhook_replays import ReplayScene

from actors.gateways.webhooks import wake_where_something_waits
from actors.runtime import Runtime
from aragora.storage.database import Database
from aragora.webhooks.replay import Selection


class Woken:
    """A runtime that notes how often an actor was asked."""

    def __init__(self) -> None:
        self.times = 0

    def at(self, *_: object) -> Woken:
        return self

    async def ask(self, *_: object, **__: object) -> Any:
        self.times += 1


async def test_the_dispatcher_is_woken_where_a_replay_runs_and_nothing_waits(database: Database) -> None:
    scene, woken = ReplayScene(database), Woken()
    runtime = cast("Runtime", woken)
    await scene.registered()
    assert await wake_where_something_waits(runtime, database) == "no webhook waits"
    await scene.begin(Selection.FAILED)
    assert await wake_where_something_waits(runtime, database) != "no webhook waits"
    assert woken.times == 1
    await scene.aclose()
