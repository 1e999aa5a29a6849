"""Followers see every seq once and in order: whatever breaks between the coordinator and the replica."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from structlog.testing import capture_logs
from worlds.actors_without_ray import runtime_over
from worlds.waiting import WAIT_S, eventually

from actors.channels import sockets
from actors.channels.event_outlets import EventPolls, EventSocket
from actors.channels.sockets import Endpoint, FrameConnection, FrameServer
from actors.channels.watchers import Item, Watcher, Watchers
from actors.gateways.event_feed import JournalFeed
from actors.gateways.event_lines import Line, Listener, open_line
from actors.kinds import COORDINATOR
from actors.ray_environment import RUN_DIRECTORY
from aragora.debate.journal import JournalRow
from aragora.debate.model import DebateStatus
from aragora.errors import NotFound, Unavailable
from aragora.scope import Scope
from aragora.server.live.journals import DebateJournals


class Store:
    """The rows that are durable."""

    def __init__(self) -> None:
        self.rows: dict[str, list[JournalRow]] = defaultdict(list)

    def append(self, debate_id: str, kind: str = "vote") -> JournalRow:
        seq = len(self.rows[debate_id]) + 1
        row = JournalRow(debate_id, seq, kind, f'{{"type":"{kind}","seq":{seq}}}', 0.0)
        self.rows[debate_id].append(row)
        return row

    async def get(self, debate_id: str, scope: Scope) -> Any:
        if debate_id not in self.rows:
            raise NotFound("no such debate")
        return SimpleNamespace(last_seq=len(self.rows[debate_id]), status=DebateStatus.ACTIVE)

    async def events(self, debate_id: str, after: int = 0, limit: int = 500) -> list[str]:
        return [row.payload for row in self.rows[debate_id][after : after + limit]]


class Coordinator:
    """The events' side of a coordinator, for a replica on its node or not.
    `cut`: nobody gets through, `restart`: its process died, and all it knew of watchers."""

    def __init__(self, *, near: bool, buffer: int = 1000) -> None:
        self.near = near
        self.buffer = buffer
        self.cut = False
        self.asked = 0
        self.frames = 0
        self.shown: list[str] = []
        self.connections: list[FrameConnection] = []
        self.start()

    def start(self) -> None:
        self.watchers = Watchers(self.buffer, self.shown.append)
        self.polls = EventPolls(self.watchers)
        self.socket = EventSocket(self.watchers)
        self.socket._server = FrameServer(self._connect)

    def restart(self) -> None:
        self.socket.close()
        for connection in self.connections:
            connection.close()
        self.start()

    async def endpoint(self) -> Endpoint:
        self._ask()
        return Endpoint("here", await self.socket.listen() if self.near else None)

    async def watch(
        self, watcher: str, follow: tuple[str, ...], leave: tuple[str, ...], show: tuple[str, ...]
    ) -> bytes:
        self._ask()
        return await self.polls.poll(watcher, follow, leave, show)

    def _ask(self) -> None:
        self.asked += 1
        if self.cut:
            raise Unavailable("cut off")

    def _connect(self) -> FrameConnection:
        connection = self.socket._connect()
        self.connections.append(connection)
        received = connection._received

        def counted(peer: FrameConnection, frame: bytes) -> None:
            self.frames += 1
            received(peer, frame)

        connection._received = counted
        return connection


class Follow:
    """A follower running in the background, and what it has seen."""

    def __init__(self, feed: JournalFeed, debate_id: str, after: int = 0) -> None:
        self.seqs: list[int] = []
        self.task = asyncio.create_task(self._run(feed, debate_id, after))

    async def _run(self, feed: JournalFeed, debate_id: str, after: int) -> None:
        async for item in feed.follow(debate_id, after):
            self.seqs.append(item.seq)

    async def seen(self, count: int) -> None:
        await eventually(lambda: len(self.seqs) >= count)


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture(autouse=True)
def own_directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(RUN_DIRECTORY, str(tmp_path))
    monkeypatch.setattr(sockets, "this_node", lambda: "here")


@pytest.fixture(params=["socket", "polls"])
def near(request: pytest.FixtureRequest) -> bool:
    return bool(request.param == "socket")


@pytest.fixture
def link(near: bool) -> Iterator[Coordinator]:
    coordinator = Coordinator(near=near)
    yield coordinator
    coordinator.socket.close()


@pytest.fixture
def feed(store: Store, link: Coordinator) -> JournalFeed:
    return feed_of(link, store)


def feed_of(link: Coordinator, store: Store) -> JournalFeed:
    return JournalFeed(
        partial(open_line, runtime_over(link), COORDINATOR), DebateJournals(store), ("0",), "coordinator"
    )  # type: ignore[arg-type]


def feed_on(opened: Any, store: Store) -> JournalFeed:
    """A feed whose lines are these."""
    return JournalFeed(opened, DebateJournals(store), ("0",), "coordinator")  # type: ignore[arg-type]


def publish(store: Store, link: Coordinator, debate_id: str, kind: str = "vote") -> None:
    link.watchers.publish([store.append(debate_id, kind)])


async def test_what_was_stored_comes_first_then_what_happens(
    feed: JournalFeed, store: Store, link: Coordinator
) -> None:
    for _ in range(3):
        store.append("d")
    follow = Follow(feed, "d", after=1)
    await follow.seen(2)
    publish(store, link, "d")
    publish(store, link, "d", "debate_end")
    await asyncio.wait_for(follow.task, WAIT_S)
    assert follow.seqs == [2, 3, 4, 5]


async def test_a_restarted_coordinator_costs_no_event(feed: JournalFeed, store: Store, link: Coordinator) -> None:
    store.append("d")
    follow = Follow(feed, "d")
    await follow.seen(1)
    asked = link.asked
    link.cut = True
    old = link.watchers
    link.restart()
    store.append("d")  # journaled while nobody could be told
    old.publish([JournalRow("d", 2, "vote", '{"type":"vote","seq":2}', 0.0)])
    await eventually(lambda: link.asked > asked)  # it has tried in vain
    link.cut = False
    publish(store, link, "d")
    publish(store, link, "d", "debate_end")
    await asyncio.wait_for(follow.task, WAIT_S)
    assert follow.seqs == [1, 2, 3, 4]


async def test_an_overflowing_queue_is_made_good_from_the_store(store: Store, near: bool) -> None:
    link = Coordinator(near=near, buffer=3)
    feed = feed_of(link, store)
    store.append("d")
    follow = Follow(feed, "d")
    await follow.seen(1)
    rows = [store.append("d") for _ in range(10)]
    for row in rows:
        link.watchers.publish([row])
    publish(store, link, "d", "debate_end")
    await asyncio.wait_for(follow.task, WAIT_S)
    assert follow.seqs == list(range(1, 13))


async def test_news_that_has_no_encoding_is_made_good_from_the_store(
    feed: JournalFeed, store: Store, link: Coordinator
) -> None:
    store.append("d")
    follow = Follow(feed, "d")
    await follow.seen(1)
    row = store.append("d")
    link.watchers.publish([replace(row, payload="half a character \ud83d")])
    publish(store, link, "d", "debate_end")
    await asyncio.wait_for(follow.task, WAIT_S)
    assert follow.seqs == [1, 2, 3]


async def test_many_followers_share_one_line(feed: JournalFeed, store: Store, link: Coordinator) -> None:
    for number in range(20):
        store.append(f"d{number}")
    follows = [Follow(feed, f"d{number}") for number in range(20) for _ in range(3)]
    await asyncio.gather(*(follow.seen(1) for follow in follows))
    asked = link.asked
    for number in range(20):
        publish(store, link, f"d{number}", "debate_end")
    await asyncio.wait_for(asyncio.gather(*(follow.task for follow in follows)), WAIT_S)
    assert all(follow.seqs == [1, 2] for follow in follows)
    assert asked + link.frames <= 6, "registrations of one loop turn travel together"


async def test_following_an_unknown_debate_is_refused(feed: JournalFeed) -> None:
    with pytest.raises(NotFound):
        await anext(feed.follow("nowhere"))


async def test_a_follower_that_leaves_is_no_longer_told(feed: JournalFeed, store: Store, link: Coordinator) -> None:
    store.append("d")
    store.append("e")
    leaving, staying = Follow(feed, "d"), Follow(feed, "e")
    await asyncio.gather(leaving.seen(1), staying.seen(1))
    leaving.task.cancel()
    await asyncio.gather(leaving.task, return_exceptions=True)
    publish(store, link, "e")
    await staying.seen(2)
    publish(store, link, "e", "debate_end")
    await asyncio.wait_for(staying.task, WAIT_S)
    assert not link.watchers._by_journal.get("d")


async def test_a_coordinator_that_is_away_is_found_when_it_is_back(
    feed: JournalFeed, store: Store, link: Coordinator
) -> None:
    store.append("d")
    link.cut = True
    follow = Follow(feed, "d")
    await follow.seen(1)  # the store is read meanwhile
    store.append("d")
    link.cut = False
    await follow.seen(2)
    publish(store, link, "d", "debate_end")
    await asyncio.wait_for(follow.task, WAIT_S)
    assert follow.seqs == [1, 2, 3]


async def test_a_burst_arrives_whole(feed: JournalFeed, store: Store, link: Coordinator) -> None:
    store.append("d")
    follow = Follow(feed, "d")
    await follow.seen(1)
    for _ in range(900):
        publish(store, link, "d")
    publish(store, link, "d", "debate_end")
    await asyncio.wait_for(follow.task, WAIT_S)
    assert follow.seqs == list(range(1, 903))


async def test_a_second_follower_waits_for_the_registration_of_the_first(
    feed: JournalFeed, store: Store, link: Coordinator
) -> None:
    store.append("d")
    follows = [Follow(feed, "d"), Follow(feed, "d")]
    await asyncio.sleep(0)
    follows.append(Follow(feed, "d"))
    await asyncio.gather(*(follow.seen(1) for follow in follows))
    publish(store, link, "d", "debate_end")
    await asyncio.wait_for(asyncio.gather(*(follow.task for follow in follows)), WAIT_S)
    assert all(follow.seqs == [1, 2] for follow in follows)


class Breaking:
    """A line that is lost while it brings its first change; the change fails with it, or not."""

    def __init__(self, listener: Listener, *, change_fails: bool) -> None:
        self._listener = listener
        self._change_fails = change_fails

    async def change(self, follow: Sequence[str], leave: Sequence[str], show: Sequence[str] = ()) -> None:
        self._listener.lost(Unavailable("the coordinator closed the connection"))
        if self._change_fails:
            raise Unavailable("the coordinator closed the connection")

    def close(self) -> None: ...


class Whole:
    """A line that holds."""

    async def change(self, follow: Sequence[str], leave: Sequence[str], show: Sequence[str] = ()) -> None: ...

    def close(self) -> None: ...


class Recorded:
    """A line that notes whom it is to leave, and brings its changes once it may."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.may = asyncio.Event()
        self.left: list[str] = []

    async def change(self, follow: Sequence[str], leave: Sequence[str], show: Sequence[str] = ()) -> None:
        self.asked.set()
        await self.may.wait()
        self.left += leave

    def close(self) -> None: ...


