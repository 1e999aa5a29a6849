"""The adapters and the index of meanings as the routes of their operator reach them, without processes."""

from __future__ import annotations

from dataclasses import replace

from aragora.knowledge.near import Rebuild, Stage
from aragora.knowledge.syncs import Synced


class IdleActors:
    """Nothing waits for the adapters, and the index is built anew as soon as somebody asks for it."""

    def __init__(self) -> None:
        self.alive: frozenset[str] = frozenset()
        self.synced: list[str] = []
        self.woken = 0
        self.rebuild_of: Rebuild | None = None

    async def awake(self) -> frozenset[str]:
        return self.alive

    async def sync(self, adapter: str) -> Synced:
        self.synced.append(adapter)
        return Synced(adapter, 0, 0, 0, {}, 0, 0.0)

    async def rebuild(self, *, anew: bool) -> Rebuild:
        self.rebuild_of = Rebuild("rbd_1", Stage.LOADING, anew, 0, 3, 0, 1.0, None)
        return self.rebuild_of

    async def rebuilding(self) -> Rebuild | None:
        """Each question finds it one vector further."""
        one = self.rebuild_of
        if one is not None and one.stage is not Stage.DONE:
            done = one.done + 1
            ended = done == one.of
            self.rebuild_of = one = replace(
                one, done=done, stage=Stage.DONE if ended else one.stage, ended_at=2.0 if ended else None
            )
        return one

    def wake(self) -> None:
        self.woken += 1
