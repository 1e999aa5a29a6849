"""What is looked at again goes on from where it was, and is what the whole journal says."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from worlds.executions import RECORD
from worlds.workflowing import BEGAN, Execution, ask, definition, to_its_end

from aragora.workflows import journal, machine, replaying
from aragora.workflows.definition import Definition
from aragora.workflows.machine.state import ExecutionState
from aragora.workflows.outline import OPEN_MAX, STEPS_MAX_BYTES, outlined
from aragora.workflows.ports import Pinned
from aragora.workflows.replaying import Looking, replayed


def payloads_of(execution: Execution) -> list[str]:
    return [journal.row_of("exe_1", seq, at, event).payload for seq, (at, event) in enumerate(execution.events, 1)]


def mapping(items: int) -> Execution:
    """An execution that has ended, with a journal of some three rows an item."""
    shape = definition(
        {"type": "map", "id": "each", "over": "inputs.all", "block": "one", "items_max": 1_000, "at_once": 50},
        ask("one", question="{{ item }}?"),
        inputs={"all": {"type": "list"}},
    )
    execution = Execution(shape, {"all": list(range(items))})
    to_its_end(execution, lambda ask: {"answer": ask.what["question"]}, 2_000)
    return execution


LONG = mapping(300)


@dataclass
class Stored:
    """A journal, as far as it was written; and how many rows were read."""

    definition: Definition
    whole: list[str]
    count: int = 0
    read: int = 0
    pages: list[int] = field(default_factory=list)
    paged: int = 1_000

    async def journal(self, execution_id: str, after: int = 0, limit: int = 500) -> list[str]:
        await asyncio.sleep(0)
        page = self.whole[: self.count][after : after + min(limit, self.paged)]
        self.read += len(page)
        return page

    async def pinned(self, workflow_id: str, version: int) -> Pinned:
        return Pinned(workflow_id, version, "", self.definition)

    async def latest(self, org_id: str, workspace: str, workflow_id: str) -> Pinned:
        raise AssertionError("nobody asks")

    def record(self) -> Any:
        return replace(RECORD, last_seq=self.count)


def stored(execution: Execution = LONG, **of: Any) -> Stored:
    return Stored(execution.definition, payloads_of(execution), **of)


def same(state: ExecutionState) -> ExecutionState:
    return state


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(1, len(LONG.events)), min_size=1, max_size=6), st.sampled_from([1_000, 7, 250]))
def test_whenever_it_is_looked_at_it_is_what_the_whole_journal_says(counts: list[int], paged: int) -> None:
    """Also where the journal is shorter than it was: a store that was put back."""
    store = stored(paged=paged)

    async def look() -> None:
        looking = Looking(store, store)
        for count in counts:
            store.count = count
            state = await looking.look(store.record(), same)
            assert state == LONG.replayed(count)

    asyncio.run(look())


async def test_what_was_folded_is_not_read_again() -> None:
    store = stored()
    looking = Looking(store, store)
    store.count = len(store.whole) - 5
    await looking.look(store.record(), same)
    store.read, store.count = 0, len(store.whole)
    await looking.look(store.record(), same)
    assert store.read == 1 + 5  # the last row shows that it is the same journal


async def test_another_history_of_the_same_length_is_another_execution() -> None:
    """A store that was put back to an earlier time went on in another way."""
    store = stored()
    looking = Looking(store, store)
    store.count = len(store.whole)
    await looking.look(store.record(), same)
    other = Execution(LONG.definition, {"all": list(range(300, 0, -1))}, now=BEGAN + 1.0)
    to_its_end(other, lambda ask: {"answer": "another"}, 2_000)
    store.whole = payloads_of(other)
    assert await looking.look(store.record(), same) == other.state


async def test_looks_at_the_same_time_fold_it_once() -> None:
    store = stored(count=len(LONG.events))
    looking = Looking(store, store)
    seen = await asyncio.gather(*(looking.look(store.record(), outlined) for _ in range(20)))
    assert all(one == seen[0] for one in seen)
    assert store.read < 2 * len(store.whole)


async def test_a_look_that_is_cut_off_leaves_nothing_half_done() -> None:
    store = stored(count=len(LONG.events))
    looking = Looking(store, store)
    for turns in range(12):
        task = asyncio.create_task(looking.look(store.record(), same))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert await looking.look(store.record(), same) == LONG.state


async def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    store = stored(count=len(LONG.events))
    looking = Looking(store, store)
    size = sum(map(len, store.whole))
    monkeypatch.setattr(replaying, "KEPT_CHARS", 3 * size)
    for number in range(10):
        await looking.look(replace(store.record(), execution_id=f"exe_{number}"), same)
    assert list(looking._kept) == ["exe_7", "exe_8", "exe_9"]


async def test_a_damaged_row_is_told_each_time() -> None:
    store = stored(count=len(LONG.events))
    store.whole[400] = "{"
    looking = Looking(store, store)
    for _ in range(2):
        with pytest.raises(journal.Unreadable, match="row 401"):
            await looking.look(store.record(), same)


@pytest.mark.parametrize("paged", [1_000, 3])
async def test_a_journal_that_is_read_in_small_pages_is_the_same(paged: int) -> None:
    store = stored(count=len(LONG.events), paged=paged)
    state, seq = await replayed(store.record(), store, store)
    assert (state, seq) == (LONG.state, len(LONG.events))


async def test_a_journal_without_rows_or_with_a_second_beginning_is_refused() -> None:
    store = stored()
    with pytest.raises(journal.Unreadable):
        await replayed(store.record(), store, store)
    again = journal.row_of("exe_1", 2, 1.0, LONG.events[0][1]).payload
    store.whole, store.count = [store.whole[0], again], 2
    with pytest.raises(ValueError, match="ExecutionStarted"):
        await replayed(store.record(), store, store)


def test_an_outline_says_what_it_leaves_out() -> None:
    half = "x" * (STEPS_MAX_BYTES // 2 - 100)
    steps = [ask(name, next=after) for name, after in [("a", "b"), ("b", "c"), ("c", "d"), ("d", None)]]
    execution = Execution(definition(*steps, entry="a"))
    for name, text in [("a", half[:200_000]), ("b", "small")]:
        execution.done(name, text=text)
    outline = outlined(execution.state)
    assert (list(outline.steps), outline.left_out, outline.open_count) == (["a", "b"], (), 1)
    large = execution.state.blocks[""].outputs
    large["a"] = large["b"] = large["c"] = {"text": half}
    outline = outlined(execution.state)
    assert (list(outline.steps), outline.left_out) == (["a", "b"], ("c",))


def test_of_very_many_open_runs_the_first_are_shown_and_all_are_counted() -> None:
    maps = [
        {"type": "map", "id": f"m{number}", "over": "inputs.all", "block": f"a{number}", "items_max": 50, "at_once": 50}
        for number in range(12)
    ]
    both = {"type": "parallel", "id": "all", "blocks": [one["id"] for one in maps]}
    asks = [ask(f"a{number}") for number in range(12)]
    execution = Execution(
        definition(both, *maps, *asks, entry="all", inputs={"all": {"type": "list"}}), {"all": list(range(50))}
    )
    outline = outlined(execution.state)
    assert (len(outline.open), outline.open_count) == (OPEN_MAX, 1 + 12 + 600)
    assert outline.open_count == len(execution.state.runs)
    assert len(machine.asks(execution.state)) == 600
