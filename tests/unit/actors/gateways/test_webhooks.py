"""What the outbox of executions tells reaches the dispatcher where an endpoint has chosen it, and begins none else."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, Self

import pytest

from actors.gateways.webhooks import WorkflowEventsConsumer
from actors.kinds import Kind
from aragora.encoding import encode_text
from aragora.errors import Unavailable
from aragora.storage.outbox import OutboxRow
from aragora.webhooks.workflow_events import WorkflowRow

TOLD = WorkflowRow("exe_1", 1, "acme", "workflow.notified", 1.0, {"message": "Out."})


class Dispatcher:
    """Remembers what it is asked for; both the runtime and the one actor of it."""

    def __init__(self, *, away: bool = False) -> None:
        self.asked: list[list[str]] = []
        self._away = away

    def at(self, _: Kind[Any], __: str) -> Self:
        return self

    async def ask(self, message: Callable[[Self], Awaitable[None]], **_: object) -> None:
        if self._away:
            raise Unavailable("webhooks/main is restarting")
        await message(self)

    async def fan_out_workflows(self, rows: tuple[OutboxRow, ...]) -> None:
        self.asked.append([row.outbox_id for row in rows])


class Chosen:
    def __init__(self, *choices: tuple[str, tuple[str, ...]]) -> None:
        self._choices = choices

    async def choices(self) -> list[tuple[str, tuple[str, ...]]]:
        return [*self._choices]


def rows(*told: WorkflowRow) -> list[OutboxRow]:
    return [OutboxRow(f"row_{n}", "workflow_events", "exe_1", encode_text(one), 1.0) for n, one in enumerate(told)]


def consumer(dispatcher: Dispatcher, *choices: tuple[str, tuple[str, ...]]) -> WorkflowEventsConsumer:
    return WorkflowEventsConsumer(dispatcher, Chosen(*choices))  # type: ignore[arg-type]


EVENTS = rows(TOLD, replace(TOLD, type="workflow.execution_ended"), replace(TOLD, org_id="other"))


@pytest.mark.parametrize(
    ("chosen", "asked"),
    [
        ([("acme", ("*",))], ["row_0", "row_1"]),
        ([("acme", ("debate_end", "workflow.notified")), ("acme", ("vote",))], ["row_0"]),
        ([("acme", ("workflow.execution_ended",)), ("other", ("*",))], ["row_1", "row_2"]),
    ],
)
async def test_what_was_chosen_comes_to_the_dispatcher_together(
    chosen: list[tuple[str, tuple[str, ...]]], asked: list[str]
) -> None:
    dispatcher = Dispatcher()
    await consumer(dispatcher, *chosen).apply(EVENTS)
    assert dispatcher.asked == [asked]


@pytest.mark.parametrize("chosen", [[], [("acme", ("debate_end", "vote"))], [("third", ("*",))]])
async def test_where_nobody_chose_it_no_dispatcher_is_begun(chosen: list[tuple[str, tuple[str, ...]]]) -> None:
    dispatcher = Dispatcher(away=True)
    await consumer(dispatcher, *chosen).apply(EVENTS)
    assert dispatcher.asked == []


async def test_a_row_that_cannot_be_read_holds_up_no_other() -> None:
    dispatcher = Dispatcher()
    damaged = replace(EVENTS[0], outbox_id="damaged", payload='{"seq": 1}')
    await consumer(dispatcher, ("acme", ("*",))).apply([damaged, *EVENTS])
    assert dispatcher.asked == [["row_0", "row_1"]]


async def test_a_dispatcher_that_is_away_lets_the_rows_wait() -> None:
    with pytest.raises(Unavailable):
        await consumer(Dispatcher(away=True), ("acme", ("*",))).apply(EVENTS)
