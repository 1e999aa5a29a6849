"""Sources of knowledge by script: one that answers, one that is slow, one that fails, one that never ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from worlds.debating import item_of

from aragora.debate.knowledge import Offer
from aragora.debate.model import DebateSpec


def something() -> Offer:
    return Offer((item_of(1), item_of(2, "Coffee costs more than tea.")))


@dataclass
class ScriptedSource:
    """Offers what `script` says, `takes_s` seconds later; counts who asked. `deaf`: a look that is cancelled once goes
    on until `let_go` is set."""

    script: Callable[[], Offer] = something
    takes_s: float = 0.0
    deaf: bool = False
    asked: list[str] = field(default_factory=list)
    let_go: asyncio.Event = field(default_factory=asyncio.Event)

    async def offer(self, spec: DebateSpec) -> Offer:
        self.asked.append(spec.debate_id)
        if self.deaf:
            await self._without_hearing()
        elif self.takes_s:
            await asyncio.sleep(self.takes_s)
        return self.script()

    async def _without_hearing(self) -> None:
        try:
            await self.let_go.wait()
        except asyncio.CancelledError:
            await self.let_go.wait()
