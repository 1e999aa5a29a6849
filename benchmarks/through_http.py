"""Load as a client makes it: POST /api/debates, then the events over a WebSocket until the debate ends.

A server lets one WebSocket follow a hundred debates, so one serves the first hundred at once, another the next. It also
bounds the commands of each: after those that may come at once, a load opens another.
"""

from __future__ import annotations

import asyncio
import time
from typing import Final, Self

import aiohttp
import msgspec

from aragora.ids import new_id
from aragora.limits import COMMANDS_AT_ONCE
from benchmarks.load import FULL_EXCHANGE

TIMEOUT_S: Final = 300.0
FOLLOWED: Final = 100  # debates per WebSocket; `max_subscriptions` of the server's connection_info


class _Head(msgspec.Struct):
    type: str
    loop_id: str = ""


class _Opened(msgspec.Struct):
    debate_id: str


_head = msgspec.json.Decoder(_Head)
_opened = msgspec.json.Decoder(_Opened)


class HttpLoad:
    """Keeps its connections open between debates, as a browser or an SDK does."""

    def __init__(self, http_port: int, agents: tuple[str, ...]) -> None:
        self._url = f"http://127.0.0.1:{http_port}"
        self._agents = agents
        self._session: aiohttp.ClientSession | None = None
        self._sockets: list[_Socket] = []

    async def __aenter__(self) -> Self:
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
        self._session = aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(limit=64))
        return self

    async def __aexit__(self, *_: object) -> None:
        for socket in self._sockets:
            await socket.close()
        if self._session is not None:
            await self._session.close()

    async def debate(self) -> float:
        """Seconds from the POST to the last event. Raises aiohttp.ClientError where the server refuses."""
        assert self._session is not None
        question = f"Which queue should service {new_id('svc')} use?"  # each its own, as through the coordinator
        body = msgspec.json.encode({"question": question, "agents": self._agents, **FULL_EXCHANGE})
        began = time.monotonic()
        headers = {"Content-Type": "application/json"}
        async with self._session.post(f"{self._url}/api/debates", data=body, headers=headers) as answer:
            raw = await answer.read()
            answer.raise_for_status()
        await asyncio.wait_for((await self._socket()).follow(_opened.decode(raw).debate_id), TIMEOUT_S)
        return time.monotonic() - began

    async def _socket(self) -> _Socket:
        """One with room, which is taken."""
        for socket in self._sockets:
            if socket.taken < FOLLOWED and socket.commands < COMMANDS_AT_ONCE:
                socket.take()
                return socket
        assert self._session is not None
        socket = _Socket(self._session, f"{self._url}/ws")
        self._sockets.append(socket)
        socket.take()
        return socket


class _Socket:
    """A WebSocket that opens with its first debate. `taken` counts the debates that it follows, `commands` those that
    it ever followed."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self.taken = 0
        self.commands = 0
        self._ended: dict[str, asyncio.Future[None]] = {}
        self._opening = asyncio.ensure_future(session.ws_connect(url, max_msg_size=0))
        self._reading = asyncio.create_task(self._read())

    def take(self) -> None:
        """Keep room for one debate more."""
        self.taken += 1
        self.commands += 1

    async def follow(self, debate_id: str) -> None:
        """Returns with the debate's last event."""
        ended = self._ended[debate_id] = asyncio.get_running_loop().create_future()
        socket = await asyncio.shield(self._opening)
        await socket.send_str(f'{{"type":"subscribe","debate_id":"{debate_id}","after_seq":0}}')
        try:
            await ended
        finally:
            self.taken -= 1

    async def close(self) -> None:
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)
        await (await self._opening).close()

    async def _read(self) -> None:
        lost = "closed by the server"
        async for message in await asyncio.shield(self._opening):
            head = _head.decode(message.data)
            if head.type == "debate_end":
                self._ended.pop(head.loop_id).set_result(None)
            elif head.type == "error":
                lost = f"refused by the server: {message.data}"
                break
        for ended in self._ended.values():
            if not ended.done():
                ended.set_exception(aiohttp.ClientError(lost))
