"""What replicas ask of the processes of the Knowledge Mound, and what they make of the answers."""

from __future__ import annotations

import asyncio
from collections.abc import Collection

import pytest
from worlds.actors_without_ray import runtime_over
from worlds.backends import SetClock
from worlds.waiting import eventually

from actors.gateways.knowledge import AdapterConsumer, IndexCommands, IndexWaker
from actors.gateways.knowledge_figures import COUNTED_S, KnowledgeFigures, gauges_of
from actors.gateways.knowledge_parts import LATE_S, read
from aragora.config.knowledge import AdapterProcesses
from aragora.config.settings import Settings
from aragora.errors import Unavailable
from aragora.knowledge.health import Component, State
from aragora.knowledge.learning import ADAPTERS
from aragora.knowledge.mound.adapters import task_outcomes
from aragora.knowledge.near import APART, IndexFigures, Rebuild, Stage
from aragora.knowledge.syncing import PORTION, PORTIONS
from aragora.knowledge.syncs import Standing
from aragora.observability.samples import CounterDelta
from aragora.storage.outbox import OutboxRow

WELL = IndexFigures(True, 100, 0, 0.0, 4_096, stored=100, embeds=True)


class Index:
    """The process of the index."""

    def __init__(self) -> None:
        self.woken = 0
        self.answers = asyncio.Event()
        self.answers.set()
        self.away = False

    async def wake(self) -> None:
        self.woken += 1
        await self.answers.wait()
        if self.away:
            raise Unavailable("the index is restarting")

    async def rebuild(self, anew: bool) -> Rebuild:
        return Rebuild("rbd_1", Stage.LOADING, anew, 0, 0, 0, 1.0, None)


