"""What a program of the operator's opens with its first use and closes at its end."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Generic, Protocol, Self, TypeVar


class Opened(Protocol):
    """What stands open."""

    @property
    def closing(self) -> AsyncExitStack:
        """Closes all of it."""
        ...


T = TypeVar("T", bound=Opened)


class OpenedOnUse(ABC, Generic[T]):
    """Belongs to the event loop of its first use; an async context manager, which closes it."""

    def __init__(self) -> None:
        self._opening = asyncio.Lock()
        self._open: T | None = None

    async def aclose(self) -> None:
        """Close what is open; the next use opens it again."""
        async with self._opening:
            opened, self._open = self._open, None
        if opened is not None:
            await opened.closing.aclose()

    async def __aenter__(self) -> Self:
        await self._opened()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def _opened(self) -> T:
        """What stands open; opened now, where nothing is."""
        async with self._opening:
            if self._open is None:
                self._open = await self._open_all()
            return self._open

    @abstractmethod
    async def _open_all(self) -> T:
        """Open all that it needs. Raises Misconfigured for a wrong environment and Unavailable where a store is away;
        then the next use tries again."""
