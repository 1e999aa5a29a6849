"""Whoever follows an execution gets each of its events once and in order, whatever breaks in between, and is told when
nothing more comes by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from worlds.followed import END, EXECUTION, HAPPENED, LATE, READ_S, RECEIPT, RETRY, Reader, Replica, Runner, Store
from worlds.logical_time import in_logical_time

from actors.gateways.event_feed import LOOK_AGAIN_S
from aragora.errors import NotFound
from aragora.scope import Scope
from aragora.server.live.journals import AFTERWARDS_S, is_over
from aragora.workflows.model import ExecutionStatus

EVENTS = {"happen": HAPPENED, "end": END, "receipt": RECEIPT, "retry": RETRY, "late": LATE}
SOON_S = 0.2  # of logical time: the reads of a store and the turns of a line, and no look that comes by the clock


async def until(holds: Callable[[], bool], within_s: float) -> None:
    async with asyncio.timeout(within_s):
        while not holds():
            await asyncio.sleep(0.01)


ACTS = st.one_of(
    st.tuples(st.just("happen"), st.sampled_from([1, 1, 2, 5, 40])),
    st.tuples(st.just("happen unheard"), st.integers(1, 3)),  # the runner dies between the commit and the news
    st.tuples(st.sampled_from(["end", "receipt", "retry", "late", "die"]), st.just(0)),
    st.tuples(st.just("come back"), st.integers(0, 2)),
    st.tuples(st.sampled_from(["runner away", "store away"]), st.integers(0, 1)),
)
PAUSES_S = st.sampled_from([0.0, 0.001, 0.003, 0.007, 0.012, 0.03, 0.3, 2.0])


@settings(max_examples=250, deadline=None)
@given(acts=st.lists(st.tuples(ACTS, PAUSES_S), min_size=3, max_size=40), replicas=st.integers(1, 2))
def test_each_event_comes_once_and_in_order_whatever_is_lost_in_between(
    acts: list[tuple[tuple[str, int], float]], replicas: int
) -> None:
    @in_logical_time
    async def run() -> None:
        store, runner = Store(), Runner()
        serving = [Replica(store, runner) for _ in range(replicas)]
        reading = [Reader(serving[number % replicas]) for number in range(3)]
        store.write(HAPPENED)
        reading[0].come()
        for (act, count), pause_s in acts:
            await _do(act, count, store, runner, reading)
            await asyncio.sleep(pause_s)
        runner.away = store.away = False
        for event in (END, RECEIPT):
            if store.takes(event):
                runner.publish(store.write(event))

        def all_read() -> bool:
            for reader in reading:
                if not reader.follows and reader.last < len(store.rows):
                    reader.come()
            return all(not reader.follows for reader in reading)

        await until(all_read, 10 * LOOK_AGAIN_S)
        for reader in reading:
            assert reader.seqs == list(range(1, len(store.rows) + 1))
            assert reader.told_over
            assert not reader.misled
        assert [replica.fanout.followed for replica in serving] == [0] * replicas

    run()


async def _do(act: str, count: int, store: Store, runner: Runner, reading: list[Reader]) -> None:
    event = EVENTS.get(act)
    if event is not None:
        for _ in range(max(count, 1)):
            if store.takes(event):
                runner.publish(store.write(event))
    elif act == "happen unheard" and store.takes(HAPPENED):
        store.write(*[HAPPENED] * count)
        runner.die()
    elif act == "die":
        runner.die()
    elif act in ("runner away", "store away"):
        (runner if act == "runner away" else store).away = bool(count)
    elif act == "come back":
        await reading[count].leave()
        reading[count].come()


@in_logical_time
async def test_an_event_reaches_the_watchers_of_every_replica_without_a_look_by_the_clock() -> None:
    store, runner = Store(), Runner()
    reading = [Reader(Replica(store, runner)) for _ in range(2)]
    store.write(HAPPENED)
    for reader in reading:
        reader.come()
    await until(lambda: all(reader.seqs == [1] for reader in reading), SOON_S)
    await asyncio.sleep(10 * LOOK_AGAIN_S)
    looks = store.reads
    await asyncio.sleep(10 * LOOK_AGAIN_S)
    assert store.reads - looks <= 2 * 2 * 11, "who waits for long looks seldom"
    runner.publish(store.write(HAPPENED))
    await until(lambda: all(reader.seqs == [1, 2] for reader in reading), SOON_S)
    for reader in reading:
        await reader.leave()


@in_logical_time
async def test_a_watcher_is_told_of_the_end_with_the_receipt_and_not_before() -> None:
    store, runner = Store(), Runner()
    reader = Reader(Replica(store, runner))
    reader.come()
    await asyncio.sleep(SOON_S)
    runner.publish(store.write(HAPPENED, END))
    await asyncio.sleep(LOOK_AGAIN_S * 2)
    assert (reader.seqs, reader.told_over) == ([1, 2], 0)
    runner.publish(store.write(RECEIPT))
    await until(lambda: reader.told_over == 1, SOON_S)
    assert reader.seqs == [1, 2, 3]


@in_logical_time
async def test_a_receipt_that_does_not_come_is_not_waited_for_for_ever() -> None:
    store, runner = Store(), Runner()
    reader = Reader(Replica(store, runner))
    reader.come()
    await asyncio.sleep(SOON_S)
    runner.publish(store.write(END))
    await asyncio.sleep(AFTERWARDS_S / 2)
    assert reader.told_over == 0
    await until(lambda: reader.told_over == 1, AFTERWARDS_S)
    assert reader.seqs == [1]


@in_logical_time
async def test_who_comes_again_after_a_retry_goes_on_from_the_last_event() -> None:
    store, runner = Store(), Runner()
    reader = Reader(Replica(store, runner))
    runner.publish(store.write(HAPPENED, END, RECEIPT))
    reader.come()
    await until(lambda: reader.told_over == 1, SOON_S)
    runner.publish(store.write(RETRY))
    reader.come()
    await until(lambda: reader.last == 4, SOON_S)
    runner.publish(store.write(HAPPENED))
    await until(lambda: reader.last == 5, SOON_S)
    assert reader.told_over == 1
    runner.publish(store.write(END, RECEIPT))
    await until(lambda: reader.told_over == 2, SOON_S)
    assert reader.seqs == [1, 2, 3, 4, 5, 6, 7]


@in_logical_time
async def test_a_retry_while_a_watcher_reads_the_first_end_keeps_it_watching() -> None:
    store, runner = Store(), Runner()
    store.write(*[HAPPENED] * 6, END, RECEIPT)
    reader = Reader(Replica(store, runner))
    reader.come()
    await asyncio.sleep(READ_S * 1.5)  # it was told that all is over, and has not read to there
    runner.publish(store.write(RETRY))
    await until(lambda: reader.last == 9, SOON_S)
    assert reader.told_over == 0
    runner.publish(store.write(END, RECEIPT))
    await until(lambda: reader.told_over == 1, SOON_S)
    assert reader.seqs == list(range(1, 12))


@in_logical_time
async def test_whoever_comes_when_all_is_over_is_told_so_without_asking_the_runner() -> None:
    store, runner = Store(), Runner()
    store.write(HAPPENED, END, RECEIPT)
    reader = Reader(Replica(store, runner))
    reader.come()
    await until(lambda: reader.told_over == 1, SOON_S)
    assert (reader.seqs, runner.lines) == ([1, 2, 3], [])


@in_logical_time
async def test_an_execution_of_another_organisation_is_none() -> None:
    store, runner = Store(), Runner()
    replica = Replica(store, runner)
    for execution_id, scope in ((EXECUTION, Scope("umbra", None)), ("exe_nothing", Scope("acme", None))):
        with pytest.raises(NotFound) as refused:
            await replica.fanout.join(execution_id, 0, Reader(replica), scope)
        assert refused.value.message == "There is no such execution."


@pytest.mark.parametrize(
    ("status", "active", "age_s", "over"),
    [
        (ExecutionStatus.WAITING, False, None, False),
        (ExecutionStatus.RUNNING, True, None, False),
        (ExecutionStatus.COMPLETED, False, 0.0, True),
        (ExecutionStatus.FAILED, True, 1.0, False),
        (ExecutionStatus.CANCELLED, True, AFTERWARDS_S, True),
    ],
)
async def test_it_is_over_when_it_has_ended_and_nothing_is_owed(
    status: ExecutionStatus, *, active: bool, age_s: float | None, over: bool
) -> None:
    store = Store()
    store.status, store.active = status, active
    store.ended_at = None if age_s is None else 1_000.0 - age_s
    assert is_over(await store.get(EXECUTION, Scope("acme", None)), 1_000.0) is over
