"""Work that goes on whether anybody awaits it or not."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Generator
from typing import Any, Generic, TypeVar

from aragora.supervision import begin

T = TypeVar("T")


class Begun(Awaitable[T], Generic[T]):
    """Work that was begun: `await` gives its result, or raises its error, as often as it is asked.

    Whoever stops waiting does not stop the work. Its error is logged even if nobody awaits it, and the event loop keeps
    it until it ends: there is no need to keep this object.
    """

    def __init__(self, work: Coroutine[Any, Any, T], name: str) -> None:
        """Begin `work` in the running event loop; `name` is for the log. Raises RuntimeError where none runs."""
        try:
            self._task = begin(work, name)
        except RuntimeError:
            work.close()
            raise

    def __await__(self) -> Generator[Any, None, T]:
        return asyncio.shield(self._task).__await__()

    def then(self, hear: Callable[[Begun[T]], object]) -> None:
        """Call `hear` with this once it has ended."""
        self._task.add_done_callback(lambda _: hear(self))

    async def settled(self) -> None:
        """Return when it has ended, whatever came of it."""
        await asyncio.wait({self._task})
