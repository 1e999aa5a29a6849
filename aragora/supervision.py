"""Tasks that run beside the requests: none ends unseen. Whatever begins one that nobody awaits begins it here.

- `begin` runs work whose owner does not await it: an error that ends it is logged and counted.
- `kept` runs work again whenever an error ended it, after a pause that grows.
- `aragora.background.Every` repeats a step by the same rules.
- `watch_event_loop` logs and counts what reaches no task at all: errors of callbacks, of protocols, and of tasks that
  nobody asked for their end.

Every failure counts in `aragora_background_failures_total{loop}`. A name of work is in trouble from an unexpected
error, from settings that only an operator mends, or from `PATIENCE` other errors of the taxonomy in a row, until it
succeeds again: `GET /api/health` names it.
Only a cancellation that somebody asked for ends work quietly: one that comes up from within, out of a task that was
awaited, is a failure like any other. Names are few and constant: they are the label of a metric.
"""

from __future__ import annotations

import asyncio
import contextvars
import random
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar

import structlog
from structlog.contextvars import get_contextvars, unbind_contextvars

from aragora.errors import AragoraError, Misconfigured
from aragora.observability.registry import REGISTRY, Registry
from aragora.resilience.backoff import Backoff

FAILURES: Final = "aragora_background_failures_total"
PATIENCE: Final = 3
"""A store that was away for one step is no trouble."""
STEADY_S: Final = 60.0
"""Work that was started again and has run this long is out of trouble."""
AGAIN: Final = Backoff(base_s=1.0, cap_s=60.0)
FATAL: Final = (KeyboardInterrupt, SystemExit, GeneratorExit)
"""What ends the process, or the coroutine, whatever is done about it."""
UNATTENDED: Final = "unattended"

T = TypeVar("T")
log: Final[structlog.stdlib.BoundLogger] = structlog.get_logger("aragora.background")


class Loops:
    """The background work of one process: what failed since it last succeeded."""

    def __init__(self, registry: Registry = REGISTRY) -> None:
        self._registry = registry
        self._failures: dict[str, int] = {}  # in a row
        self._broken: set[str] = set()  # by an error that nobody expected, or that only an operator mends

    def failed(self, name: str, error: BaseException) -> int:
        """The work `name` failed; returns how often in a row."""
        self._registry.inc(FAILURES, loop=name)
        failures = self._failures[name] = self._failures.get(name, 0) + 1
        if not isinstance(error, AragoraError) or isinstance(error, Misconfigured):
            self._broken.add(name)
        return failures

    def succeeded(self, name: str) -> None:
        """The work `name` succeeded, or was ended on purpose."""
        if self._failures.pop(name, None) is not None:
            self._broken.discard(name)

    def failing(self, name: str) -> bool:
        """Whether the work `name` has failed and not succeeded since."""
        return name in self._failures

    def troubled(self) -> tuple[str, ...]:
        """The names of the work in trouble, sorted."""
        return tuple(
            sorted(name for name, count in self._failures.items() if count >= PATIENCE or name in self._broken)
        )


LOOPS: Final = Loops()
"""Those of this process."""

_running: Final[set[asyncio.Task[Any]]] = set()  # an event loop alone would let a task go before its end


def begin(work: Coroutine[Any, Any, T], name: str, *, loops: Loops = LOOPS) -> asyncio.Task[T]:
    """Run `work` beside its caller. Its error stays in the task for whoever asks; it is logged and counted anyway.

    Its lines of log bear no `request_id`: it serves more than the request during which it happened to begin.
    """
    loop = asyncio.get_running_loop()
    context = contextvars.copy_context()
    if "request_id" in get_contextvars():
        context.run(unbind_contextvars, "request_id")
    task = loop.create_task(work, name=name, context=context)
    # It may take the place of work that failed.
    steady = loop.call_later(STEADY_S, loops.succeeded, name) if loops.failing(name) else None
    _running.add(task)

    def ended(task: asyncio.Task[T]) -> None:
        _running.discard(task)
        if steady is not None:
            steady.cancel()
        if not task.cancelled():
            error = task.exception()
        elif task.cancelling():
            error = None
        else:
            error = asyncio.CancelledError("from within")
        if error is None:
            loops.succeeded(name)
            return
        loops.failed(name, error)
        tell("background work ended", name, error)

    task.add_done_callback(ended)
    return task


async def kept(
    name: str,
    run: Callable[[], Coroutine[Any, Any, None]],
    *,
    loops: Loops = LOOPS,
    draw: Callable[[], float] = random.random,
) -> None:
    """Run `run` until it returns: begun anew after each error that ends it, by the rules of this module. Ends by a
    cancellation that was asked for, and by nothing else."""
    loop = asyncio.get_running_loop()
    failures = 0
    while True:
        began = loop.time()
        steady = loop.call_later(STEADY_S, loops.succeeded, name)
        try:
            await run()
        except BaseException as error:
            if ends_quietly(error):
                raise
            failures = 1 if loop.time() - began >= STEADY_S else failures + 1
            loops.failed(name, error)
            if isinstance(error, FATAL):
                raise
            pause = AGAIN.delay_s(failures, draw())
            tell("background work broke and begins anew", name, error, retry_in_s=round(pause, 3))
        else:
            loops.succeeded(name)
            return
        finally:
            steady.cancel()
        await asyncio.sleep(pause)


def ends_quietly(error: BaseException) -> bool:
    """Whether the current task was asked to end, and this is its end."""
    task = asyncio.current_task()
    return isinstance(error, asyncio.CancelledError) and (task is None or task.cancelling() > 0)


def tell(event: str, name: str, error: BaseException, **fields: object) -> None:
    """Log a failure of background work: in one line where it is one of the taxonomy, else with its traceback."""
    if isinstance(error, AragoraError):
        log.warning(event, task=name, error=error.message, **fields)
    else:
        log.error(event, task=name, error=repr(error), exc_info=error, **fields)


def watch_event_loop(loops: Loops = LOOPS) -> None:
    """Log and count what goes wrong in the running event loop outside of every task that is awaited."""

    def seen(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if error is None:  # a warning of asyncio's own, such as a resource that was not closed
            log.warning("event loop", message=context.get("message"))
            return
        loops.failed(UNATTENDED, error)
        loops.succeeded(UNATTENDED)  # a callback is over: it is counted, and nothing stays in trouble
        tell("unattended work broke", UNATTENDED, error, message=context.get("message"))

    asyncio.get_running_loop().set_exception_handler(seen)
