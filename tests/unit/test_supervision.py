"""No background work ends unseen: what it raises is counted, named in the health, and work that must go on begins
anew."""

from __future__ import annotations

import ast
import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from structlog.testing import capture_logs
from worlds.logical_time import in_logical_time

from aragora.background import Every, until_available
from aragora.errors import Unavailable
from aragora.observability.logging import bound
from aragora.observability.registry import Registry
from aragora.supervision import FAILURES, PATIENCE, STEADY_S, Loops, begin, kept, watch_event_loop


class Panic(BaseException):
    """What a library written in Rust raises: no Exception, and no cancellation."""


UNEXPECTED = [OverflowError("int too large"), Panic("index out of bounds"), asyncio.CancelledError("from within")]
each_error = pytest.mark.parametrize("error", UNEXPECTED, ids=lambda error: type(error).__name__)


@pytest.fixture
def registry() -> Registry:
    return Registry()


@pytest.fixture
def loops(registry: Registry) -> Loops:
    return Loops(registry)


def failures(registry: Registry) -> dict[str, float]:
    return {dict(delta.labels)["loop"]: delta.amount for delta in registry.drain() if delta.sample == FAILURES}


@each_error
@in_logical_time
async def test_a_loop_goes_on_after_whatever_ends_a_step(error: BaseException) -> None:
    loops = Loops(Registry())
    went_on = asyncio.Event()
    raised = [error]

    async def step() -> None:
        if raised:
            raise raised.pop()
        went_on.set()

    loop = Every("sweeping", 10.0, step, loops=loops)
    with capture_logs() as logs:
        loop.start()
        await asyncio.sleep(0.1)
        assert loops.troubled() == ("sweeping",)
        await went_on.wait()
        assert loops.troubled() == ()
        await loop.aclose()
    assert [(line["event"], line["task"], line["log_level"]) for line in logs] == [
        ("background step broke", "sweeping", "error")
    ]


@in_logical_time
async def test_a_loop_whose_store_is_away_is_in_trouble_after_some_patience_and_never_after_its_end() -> None:
    registry = Registry()
    loops = Loops(registry)
    steps = 0

    async def step() -> None:
        nonlocal steps
        steps += 1
        raise Unavailable("the store is away")

    loop = Every("sweeping", 1.0, step, loops=loops)
    loop.start()
    while steps < PATIENCE - 1:
        await asyncio.sleep(0.1)
    assert loops.troubled() == ()
    while steps < PATIENCE:
        await asyncio.sleep(0.1)
    assert loops.troubled() == ("sweeping",)
    await loop.aclose()
    assert loops.troubled() == ()
    assert failures(registry) == {"sweeping": PATIENCE}


@each_error
@in_logical_time
async def test_work_that_is_kept_begins_anew_and_is_out_of_trouble_once_it_is_steady(error: BaseException) -> None:
    registry = Registry()
    loops = Loops(registry)
    begun = 0

    async def work() -> None:
        nonlocal begun
        begun += 1
        if begun <= 2:
            raise error
        await asyncio.Event().wait()

    task = begin(kept("debates: drain", work, loops=loops), "debates: drain", loops=loops)
    while begun < 3:
        await asyncio.sleep(0.1)
    assert loops.troubled() == ("debates: drain",)
    await asyncio.sleep(STEADY_S)
    assert loops.troubled() == ()
    task.cancel()
    await asyncio.wait({task})
    assert task.cancelled()
    assert failures(registry) == {"debates: drain": 2}


async def test_work_that_returns_is_over(loops: Loops) -> None:
    async def work() -> None: ...

    await kept("debates: drain", work, loops=loops)
    assert loops.troubled() == ()


@each_error
async def test_work_that_nobody_awaits_does_not_end_unseen(
    loops: Loops, registry: Registry, error: BaseException
) -> None:
    async def work() -> None:
        raise error

    with capture_logs() as logs:
        await asyncio.wait({begin(work(), "journal writer", loops=loops)})
        await asyncio.sleep(0)
    assert [(line["event"], line["task"]) for line in logs] == [("background work ended", "journal writer")]
    assert loops.troubled() == ("journal writer",)
    assert failures(registry) == {"journal writer": 1}


