"""How an index that somebody has built anew comes along: first the stored vectors are loaded, then, by request, each is
computed again, the newest item first. Pure.

It is kept in memory. If the process ends before it is done, whoever wants it asks again.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from aragora.ids import new_id
from aragora.knowledge.near import Rebuild, Stage


class Rebuilding:
    """The last one that somebody asked this process for, if any. Times are seconds since the epoch."""

    def __init__(self) -> None:
        self.last: Rebuild | None = None
        """How far it is, or how it ended."""
        self.before: int | None = None
        """Of the items whose vectors are computed again, those below this number are left; None before the first."""

    def asked(self, *, anew: bool, now: float) -> Rebuild:
        """Begin one. While one goes on, asking again changes nothing, except that `anew` is added."""
        known = self.last
        if known is None or known.stage is Stage.DONE:
            known = Rebuild(new_id("rbd"), Stage.LOADING, anew, 0, 0, 0, now, None)
        elif anew and not known.embed_anew:
            known = replace(known, embed_anew=True)
        self.last = known
        return known

    @property
    def stage(self) -> Stage:
        """Where it stands; `DONE` also where nobody asked for one."""
        return Stage.DONE if self.last is None else self.last.stage

    def loads(self, of: int) -> None:
        """So many vectors are to be loaded."""
        self._told(done=0, of=of)

    def loaded(self, vectors: int) -> None:
        """So many are there."""
        if self.stage is Stage.LOADING:
            self._told(done=vectors)

    @property
    def embeds(self) -> bool:
        """Whether vectors are to be computed again once all are loaded."""
        return self.last is not None and self.last.embed_anew

    def begins_to_embed(self, of: int) -> None:
        """So many items get new vectors."""
        self.before = None
        self._told(stage=Stage.EMBEDDING, done=0, of=of)

    def embedded(self, count: int, made: int, before: int) -> None:
        """Of `count` more items `made` got a vector; those below number `before` are left."""
        if self.last is not None:
            done = self.last.done + count
            refused = self.last.refused + count - made
            self._told(done=done, of=max(done, self.last.of), refused=refused)
            self.before = before

    def ended(self, now: float) -> None:
        """It is done."""
        self._told(stage=Stage.DONE, ended_at=now)

    def _told(self, **changes: Any) -> None:
        if self.last is not None:
            self.last = replace(self.last, **changes)