class Adapters(Index):
    """The process that hosts all adapters, and the index beside it; adds an item for each debate and adapter."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[tuple[str, ...], int]] = []

    async def learn(self, adapters: tuple[str, ...], rows: tuple[OutboxRow, ...]) -> int:
        self.asked.append((adapters, len(rows)))
        if self.away:
            raise Unavailable("the store is away")
        return len(rows) * len(adapters)


def rows_of(count: int) -> list[OutboxRow]:
    return [OutboxRow(f"deb_{number}:knowledge", "knowledge", f"deb_{number}", "{}", 1.0) for number in range(count)]


async def test_a_shared_process_is_asked_once_for_a_portion_and_the_index_woken_at_the_end() -> None:
    adapters, shared = Adapters(), Settings(knowledge_adapter_processes=AdapterProcesses.SHARED)
    await AdapterConsumer(runtime_over(adapters), shared).apply(rows_of(2 * PORTION + 1))
    assert adapters.asked == [(tuple(ADAPTERS), count) for count in (PORTION, PORTION, 1)]
    assert adapters.woken == 1


async def test_processes_of_their_own_are_asked_each_for_its_adapter() -> None:
    adapters, own = Adapters(), Settings(knowledge_adapter_processes=AdapterProcesses.OWN)
    await AdapterConsumer(runtime_over(adapters), own).apply(rows_of(1))
    assert sorted(adapters.asked) == sorted(((name,), 1) for name in ADAPTERS)


async def test_what_came_of_tasks_is_brought_to_the_adapter_of_tasks_alone_in_larger_portions() -> None:
    adapters, portion = Adapters(), PORTIONS[task_outcomes.TOPIC]
    await AdapterConsumer(runtime_over(adapters), Settings(), task_outcomes.TOPIC).apply(rows_of(portion + 1))
    assert adapters.asked == [((task_outcomes.NAME,), portion), ((task_outcomes.NAME,), 1)]


async def test_rows_wait_where_adapters_cannot_learn() -> None:
    adapters = Adapters()
    adapters.away = True
    with pytest.raises(Unavailable):
        await AdapterConsumer(runtime_over(adapters), Settings()).apply(rows_of(1))
    assert adapters.woken == 0


async def test_waking_waits_for_nothing_and_many_calls_at_once_are_two_messages() -> None:
    index = Index()
    index.answers.clear()
    waker = IndexWaker(runtime_over(index))
    waker.wake()
    assert index.woken == 0
    await eventually(lambda: index.woken == 1)
    for _ in range(50):
        waker.wake()
    index.answers.set()
    await eventually(lambda: index.woken == 2)
    waker.wake()
    await eventually(lambda: index.woken == 3)


async def test_an_index_that_is_away_is_not_told_and_woken_again_by_the_next() -> None:
    index = Index()
    index.away = True
    waker = IndexWaker(runtime_over(index))
    waker.wake()
    await eventually(lambda: index.woken == 1)
    index.away = False
    waker.wake()
    await eventually(lambda: index.woken == 2)


async def test_building_anew_begins_a_process_and_asking_for_it_does_not() -> None:
    created: list[str] = []
    commands = IndexCommands(runtime_over(Index(), created))
    assert await commands.rebuilding() is None
    assert created == []
    assert (await commands.rebuild(anew=True)).embed_anew
    assert created == ["mound_index/main"]


@pytest.mark.parametrize(
    ("changed", "vector_index", "embedder"),
    [
        ({}, State.WORKS, State.WORKS),
        ({"stored": 100 + APART}, State.WORKS, State.WORKS),
        ({"stored": 101 + APART}, State.FAILS, State.WORKS),
        ({"vectors": 0, "loaded": False, "stored": None}, State.WORKS, State.WORKS),
        ({"embeds": None}, State.WORKS, State.WORKS),
        ({"embeds": False}, State.WORKS, State.FAILS),
        ({"waiting": 3, "oldest_s": LATE_S + 1.0}, State.WORKS, State.FAILS),
        ({"waiting": 0, "oldest_s": LATE_S + 1.0}, State.WORKS, State.WORKS),
    ],
)
def test_the_index_fails_apart_from_the_store_and_the_embedder_without_the_known_vector(
    changed: dict[str, object], vector_index: State, embedder: State
) -> None:
    made = IndexFigures(**{**{name: getattr(WELL, name) for name in WELL.__slots__}, **changed})
    found = read(made, 10.0)
    assert (found[Component.VECTOR_INDEX].state, found[Component.EMBEDDER].state) == (vector_index, embedder)
    assert found[Component.VECTOR_INDEX].used_at == 10.0


def test_the_index_is_told_beside_the_store_or_not_at_all() -> None:
    assert {gauge.sample for gauge in gauges_of(IndexFigures(False, 3, 1, 2.0, 9))} == {
        "aragora_km_index_bytes",
        "aragora_km_embedding_backlog",
        "aragora_km_embedding_oldest_seconds",
    }
    told = {gauge.sample: gauge.amount for gauge in gauges_of(WELL)}
    assert (told["aragora_km_index_vectors"], told["aragora_km_index_stored_vectors"]) == (100.0, 100.0)
    assert told["aragora_km_embedder_up"] == 1.0


class Store:
    """What waits for adapters, and the items."""

    def __init__(self) -> None:
        self.asked = 0
        self.adapters_away = False

    async def standings(self, adapters: Collection[str]) -> list[Standing]:
        self.asked += 1
        if self.adapters_away:
            raise Unavailable("the store is away")
        return [Standing(adapter, 4, 12.0) for adapter in adapters]

    async def counts(self) -> dict[tuple[str, str], int]:
        return {("note", "quarantined"): 2}


async def test_the_figures_are_read_every_half_minute_and_what_cannot_be_read_is_absent() -> None:
    store, clock = Store(), SetClock()
    figures = KnowledgeFigures(store, store, runtime_over(Index()), ("consensus",), clock)
    first = await figures.gauges()
    assert first == [
        CounterDelta("aragora_km_adapter_backlog", (("adapter", "consensus"),), 4.0),
        CounterDelta("aragora_km_adapter_lag_seconds", (("adapter", "consensus"),), 12.0),
        CounterDelta("aragora_km_items", (("kind", "note"), ("status", "quarantined")), 2.0),
    ]
    assert await figures.gauges() == first
    assert store.asked == 1
    store.adapters_away = True
    clock.at += COUNTED_S
    assert [gauge.sample for gauge in await figures.gauges()] == ["aragora_km_items"]