async def test_a_follower_that_leaves_before_the_coordinator_knows_it_is_not_kept(store: Store) -> None:
    line, listeners = Recorded(), list[Listener]()

    async def opened(_: str, listener: Listener) -> Line:
        listeners.append(listener)
        return line

    store.append("d")
    feed = feed_on(opened, store)
    follow = Follow(feed, "d")
    await asyncio.wait_for(line.asked.wait(), WAIT_S)
    follow.task.cancel()
    await asyncio.gather(follow.task, return_exceptions=True)
    line.may.set()
    await eventually(lambda: line.left == ["d"])
    assert not feed._shards[0]._followers, "news of the debate would pile up in it"


@pytest.mark.parametrize("change_fails", [True, False])
async def test_a_line_that_is_lost_is_logged_once_and_as_lost(store: Store, change_fails: bool) -> None:
    opened: list[Line] = []

    async def open_broken_then_whole(_: str, listener: Listener) -> Line:
        opened.append(Whole() if opened else Breaking(listener, change_fails=change_fails))
        return opened[-1]

    store.append("d")
    with capture_logs() as logs:
        follow = Follow(feed_on(open_broken_then_whole, store), "d")
        await eventually(lambda: len(opened) == 2)
        await follow.seen(1)
    follow.task.cancel()
    await asyncio.gather(follow.task, return_exceptions=True)
    assert [line["event"] for line in logs] == ["coordinator lost"]


