"""A WebSocket's handshake that fails; its commands: their pace, their count, their order, and that none keeps the
reader waiting."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from structlog.testing import capture_logs
from worlds.logical_time import LoopClock, in_logical_time
from worlds.memory_server import DEFAULT_CONFIG, Boards, World

from aragora import encoding, limits
from aragora.errors import Forbidden, RateLimited, Unauthenticated
from aragora.identity.principal import Method, Principal
from aragora.identity.rbac import WORKFLOWS_READ, Policy
from aragora.server.authentication import Caller
from aragora.server.live.commands import Commands
from aragora.server.live.fanout import Fanout
from aragora.server.live.journals import DebateJournals
from aragora.server.live.sockets import SocketRegistry
from aragora.server.live.subjects import of_debates, of_executions
from aragora.server.live.websocket import WebSocketEndpoint

JANE = Principal("usr_1", "local", ("member",), Method.SESSION, session_id="ses_1")


class Gate:
    """Stands for the authenticator: lets Jane in, and counts her commands."""

    def __init__(self, allowed: int | None = None, broken: Exception | None = None) -> None:
        self.counted = 0
        self._allowed = allowed
        self.broken = broken
        self.denied: Policy | None = None

    async def authenticate(self, facts: Any) -> Principal:
        if self.broken is not None:
            raise self.broken
        if facts.token is not None:
            raise Unauthenticated("no")
        return JANE

    def authorize(self, _: Principal, policy: Policy, __: str) -> None:
        """She may do everything, but for what is `denied`."""
        if policy is self.denied:
            raise Forbidden("You may not read workflows.")

    async def witness(self, *_: Any) -> None:
        """She acts as herself."""

    def caller(self, principal: Principal, _: Any) -> Caller:
        return Caller(principal, None)

    async def count(self, _: Principal) -> None:
        self.counted += 1
        if self._allowed is not None and self.counted > self._allowed:
            raise RateLimited("Too many requests; wait and try again.", retry_after_s=30.0)


class Socket:
    """The client's end: what it sends is in `outgoing`, what it hears in `heard`."""

    def __init__(self) -> None:
        self.outgoing: asyncio.Queue[Any] = asyncio.Queue()
        self.heard: list[dict[str, Any]] = []
        self.closed: tuple[int, str] | None = None
        self.outgoing.put_nowait({"type": "websocket.connect"})

    def say(self, **message: Any) -> None:
        self.outgoing.put_nowait({"type": "websocket.receive", "text": encoding.encode_text(message)})

    def leave(self) -> None:
        self.outgoing.put_nowait({"type": "websocket.disconnect", "code": 1000})

    async def send(self, message: Any) -> None:
        if message["type"] == "websocket.send":
            self.heard.append(encoding.decode(message["text"]))
        elif message["type"] == "websocket.close":
            self.closed = (message["code"], message["reason"])

    def kinds(self) -> list[str]:
        return [message["type"] for message in self.heard]

    def errors(self) -> list[dict[str, Any]]:
        return [message["data"] for message in self.heard if message["type"] == "error"]


def endpoint_of(gate: Gate, world: World) -> WebSocketEndpoint:
    boards, clock = Boards(), LoopClock()
    who: Any = gate
    fanout = Fanout(world, DebateJournals(world), lambda: 0.5)
    return WebSocketEndpoint(
        DEFAULT_CONFIG,
        commands=Commands(
            world, world, who, debates=of_debates(fanout), executions=of_executions(fanout), max_subscriptions=100
        ),
        sockets=SocketRegistry(DEFAULT_CONFIG, boards, boards, who, clock),
        authenticator=who,
        clock=clock,
    )


def connected(endpoint: WebSocketEndpoint, socket: Socket, query: bytes = b"") -> asyncio.Task[None]:
    scope = {"type": "websocket", "path": "/ws", "headers": [], "query_string": query}
    return asyncio.create_task(endpoint(scope, socket.outgoing.get, socket.send))


def on_a_socket(test: Callable[..., Any], **gate: Any) -> None:
    @in_logical_time
    async def run() -> None:
        socket, keeper, world = Socket(), Gate(**gate), World()
        serving = connected(endpoint_of(keeper, world), socket)
        await asyncio.sleep(0.1)
        await test(socket, keeper, world, serving)
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)

    run()


def test_commands_beyond_the_pace_are_refused_with_the_time_to_wait() -> None:
    async def talk(socket: Socket, gate: Gate, _world: World, _serving: Any) -> None:
        for _ in range(limits.COMMANDS_AT_ONCE + 10):
            socket.say(type="ping")
        await asyncio.sleep(0.01)
        assert socket.kinds().count("pong") == limits.COMMANDS_AT_ONCE == gate.counted
        refused = socket.errors()
        assert [error["code"] for error in refused] == ["rate_limited"] * 10
        assert 0 < refused[0]["retry_after_s"] <= 1 / limits.COMMANDS_PER_S
        await asyncio.sleep(1.0)
        socket.say(type="ping")
        await asyncio.sleep(0.01)
        assert socket.kinds()[-1] == "pong"

    on_a_socket(talk)


def test_a_flood_that_heeds_no_refusal_is_cut_off() -> None:
    async def talk(socket: Socket, _gate: Gate, _world: World, serving: Any) -> None:
        for _ in range(10_000):
            socket.say(type="get_loops")
        await serving
        assert socket.closed is not None
        assert socket.closed[0] == 1008
        assert len(socket.errors()) <= limits.COMMANDS_REFUSED_MAX

    on_a_socket(talk)