async def test_work_beside_a_request_bears_its_debate_and_not_its_id(loops: Loops) -> None:
    told: dict[str, object] = {}

    async def work() -> None:
        told.update(structlog.contextvars.get_contextvars())

    with bound(request_id="req_1", debate_id="deb_1"):
        await asyncio.wait({begin(work(), "journal writer", loops=loops)})
        assert structlog.contextvars.get_contextvars()["request_id"] == "req_1"
    assert told == {"debate_id": "deb_1"}


async def test_work_that_was_cancelled_on_purpose_is_no_failure(loops: Loops, registry: Registry) -> None:
    task = begin(asyncio.Event().wait(), "journal writer", loops=loops)
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait({task})
    assert failures(registry) == {}


@in_logical_time
async def test_work_that_took_the_place_of_work_that_failed_is_out_of_trouble_once_it_is_steady() -> None:
    loops = Loops(Registry())

    async def breaks() -> None:
        raise ValueError("a defect")

    begin(breaks(), "news", loops=loops)
    await asyncio.sleep(1.0)
    task = begin(asyncio.Event().wait(), "news", loops=loops)
    assert loops.troubled() == ("news",)
    await asyncio.sleep(STEADY_S + 1.0)
    assert loops.troubled() == ()
    task.cancel()


async def test_what_makes_work_give_up_is_told() -> None:
    async def act() -> None:
        raise Unavailable("away")

    with capture_logs() as logs, pytest.raises(Unavailable):
        await until_available(act, lambda _: 0.0, what="agent not reached", given_up=lambda: True)
    assert [(line["event"], line["given_up"]) for line in logs] == [("agent not reached", True)]


async def test_work_that_must_not_end_tries_again_after_the_unexpected() -> None:
    errors: list[Exception] = [ValueError("not JSON"), Unavailable("away")]

    async def act() -> str:
        if errors:
            raise errors.pop(0)
        return "done"

    with capture_logs() as logs:
        assert await until_available(act, lambda _: 0.0, what="agent not reached", retried=Exception) == "done"
    assert [line["log_level"] for line in logs] == ["error", "warning"]


async def test_an_error_of_a_callback_is_logged_and_counted(loops: Loops, registry: Registry) -> None:
    def broken() -> None:
        raise ValueError("a defect")

    watch_event_loop(loops)
    with capture_logs() as logs:
        asyncio.get_running_loop().call_soon(broken)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    assert [line["event"] for line in logs] == ["unattended work broke"]
    assert failures(registry) == {"unattended": 1}


# --- the class stays gone ----------------------------------------------------------------------------------

ROOT = Path(__file__).parents[2]
BEGINNERS = {"create_task", "ensure_future", "run_coroutine_threadsafe", "TaskGroup", "Thread", "start_new_thread"}
ATTENDED = {
    # Each of these is awaited by whoever began it, or hands its end to those who wait; here stands why.
    ("aragora/supervision.py", "begin"): "the one place that begins tasks",
    ("aragora/server/live/held.py", "live"): "ends with what is held open, which awaits it and logs what broke it",
    ("aragora/server/live/download.py", "__call__"): "the reader of a download, which awaits it",
    ("aragora/server/live/sse.py", "__call__"): "ends with the response, which awaits them",
    ("aragora/server/live/websocket.py", "__call__"): "the reader of a connection, which awaits it",
    ("aragora/server/live/inbox.py", "put"): "catches everything and tells the client",
    ("aragora/server/live/commands.py", "_subscribe"): "catches everything and tells the client",
    ("actors/agent.py", "_take"): "its end goes through `_done`, which logs what is unexpected",
    ("actors/runtime.py", "handle"): "everybody who asks for the actor awaits it",
    ("actors/virtual.py", "_first"): "the messages that wait for the load fail with it",
    ("actors/virtual.py", "_is_saved"): "the messages that wait for the write fail with it",
}


def begun(path: Path) -> Iterator[tuple[str, str]]:
    """The functions of a file that begin a task or a thread by themselves."""
    name = path.relative_to(ROOT).as_posix()
    for function in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            for call in ast.walk(function):
                if isinstance(call, ast.Call) and _called(call.func) in BEGINNERS:
                    yield name, function.name


def _called(function: ast.expr) -> str:
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def test_every_task_is_supervised_or_awaited() -> None:
    files = [path for floor in ("aragora", "actors") for path in (ROOT / floor).rglob("*.py")]
    assert {place for path in files for place in begun(path)} == set(ATTENDED)