async def test_a_coordinator_that_is_not_reached_is_logged_as_such(store: Store) -> None:
    opened: list[Line] = []

    async def open_at_the_second_try(_: str, listener: Listener) -> Line:
        opened.append(Whole())
        if len(opened) == 1:
            raise Unavailable("restarting")
        return opened[-1]

    store.append("d")
    with capture_logs() as logs:
        follow = Follow(feed_on(open_at_the_second_try, store), "d")
        await eventually(lambda: len(opened) == 2)
    follow.task.cancel()
    await asyncio.gather(follow.task, return_exceptions=True)
    assert [line["event"] for line in logs] == ["coordinator not reached"]


async def test_a_follower_that_leaves_at_the_moment_of_news_is_gone(store: Store) -> None:
    listeners: list[Listener] = []

    async def opened(_: str, listener: Listener) -> Line:
        listeners.append(listener)
        return Whole()

    store.append("d")
    follow = Follow(feed_on(opened, store), "d")
    await follow.seen(1)
    await asyncio.sleep(0)  # it waits for news again
    row = store.append("d")
    listeners[0].heard([Item(row.debate_id, row.seq, row.type, row.payload)])
    follow.task.cancel()
    gone, _ = await asyncio.wait({follow.task}, timeout=WAIT_S)
    assert gone
    assert follow.seqs == [1]