def test_junk_counts_as_commands_do() -> None:
    async def talk(socket: Socket, _gate: Gate, _world: World, serving: Any) -> None:
        for _ in range(10_000):
            socket.outgoing.put_nowait({"type": "websocket.receive", "text": "junk"})
        await serving
        assert socket.closed is not None
        assert socket.closed[0] == 1008

    on_a_socket(talk)


def test_a_command_counts_in_the_limit_of_all_that_its_caller_asks() -> None:
    async def talk(socket: Socket, _gate: Gate, _world: World, _serving: Any) -> None:
        for _ in range(4):
            socket.say(type="get_loops")
        socket.say(type="subscribe", debate_id="deb_1")
        await asyncio.sleep(0.01)
        assert socket.kinds() == ["connection_info", "loops", "loops", "error", "error", "error"]
        told = {"code": "rate_limited", "message": "Too many requests; wait and try again.", "retry_after_s": 30.0}
        assert socket.errors() == [told] * 3
        assert socket.heard[-1]["loop_id"] == "deb_1"

    on_a_socket(talk, allowed=2)


def test_a_slow_command_keeps_neither_the_clients_leaving_nor_a_refusal_waiting() -> None:
    async def talk(socket: Socket, _gate: Gate, world: World, serving: Any) -> None:
        cancelled = False

        async def vote(*_: Any) -> int:
            nonlocal cancelled
            try:
                await asyncio.sleep(3600.0)
            except asyncio.CancelledError:
                cancelled = True
                raise
            return 1

        world.add()
        world.vote = vote  # type: ignore[method-assign]
        socket.say(type="user_vote", loop_id="deb_1", payload={"choice": "ada"})
        for _ in range(limits.COMMANDS_AT_ONCE + 1):
            socket.say(type="ping")
        await asyncio.sleep(1.0)
        assert "pong" not in socket.kinds()  # one after the other
        assert socket.errors()
        socket.leave()
        async with asyncio.timeout(1.0):
            await serving
        assert cancelled

    on_a_socket(talk)


def test_commands_are_done_in_their_order() -> None:
    async def talk(socket: Socket, _gate: Gate, world: World, _serving: Any) -> None:
        world.add()
        for number in range(20):
            socket.say(type="user_suggestion", loop_id="deb_1", payload={"text": str(number)})
        await asyncio.sleep(1.0)
        acks = [message["data"]["journal_seq"] for message in socket.heard if message["type"] == "ack"]
        assert acks == list(range(2, 22))

    on_a_socket(talk)


def test_the_error_of_a_message_does_not_repeat_the_whole_message() -> None:
    async def talk(socket: Socket, _gate: Gate, _world: World, _serving: Any) -> None:
        socket.say(type="x" * 60_000)
        await asyncio.sleep(0.01)
        (error,) = socket.errors()
        assert error["code"] == "invalid_input"
        assert error["message"].startswith("Invalid value")
        assert len(error["message"]) < 500

    on_a_socket(talk)


def test_no_more_than_one_list_of_debates_is_kept_for_a_client_that_does_not_read() -> None:
    @in_logical_time
    async def run() -> None:
        class Unread(Socket):
            async def send(self, message: Any) -> None:
                if message["type"] == "websocket.send":
                    await asyncio.Event().wait()

        class Counting(World):
            pages = 0

            async def page(self, **wanted: Any) -> Any:
                self.pages += 1
                return await super().page(**wanted)

        socket, world = Unread(), Counting()
        serving = connected(endpoint_of(Gate(), world), socket)
        for _ in range(limits.COMMANDS_AT_ONCE):
            socket.say(type="get_loops")
        await asyncio.sleep(10.0)
        assert world.pages <= 1
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)

    run()


def test_a_handshake_with_too_many_fields_is_refused_and_not_an_error_of_the_server() -> None:
    @in_logical_time
    async def run() -> None:
        socket = Socket()
        await connected(endpoint_of(Gate(), World()), socket, b"&".join([b"x=1"] * 17))
        assert socket.closed is not None
        assert socket.closed[0] == 1008

    run()


def test_a_defect_in_the_handshake_is_told_in_bounded_lines_and_the_client_is_refused() -> None:
    @in_logical_time
    async def run() -> None:
        endpoint = endpoint_of(Gate(broken=RuntimeError("defect")), World())
        with capture_logs() as lines:
            for _ in range(1_000):
                socket = Socket()
                await connected(endpoint, socket)
                assert socket.closed == (1008, "refused")
        assert 0 < len(lines) < 300
        assert (lines[0]["log_level"], lines[0]["error"]) == ("error", "RuntimeError('defect')")

    run()


def test_a_flood_of_refusals_hides_no_defect() -> None:
    @in_logical_time
    async def run() -> None:
        gate = Gate(broken=Unauthenticated("no"))
        endpoint = endpoint_of(gate, World())
        with capture_logs() as lines:
            for _ in range(300):
                await connected(endpoint, Socket())
            gate.broken = RuntimeError("defect")
            await connected(endpoint, Socket())
        assert 0 < [line["log_level"] for line in lines].count("info") < 200
        assert [line["error"] for line in lines if line["log_level"] == "error"] == ["RuntimeError('defect')"]

    run()


def test_who_may_not_read_workflows_watches_no_execution_and_debates_as_before() -> None:
    async def talk(socket: Socket, gate: Gate, world: World, _serving: Any) -> None:
        gate.denied = WORKFLOWS_READ
        world.add("deb_1")
        socket.say(type="subscribe", execution_id="exe_1")
        socket.say(type="subscribe", debate_id="deb_1")
        await asyncio.sleep(0.1)
        (refused,) = [message for message in socket.heard if message["type"] == "error"]
        assert (refused["data"]["code"], refused["execution_id"]) == ("forbidden", "exe_1")
        assert "debate_start" in socket.kinds()

    on_a_socket(talk)
