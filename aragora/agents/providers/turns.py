"""Turns at a server that answers only so many calls at a time: its agents are processes of their own, and queue here.

Rules
- A node has `slots` turns for each address, held by locks on files: the system gives one back when its process ends.
- Who waits is alive, and says so: its debate waits for it, and its grace begins with its turn.
- Within a process who came first is served first; among processes chance decides.
- The wait is part of the call's time. Who gets no turn in it fails as out of time, which says nothing about the server.
"""

from __future__ import annotations

import asyncio
import fcntl
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from hashlib import blake2b
from io import TextIOWrapper
from pathlib import Path
from typing import ClassVar, Final
from urllib.parse import urlsplit

from aragora.agents.living import living
from aragora.agents.model import Completion, Listener, ModelCall, Provider, ProviderTimedOut

LOOK_EVERY_S: Final = 0.1
_NAME_BYTES: Final = 8
_HERE: Final = "localhost"
_THIS_MACHINE: Final = frozenset({"127.0.0.1", "::1", "0.0.0.0"})  # noqa: S104  what is compared, not bound
_PORTS: Final = {"http": 80, "https": 443}


class NoTurn(ProviderTimedOut):
    """The call waited for its turn in vain. The server was not asked: its breaker learns nothing of it."""

    trips_breaker: ClassVar[bool] = False


class Turns:
    """Those at `address`; `directory` is made when it is needed."""

    def __init__(self, directory: Path, address: str, slots: int) -> None:
        self.slots = slots
        self._directory = directory
        name = blake2b(_server_of(address).encode(), digest_size=_NAME_BYTES).hexdigest()
        self._paths = [directory / f"{name}.{number}" for number in range(slots)]
        self._here = asyncio.Semaphore(slots)

    @asynccontextmanager
    async def turn(self, listener: Listener) -> AsyncIterator[None]:
        """Hold one, once there is one; `listener` hears meanwhile that the call lives."""
        async with AsyncExitStack() as held:
            async with living(listener):
                await self._here.acquire()
                held.callback(self._here.release)
                held.enter_context(await self._free())
            yield

    async def _free(self) -> TextIOWrapper:
        """The lock of a turn. Raises OSError where the directory cannot be written."""
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        while True:
            for path in self._paths:
                file = path.open("a", encoding="utf-8")
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    file.close()
                except BaseException:
                    file.close()
                    raise
                else:
                    return file
            await asyncio.sleep(LOOK_EVERY_S * (0.5 + random.random()))


def _server_of(address: str) -> str:
    """Host and port of an address: however its path and this machine are written, it is one server."""
    parts = urlsplit(address)
    host = parts.hostname or address
    host = _HERE if host in _THIS_MACHINE else host
    return f"{host}:{parts.port or _PORTS.get(parts.scheme.lower(), '')}"


class TakingTurns:
    """A provider whose calls wait for their turn."""

    def __init__(self, provider: Provider, turns: Turns) -> None:
        self.name = provider.name
        self.renders_itself = provider.renders_itself
        self._provider = provider
        self._turns = turns

    async def complete(self, call: ModelCall) -> Completion:
        """Raises NoTurn, and what the provider raises."""
        loop = asyncio.get_running_loop()
        until = loop.time() + call.timeout_s
        asked = False
        try:
            async with asyncio.timeout_at(until) as waiting, self._turns.turn(call.listener):
                waiting.reschedule(None)
                asked = True
                return await self._provider.complete(replace(call, timeout_s=max(0.0, until - loop.time())))
        except TimeoutError:
            if asked:
                raise
            at_once = "1 call" if self._turns.slots == 1 else f"{self._turns.slots} calls"
            raise NoTurn(
                f"{self.name} had no turn for this call within {call.timeout_s:.1f} s: ARAGORA_LOCAL_CONCURRENCY allows "
                f"its server {at_once} at a time"
            ) from None

    async def aclose(self) -> None:
        await self._provider.aclose()
