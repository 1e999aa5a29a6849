"""All that clients hold open in one process: its end with the credentials, with silence, and its places."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Any

import pytest
from worlds.backends import SetClock
from worlds.logical_time import LoopClock, in_logical_time
from worlds.memory_server import DEFAULT_CONFIG, NOW, Boards, World

from aragora.errors import RateLimited, Unavailable
from aragora.identity.principal import Method, Principal
from aragora.server.authentication import Caller
from aragora.server.live.connection import Connection
from aragora.server.live.download import Download
from aragora.server.live.fanout import Fanout
from aragora.server.live.journals import DebateJournals
from aragora.server.live.sockets import SocketRegistry
from aragora.server.live.sse import EventStream
from aragora.server.live.subjects import of_debates

JANE = Principal("usr_1", "local", ("member",), Method.SESSION, session_id="ses_1")
HERE = Caller(JANE, "203.0.113.9")


class Endings:
    """Stands for the authenticator: which principals have ended, and how often it was asked."""

    def __init__(self) -> None:
        self.over: set[Principal] = set()
        self.asked: list[int] = []

    async def ended(self, principals: Collection[Principal]) -> frozenset[Principal]:
        self.asked.append(len(principals))
        return frozenset(one for one in principals if one in self.over)


def registry_of(clock: Any, endings: Any = None, **config: Any) -> SocketRegistry:
    boards = Boards()
    return SocketRegistry(replace(DEFAULT_CONFIG, **config), boards, boards, endings or Endings(), clock)


async def silence() -> Any:
    """What `receive` gives of a client that stays and says nothing."""
    await asyncio.Event().wait()


class Client:
    """The far end of a response. `reads` False takes the head and then nothing more; `full` not even the head, for it
    has not read the answer before this one."""

    def __init__(self, *, reads: bool, full: bool = False) -> None:
        self.body = b""
        self.complete = False
        self._reads = reads
        self._full = full

    async def send(self, message: Any) -> None:
        if self._full:
            await asyncio.Event().wait()
        if message["type"] == "http.response.start":
            return
        if not self._reads:
            await asyncio.Event().wait()
        self.body += message["body"]
        self.complete = not message["more_body"]


async def endless() -> Any:
    while True:
        yield b"x" * 1000
        await asyncio.sleep(1.0)


def stream(registry: SocketRegistry, world: World, caller: Caller = HERE) -> EventStream:
    fanout = Fanout(world, DebateJournals(world), lambda: 0.5)
    return EventStream(of_debates(fanout), registry, world.add(), 0, caller, clock=LoopClock(), bound=100, deltas=False)


def download(registry: SocketRegistry, _world: World, caller: Caller = HERE) -> Download:
    return Download(registry, caller, LoopClock(), endless(), media_type="text/plain", headers={})


TRANSPORTS = pytest.mark.parametrize("made", [stream, download])


@pytest.mark.parametrize(("expires_at", "codes"), [(NOW + 60.0, [1008]), (NOW + 60.5, []), (None, [])])
async def test_a_beat_closes_the_connections_whose_credentials_have_expired(
    expires_at: float | None, codes: list[int]
) -> None:
    clock, said = SetClock(NOW), list[Any]()
    registry = registry_of(clock)

    async def send(message: Any) -> None:
        said.append(message)

    connection = Connection("con_1", Caller(replace(JANE, expires_at=expires_at), None), send, clock, 10)
    with registry.holding(connection):
        registry.beat()
        await connection.say_goodbye()
        assert said == []
        clock.at += 60.0
        registry.beat()
    await connection.say_goodbye()
    assert [message["code"] for message in said] == codes


@TRANSPORTS
@pytest.mark.parametrize("full", [False, True])
def test_a_client_that_does_not_read_loses_its_stream_and_its_place(made: Callable[..., Any], *, full: bool) -> None:
    @in_logical_time
    async def run() -> None:
        registry = registry_of(LoopClock(), max_connections_per_user=1)
        looking = asyncio.create_task(registry.run())
        async with asyncio.timeout(600.0):
            await made(registry, World())({}, silence, Client(reads=False, full=full).send)
        with registry.holding(Connection("con_1", HERE, Client(reads=True).send, LoopClock(), 10)):
            looking.cancel()

    run()


def test_a_client_that_does_not_read_the_end_of_a_download_loses_its_place() -> None:
    async def short() -> Any:
        yield b"all"

    class Full(Client):
        async def send(self, message: Any) -> None:
            if message["type"] == "http.response.body" and not message["more_body"]:
                await asyncio.Event().wait()

    @in_logical_time
    async def run() -> None:
        registry = registry_of(LoopClock(), max_connections_per_user=1)
        looking = asyncio.create_task(registry.run())
        async with asyncio.timeout(600.0):
            answer = Download(registry, HERE, LoopClock(), short(), media_type="text/plain", headers={})
            await answer({}, silence, Full(reads=True).send)
        assert registry.figures()[0] == 0
        looking.cancel()

    run()


@TRANSPORTS
def test_a_stream_ends_when_its_login_does(made: Callable[..., Any]) -> None:
    @in_logical_time
    async def run() -> None:
        endings, client = Endings(), Client(reads=True)
        registry = registry_of(LoopClock(), endings)
        watching = asyncio.create_task(registry.watch())
        serving = asyncio.create_task(made(registry, World())({}, silence, client.send))
        await asyncio.sleep(60.0)
        assert not serving.done()
        endings.over.add(JANE)
        async with asyncio.timeout(10.0):
            await serving
        watching.cancel()
        if made is stream:
            assert b"credentials expired" in client.body
            assert client.complete
        else:
            assert not client.complete  # nobody takes the file for whole

    run()


@TRANSPORTS
def test_a_stream_ends_when_its_credentials_expire(made: Callable[..., Any]) -> None:
    @in_logical_time
    async def run() -> None:
        registry = registry_of(LoopClock())
        looking = asyncio.create_task(registry.run())
        expiring = Caller(replace(JANE, expires_at=LoopClock().now() - 1.0), None)
        async with asyncio.timeout(30.0):
            await made(registry, World(), expiring)({}, silence, Client(reads=True).send)
        looking.cancel()

    run()


@TRANSPORTS
def test_a_stream_ends_when_the_server_does_or_the_client_leaves(made: Callable[..., Any]) -> None:
    async def leave() -> Any:
        await asyncio.sleep(50.0)
        return {"type": "http.disconnect"}

    @in_logical_time
    async def run() -> None:
        registry = registry_of(LoopClock())
        serving = asyncio.create_task(made(registry, World())({}, silence, Client(reads=True).send))
        await asyncio.sleep(50.0)
        registry.close_all(1012, "restarting")
        await serving
        await made(registry, World())({}, leave, Client(reads=True).send)
        assert asyncio.get_running_loop().time() == pytest.approx(100.0)

    run()


def test_an_idle_stream_gives_signs_of_life() -> None:
    @in_logical_time
    async def run() -> None:
        registry, client = registry_of(LoopClock()), Client(reads=True)
        looking = asyncio.create_task(registry.run())
        serving = asyncio.create_task(stream(registry, World())({}, silence, client.send))
        await asyncio.sleep(100.0)
        assert client.body.count(b": still here") == 4
        for task in (looking, serving):
            task.cancel()

    run()


async def test_places_are_shared_by_all_transports_and_refused_before_anything_is_sent() -> None:
    registry = registry_of(LoopClock(), max_connections_per_user=2)
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    with (
        registry.holding(Connection("con_1", HERE, send, LoopClock(), 10)),
        registry.holding(Connection("con_2", HERE, send, LoopClock(), 10)),
    ):
        for made in (stream, download):
            with pytest.raises(RateLimited, match="This account holds 2"):
                await made(registry, World())({}, silence, send)
        another = Connection("con_3", Caller(replace(JANE, user_id="usr_2"), "192.0.2.7"), send, LoopClock(), 10)
        with registry.holding(another):
            assert registry.figures()[0] == 3
    assert sent == []
    assert registry.figures()[0] == 0


async def test_a_full_or_closing_server_takes_no_more() -> None:
    registry = registry_of(LoopClock(), ws_max_connections=1)
    client = Client(reads=True)
    held = registry.holding(Connection("con_1", HERE, client.send, LoopClock(), 10))
    with held, pytest.raises(Unavailable, match="all the connections"):
        await download(registry, World())({}, silence, client.send)
    registry.closing_reason = "the server is restarting"
    with pytest.raises(Unavailable, match="restarting"):
        await stream(registry, World())({}, silence, client.send)


async def test_what_breaks_a_download_is_not_hidden() -> None:
    async def broken() -> Any:
        yield b"one"
        raise Unavailable("The database is away.")

    client = Client(reads=True)
    answer = Download(registry_of(LoopClock()), HERE, LoopClock(), broken(), media_type="text/plain", headers={})
    with pytest.raises(Unavailable, match="away"):
        await answer({}, silence, client.send)
    assert (client.body, client.complete) == (b"one", False)


async def test_a_download_that_breaks_before_its_first_piece_sends_nothing_and_has_its_failure_answered() -> None:
    async def broken() -> Any:
        raise Unavailable("The database is away.")
        yield b""

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    answer = Download(registry_of(LoopClock()), HERE, LoopClock(), broken(), media_type="text/plain", headers={})
    with pytest.raises(Unavailable, match="away"):
        await answer({}, silence, send)
    assert sent == []


async def test_ten_thousand_sockets_of_one_login_are_one_question() -> None:
    endings = Endings()
    registry = registry_of(SetClock(NOW), endings, max_connections_per_user=20_000, max_connections_per_address=20_000)
    held = [registry.holding(Connection(str(number), HERE, None, SetClock(NOW), 10)) for number in range(10_000)]  # type: ignore[arg-type]
    for one in held:
        one.__enter__()
    await registry.end_revoked()
    assert endings.asked == [1]
