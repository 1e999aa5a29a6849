"""Counting the operations of the mound where they happen: by type, by what came of them, and how long they took.

Types are those of `Operation`. Status is `done`, `refused` (the caller can mend it) or `failed`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from functools import wraps
from typing import Final, ParamSpec, TypeVar

from aragora.clock import Clock, SystemClock
from aragora.errors import AragoraError
from aragora.observability.registry import REGISTRY, Registry

OPERATIONS: Final = "aragora_km_operations_total"
LATENCY: Final = "aragora_km_operation_latency_seconds"
SEARCHES: Final = "aragora_km_searches_total"
REVERSE: Final = "aragora_km_reverse_query_latency_seconds"
SEMANTIC: Final = "aragora_km_semantic_search_total"

P = ParamSpec("P")
T = TypeVar("T")


class Operation(StrEnum):
    """What is done with the mound."""

    ADD = "add"
    IMPORT = "import"
    SEARCH = "search"
    LIST = "list"
    WHY = "why"
    GRAPH = "graph"
    CHANGE = "change"
    DISPUTE = "dispute"
    CONFIRM = "confirm"
    RELEASE = "release"


def counted(
    operation: Operation, registry: Registry = REGISTRY, clock: Clock | None = None
) -> Callable[[Callable[P, Awaitable[T]]], Callable[P, Awaitable[T]]]:
    """Counts every call of the function it stands at as one operation."""
    watch = clock or SystemClock()

    def counting(work: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T]]:
        @wraps(work)
        async def measured(*args: P.args, **kwargs: P.kwargs) -> T:
            began, status = watch.monotonic(), "failed"
            try:
                result = await work(*args, **kwargs)
            except AragoraError as refused:
                status = "refused" if refused.status < 500 else "failed"
                raise
            else:
                status = "done"
                return result
            finally:
                registry.inc(OPERATIONS, type=operation, status=status)
                registry.observe(LATENCY, watch.monotonic() - began, type=operation)

        return measured

    return counting


def searched(mode: str, degraded: str, registry: Registry = REGISTRY) -> None:
    """Count a search by what really ran, and by the code of what kept it from what was asked for; empty: nothing."""
    registry.inc(SEARCHES, mode=mode, degraded=degraded or "no")
    if mode != "lexical":
        registry.inc(SEMANTIC)


@contextmanager
def timed_look(registry: Registry = REGISTRY, clock: Clock | None = None) -> Iterator[None]:
    """Measure the block as a question of another part to the mound; also one that is cut off."""
    watch = clock or SystemClock()
    began = watch.monotonic()
    try:
        yield
    finally:
        registry.observe(REVERSE, watch.monotonic() - began)
