"""One client that catches up on many debates at once, and reads all it is sent."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import Any

import pytest
from worlds.logical_time import LoopClock, in_logical_time
from worlds.memory_server import World
from worlds.waiting import eventually

from aragora import encoding
from aragora.identity.principal import Method, Principal
from aragora.scope import EVERYTHING
from aragora.server.authentication import Caller
from aragora.server.live.connection import Connection
from aragora.server.live.fanout import Fanout
from aragora.server.live.journals import DebateJournals

DEBATES = [f"deb_{number}" for number in range(20)]
JANE = Caller(Principal("usr_1", "local", ("member",), Method.SESSION, session_id="ses_1"), None)
BOUND = 200


class Reading:
    """A client at the end of a connection that takes each message in a millisecond."""

    def __init__(self) -> None:
        self.seqs: dict[str, list[int]] = defaultdict(list)
        self.connection = Connection("con_1", JANE, self._take, LoopClock(), BOUND)

    async def _take(self, message: Any) -> None:
        await asyncio.sleep(0.001)
        event = encoding.decode(message["text"])
        self.seqs[event["loop_id"]].append(event["seq"])

    def has_all_of(self, world: World) -> bool:
        return self.seqs == {one: list(range(1, len(world.journals[one]) + 1)) for one in DEBATES}


@pytest.mark.parametrize("followed", [False, True], ids=["from the store", "from what a follower kept"])
def test_a_client_that_reads_all_is_brought_up_to_date_on_many_debates_at_once(*, followed: bool) -> None:
    @in_logical_time
    async def run() -> None:
        world, client, another = World(), Reading(), Reading()
        fanout = Fanout(world, DebateJournals(world), lambda: 0.5)
        serving = [asyncio.create_task(one.connection.live(_stays())) for one in (client, another)]
        for debate_id in DEBATES:
            world.add(debate_id)
            if followed:
                await fanout.join(debate_id, 0, another.connection, EVERYTHING)
            await world.rounds(debate_id, 50 if followed else 300)
        await asyncio.sleep(60.0)
        joining = [
            fanout.join(debate_id, 0 if not followed else 1, client.connection, EVERYTHING) for debate_id in DEBATES
        ]
        async with asyncio.timeout(600.0):
            await asyncio.gather(*joining)
            await asyncio.sleep(60.0)
        assert (client.connection.closed, client.connection.dropped) == (None, 0)
        if followed:
            for debate_id in DEBATES:
                client.seqs[debate_id].insert(0, 1)
        assert client.has_all_of(world)
        for debate_id in DEBATES:
            fanout.leave(debate_id, client.connection)
            fanout.leave(debate_id, another.connection)
        for one in serving:
            one.cancel()

    run()


def test_a_client_that_leaves_while_it_catches_up_gives_its_turn_back() -> None:
    @in_logical_time
    async def run() -> None:
        world, client = World(), Reading()
        fanout = Fanout(world, DebateJournals(world), lambda: 0.5)
        for debate_id in DEBATES[:2]:
            world.add(debate_id)
            await world.rounds(debate_id, 300)
        serving = asyncio.create_task(client.connection.live(_stays()))
        first, second = (
            asyncio.create_task(fanout.join(debate_id, 0, client.connection, EVERYTHING)) for debate_id in DEBATES[:2]
        )
        await asyncio.sleep(0.05)
        first.cancel()
        await second
        await asyncio.sleep(60.0)
        assert client.seqs["deb_1"] == list(range(1, 302))
        fanout.leave("deb_1", client.connection)
        serving.cancel()

    run()


def _stays() -> asyncio.Task[None]:
    return asyncio.create_task(asyncio.Event().wait())  # type: ignore[arg-type]


async def test_only_who_wants_it_sees_what_agents_write_and_nobody_pays_for_it_when_the_last_one_has_left() -> None:
    world, watches, follows = World(), Reading(), Reading()
    seen: dict[str, list[str]] = {"watches": [], "follows": []}
    for name, client in (("watches", watches), ("follows", follows)):
        client.connection.glimpse = seen[name].append  # type: ignore[method-assign]
    fanout = Fanout(world, DebateJournals(world), lambda: 0.5)
    serving = [asyncio.create_task(client.connection.live(_stays())) for client in (watches, follows)]
    deb_1, deb_2 = world.add("deb_1"), world.add("deb_2")
    for client in (watches, follows):
        await fanout.join(deb_1, 0, client.connection, EVERYTHING)
    assert world.shown == []
    fanout.watch(deb_1, watches.connection)
    fanout.watch(deb_2, watches.connection)  # which it does not follow
    assert world.shown == [deb_1]
    await eventually(lambda: world.follows == 1)
    await world.glimpse(deb_1, "Tea")
    await eventually(lambda: seen["watches"] == ["Tea"])
    assert seen["follows"] == []
    fanout.leave(deb_1, watches.connection)
    assert world.hidden == [deb_1]
    fanout.leave(deb_1, follows.connection)
    assert world.hidden == [deb_1]
    for one in serving:
        one.cancel()


async def test_a_client_that_reads_slowly_loses_what_agents_write_and_no_event() -> None:
    taken: list[str] = []

    async def send(message: Any) -> None:
        taken.append(message["text"])

    connection = Connection("con_1", JANE, send, LoopClock(), BOUND)
    for number in range(BOUND):
        connection.glimpse(f"glimpse {number}")
    for number in range(BOUND - BOUND // 8):
        connection.say(f"event {number}")
    assert (connection.closed, connection.dropped) == (None, 0)
    serving = asyncio.create_task(connection.live(_stays()))
    await eventually(lambda: len(taken) == BOUND)
    assert sum(text.startswith("event") for text in taken) == BOUND - BOUND // 8
    serving.cancel()
