"""What a process tells of itself: what it counted, to the store, and which background work is in trouble, to the shared
state, whence every replica's health has it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from actors.kinds import SHARED, SHARED_KEY
from actors.runtime import Runtime
from aragora.observability.registry import REGISTRY, Registry
from aragora.supervision import LOOPS, Loops

if TYPE_CHECKING:  # a process that never counts anything need not load the database's driver
    from aragora.storage.counters import CounterStore

REPORT_S: Final = 5.0
"""How often a process looks at itself."""
TIMEOUT_S: Final = 5.0


async def flush(counters: CounterStore, registry: Registry = REGISTRY) -> None:
    """Add what this process counted to the store. What cannot be written is kept for the next time. Raises
    Unavailable."""
    deltas = registry.drain()
    if not deltas:
        return
    try:
        await counters.add(deltas)
    except BaseException:
        registry.restore(deltas)
        raise


class TroubleReport:
    """Names the work in trouble to the shared state while there is any, and once more when there is none."""

    def __init__(self, process: str, runtime: Runtime, loops: Loops = LOOPS) -> None:
        """`process` is a name that no other process has."""
        self._process = process
        self._shared = runtime.at(SHARED, SHARED_KEY)
        self._loops = loops
        self._told: tuple[str, ...] = ()

    async def tell(self, besides: tuple[str, ...] = ()) -> None:
        """Tell of the background work, and of what is in trouble `besides`. Raises Unavailable where the shared state
        is away."""
        troubled = (*self._loops.troubled(), *besides)
        if troubled or self._told:
            await self._shared.ask(lambda it: it.report_trouble(self._process, troubled), timeout_s=TIMEOUT_S)
            self._told = troubled
