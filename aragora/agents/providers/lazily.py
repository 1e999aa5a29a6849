"""A client that is built once, when it is first needed, in a thread: importing an SDK takes up to seconds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

Client = TypeVar("Client")


class Lazily(Generic[Client]):
    """`build` runs in a thread, at most once unless it fails."""

    def __init__(self, build: Callable[[], Client]) -> None:
        self._build = build
        self._lock = asyncio.Lock()
        self.built: Client | None = None

    async def get(self) -> Client:
        """The client. Raises what `build` raises."""
        if self.built is None:
            async with self._lock:
                if self.built is None:
                    self.built = await asyncio.to_thread(self._build)
        return self.built