def writing(link: Coordinator, debate_id: str, text: str) -> None:
    link.watchers.tell(Item(debate_id, 0, "token", text))


class Watch(Follow):
    """A follower that keeps what agents are writing, too."""

    def __init__(self, feed: JournalFeed, debate_id: str) -> None:
        self.glimpses: list[str] = []
        super().__init__(feed, debate_id)

    async def _run(self, feed: JournalFeed, debate_id: str, after: int) -> None:
        async for item in feed.follow(debate_id, after):
            if item.seq == 0:
                self.glimpses.append(item.payload)
            else:
                self.seqs.append(item.seq)


async def test_what_agents_write_comes_between_the_events_where_it_is_wanted(
    feed: JournalFeed, store: Store, link: Coordinator
) -> None:
    store.append("d")
    follow = Watch(feed, "d")
    await follow.seen(1)
    writing(link, "d", "before anybody wanted it")
    feed.show("d")
    await eventually(lambda: link.shown == ["d"])
    writing(link, "d", "Tea")
    publish(store, link, "d")
    await eventually(lambda: follow.glimpses == ["Tea"])
    await follow.seen(2)
    feed.show("d")  # somebody else: agents begin anew
    await eventually(lambda: link.shown == ["d", "d"])
    feed.hide("d")
    writing(link, "d", "nobody wants it any more")
    publish(store, link, "d", "debate_end")
    await asyncio.wait_for(follow.task, WAIT_S)
    assert (follow.glimpses, follow.seqs) == (["Tea"], [1, 2, 3])


async def test_it_may_be_wanted_before_anybody_follows_and_again_from_a_coordinator_that_restarted(
    feed: JournalFeed, store: Store, link: Coordinator
) -> None:
    store.append("d")
    feed.show("d")
    follow = Watch(feed, "d")
    await eventually(lambda: link.shown == ["d"])
    link.restart()
    await eventually(lambda: link.shown == ["d", "d"])
    writing(link, "d", "Tea")
    await eventually(lambda: follow.glimpses == ["Tea"])
    follow.task.cancel()
    await eventually(lambda: not link.watchers.shown, "the coordinator forgets it with the last follower")


def test_what_agents_write_gives_way_to_events_and_a_full_queue_takes_none_of_it() -> None:
    watchers = Watchers(buffer=3)
    watcher = Watcher(lambda: None)
    watchers.change(watcher, ("d",), (), ("d", "never followed"))
    assert watchers.shown == {"d"}
    for number in range(10):
        watchers.tell(Item("d", 0, "token", str(number)))
    assert [item.payload for item in watcher.queue] == ["0", "1", "2"]
    rows = [JournalRow("d", seq, "vote", "{}", 0.0) for seq in (1, 2, 3)]
    watchers.publish(rows)
    assert ([item.seq for item in watcher.queue], watcher.lost) == ([1, 2, 3], False)
    watchers.tell(Item("d", 0, "token", "late"))
    assert len(watcher.queue) == 3
