"""Load on the coordinator: opens debates by messages to its actor and learns of their end on its line."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Self

from actors.channels.watchers import Item
from actors.gateways.event_lines import Line, Listener, open_line
from actors.kinds import COORDINATOR
from actors.runtime import Runtime
from aragora.config.settings import Settings
from aragora.debate.budget import BudgetRule
from aragora.debate.journal import END
from aragora.debate.proposition import Proposition, specification
from aragora.debate.sharding import owner
from aragora.errors import AragoraError
from aragora.ids import new_id
from benchmarks.load import FULL_EXCHANGE

TIMEOUT_S = 300.0


class CoordinatorLoad:
    """One line per shard, however many debates."""

    def __init__(self, settings: Settings, agents: tuple[str, ...]) -> None:
        self._runtime = Runtime(settings)
        self._shards = settings.coordinator_shards
        self._agents = agents
        self._budget = BudgetRule(settings.default_budget_usd, settings.max_budget_usd)
        self._ended: dict[str, asyncio.Future[None]] = {}
        self._lines: list[Line] = []

    async def __aenter__(self) -> Self:
        listener = Listener(self._heard, self._lost)
        self._lines = [
            await open_line(self._runtime, COORDINATOR, str(shard), listener) for shard in range(self._shards)
        ]
        return self

    async def __aexit__(self, *_: object) -> None:
        for line in self._lines:
            line.close()

    async def debate(self) -> float:
        """Seconds from opening one debate to its end."""
        debate_id = new_id("deb")
        proposition = Proposition(f"Which queue should service {debate_id} use?", self._agents, **FULL_EXCHANGE)  # type: ignore[arg-type]
        spec = specification(
            proposition, debate_id, available=self._agents, default_team=self._agents, budget=self._budget
        )
        ended = self._ended[debate_id] = asyncio.get_running_loop().create_future()
        shard = owner(debate_id, self._shards)
        await self._lines[shard].change((debate_id,), ())
        began = time.monotonic()
        await self._runtime.at(COORDINATOR, str(shard)).ask(lambda it: it.open(spec, None), timeout_s=TIMEOUT_S)
        await asyncio.wait_for(ended, TIMEOUT_S)
        return time.monotonic() - began

    def _heard(self, items: Sequence[Item]) -> None:
        for item in items:
            if item.type == END:
                self._ended.pop(item.journal_id).set_result(None)

    def _lost(self, error: AragoraError) -> None:
        """So fail the debates that wait: no benchmark hangs unexplained."""
        for ended in self._ended.values():
            if not ended.done():
                ended.set_exception(error)
