"""What the health of an agent says of a cause that stays."""

from __future__ import annotations

from typing import cast

from actors.gateways.operations import StoredAgentBoard
from actors.runtime import Runtime
from aragora.agents.breaker_store import BreakerStore
from aragora.agents.causes import remedy_of
from aragora.config.settings import Settings
from aragora.resilience.circuit_breaker import BreakerRow
from aragora.server.ports import CauseView
from aragora.storage.counters import CounterStore

ROWS = {
    "stub-1": BreakerRow(retry_at=1060.0, last_error="no_credit: openai answered 402: pay first"),
    "stub-2": BreakerRow("open", 5, 1000.0, 1060.0, "provider_fault: openai answered 500"),
    "stub-3": BreakerRow(last_error="no_credit: long ago"),
}


class Rows:
    """Stands for `BreakerStore`."""

    async def all(self) -> dict[str, tuple[BreakerRow, float]]:
        return {agent: (row, 1000.0) for agent, row in ROWS.items()}


class Nothing:
    """Stands for `Runtime` and `CounterStore`: no process is alive, and nothing was counted."""

    async def alive(self, _kind: object) -> list[str]:
        return []

    async def all(self) -> list[object]:
        return []


async def test_the_cause_is_told_with_its_remedy_and_is_null_where_the_agent_is_fine_or_its_provider_down() -> None:
    runtime, counters = cast("Runtime", Nothing()), cast("CounterStore", Nothing())
    board = StoredAgentBoard(runtime, Settings(stub_agents=4), cast("BreakerStore", Rows()), counters)
    causes = {view.name: view.cause for view in await board.agents()}
    assert causes["stub-1"] == CauseView("no_credit", "openai answered 402: pay first", remedy_of("no_credit"))
    assert [causes[f"stub-{number}"] for number in (2, 3, 4)] == [None] * 3
