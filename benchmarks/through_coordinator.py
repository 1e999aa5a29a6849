"""Load on the coordinator: opens debates by messages to its actor and learns of their end by its watch."""

from __future__ import annotations

import asyncio
import time
from typing import Self

import msgspec

from actors.runtime import Runtime
from actors.watchers import News
from aragora.config.settings import Settings
from aragora.debate.opening import Proposition, specification
from aragora.debate.sharding import owner
from aragora.errors import AragoraError
from aragora.ids import new_id

TIMEOUT_S = 300.0
_news = msgspec.msgpack.Decoder(News)


class CoordinatorLoad:
    """One watcher per shard, however many debates."""

    def __init__(self, settings: Settings, agents: tuple[str, ...]) -> None:
        self._runtime = Runtime(settings)
        self._shards = settings.coordinator_shards
        self._agents = agents
        self._ended: dict[str, asyncio.Future[None]] = {}
        self._watcher = new_id("bench")
        self._polls: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self._polls = [asyncio.create_task(self._poll(str(shard))) for shard in range(self._shards)]
        return self

    async def __aexit__(self, *_: object) -> None:
        for poll in self._polls:
            poll.cancel()
        await asyncio.gather(*self._polls, return_exceptions=True)

    async def debate(self) -> float:
        """Seconds from opening one debate to its end."""
        debate_id = new_id("deb")
        proposition = Proposition("Which queue should we use?", self._agents, rounds=3)
        spec = specification(proposition, debate_id, available=self._agents, default_team=self._agents)
        ended = self._ended[debate_id] = asyncio.get_running_loop().create_future()
        began = time.monotonic()
        shard = str(owner(debate_id, self._shards))
        await self._watch(shard, (debate_id,))
        await self._runtime.ask("coordinator", shard, "open", spec, None, None, timeout_s=TIMEOUT_S)
        await asyncio.wait_for(ended, TIMEOUT_S)
        return time.monotonic() - began

    async def _poll(self, shard: str) -> None:
        """For ever. Where it fails, so do the debates that wait for it: no benchmark hangs unexplained."""
        try:
            while True:
                await self._watch(shard, ())
        except (AragoraError, RuntimeError) as error:
            for ended in self._ended.values():
                if not ended.done():
                    ended.set_exception(error)

    async def _watch(self, shard: str, follow: tuple[str, ...]) -> None:
        raw = await self._runtime.ask("coordinator", shard, "watch", self._watcher, follow, (), timeout_s=TIMEOUT_S)
        news = _news.decode(raw)
        if news.lost:
            raise RuntimeError("the coordinator's queue for this load overflowed: run fewer at once")
        for item in news.items:
            if item.type == "debate_end":
                self._ended.pop(item.debate_id).set_result(None)
