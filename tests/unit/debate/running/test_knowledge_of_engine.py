"""The engine looks for knowledge once, before it asks anybody, and never after that."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from worlds.debating import item_of, offer_of
from worlds.logical_time import in_logical_time
from worlds.memory_engine import World, answer, spec
from worlds.memory_knowledge import ScriptedSource
from worlds.waiting import eventually

from aragora.debate import journal, machine
from aragora.debate.knowledge import NotOffered, Offer
from aragora.debate.model import DebateStatus, KnowledgeOffered, Proposal, Protocol
from aragora.debate.running.engine import Limits
from aragora.debate.running.looks import Looks
from aragora.encoding import decode
from aragora.receipts.closing import KNOWLEDGE, Closing
from aragora.receipts.signing import Signer
from aragora.receipts.verifying import verify

SIGNER = Signer.from_seed(bytes(32))
QUICK = Protocol("structured", rounds=1, critique=False)


def world_with(source: ScriptedSource, at_once: int = 8, **settings: Any) -> World:
    return World(knowledge=Looks(source, at_once=at_once), **settings)


def taking(debate_id: str = "deb_1", **settings: Any) -> Any:
    return spec(debate_id, protocol=QUICK, knowledge=True, **settings)


def offered(world: World, debate_id: str = "deb_1") -> list[KnowledgeOffered]:
    events = journal.events_of([row.payload for row in world.journal.rows[debate_id]])
    return [event for event in events if isinstance(event, KnowledgeOffered)]


async def test_what_is_offered_is_durable_before_anybody_is_asked() -> None:
    source = ScriptedSource()
    world = world_with(source)

    def script(request: Any) -> Any:
        assert "knowledge_offered" in world.journal.types("deb_1")
        return answer(request)

    world.agents.script = script
    await world.engine.open(taking())
    await world.ended("deb_1")
    assert world.journal.types("deb_1")[:3] == ["debate_start", "knowledge_offered", "round_start"]
    assert offered(world)[0].items == offer_of().items
    assert source.asked == ["deb_1"]


async def test_without_a_source_no_debate_waits_and_no_journal_speaks_of_knowledge() -> None:
    world = World()
    await world.engine.open(taking())
    await world.ended("deb_1")
    assert world.journal.types("deb_1")[:2] == ["debate_start", "round_start"]
    assert "knowledge" not in decode(world.journal.receipts[0].document)


async def test_a_debate_that_wants_none_looks_for_none() -> None:
    source = ScriptedSource()
    world = world_with(source)
    await world.engine.open(spec(protocol=QUICK))
    await world.ended("deb_1")
    assert source.asked == []
    assert offered(world) == []


@in_logical_time
async def test_a_source_that_takes_half_a_minute_delays_the_first_ask_by_its_limit() -> None:
    world = world_with(ScriptedSource(takes_s=31.0))
    at: list[float] = []

    def script(request: Any) -> Any:
        at.append(asyncio.get_running_loop().time())
        return answer(request)

    world.agents.script = script
    await world.engine.open(taking())
    await world.ended("deb_1")
    assert at[0] == pytest.approx(0.15, abs=0.02)
    assert offered(world) == [KnowledgeOffered(why=NotOffered.LATE)]


async def test_a_source_that_raises_fails_no_debate() -> None:
    def broken() -> Offer:
        raise RuntimeError("no")

    world = world_with(ScriptedSource(broken))
    await world.engine.open(taking())
    await world.ended("deb_1")
    assert world.journal.statuses["deb_1"] is DebateStatus.COMPLETED
    assert offered(world) == [KnowledgeOffered(why=NotOffered.AWAY)]


@in_logical_time
async def test_a_full_bulkhead_sends_debates_on_without() -> None:
    world = world_with(ScriptedSource(deaf=True), at_once=2)
    names = [f"deb_{number}" for number in range(6)]
    for name in names:
        await world.engine.open(taking(name))
    await world.ended(*names)
    assert [offered(world, name)[0].why for name in names] == [NotOffered.LATE] * 2 + [NotOffered.BUSY] * 4


async def test_killed_between_opening_and_offer_the_debate_looks_once_more_and_has_one_offer() -> None:
    source = ScriptedSource(deaf=True)
    world = world_with(source, limits=Limits(1, 5))
    world.knowledge = Looks(source, limit_s=600.0)
    world.restart()
    await world.engine.open(taking())
    await eventually(lambda: source.asked == ["deb_1"])
    assert world.journal.types("deb_1") == ["debate_start"]
    await world.engine.drain(0.0)
    world.knowledge = Looks(ScriptedSource(lambda: Offer((item_of(5),))))
    await world.restart().recover(lambda _: True)
    source.let_go.set()
    await world.ended("deb_1")
    assert [[item.item_id for item in event.items] for event in offered(world)] == [["kno_5"]]


async def test_killed_after_the_first_asks_the_debate_never_looks_again() -> None:
    source = ScriptedSource()
    world = world_with(source)
    world.agents.script = lambda _request: None
    await world.engine.open(taking())
    await eventually(lambda: len(world.agents.asked) == 4)
    await world.engine.drain(0.0)
    world.knowledge = Looks(ScriptedSource(lambda: Offer((item_of(5),))))
    world.agents.script = answer
    await world.restart().recover(lambda _: True)
    await world.ended("deb_1")
    assert source.asked == ["deb_1"]
    assert offered(world) == [offer_of()]


async def test_a_debate_whose_source_is_gone_after_a_restart_goes_on_without() -> None:
    source = ScriptedSource(deaf=True)
    world = world_with(source)
    world.knowledge = Looks(source, limit_s=600.0)
    world.restart()
    await world.engine.open(taking())
    await eventually(lambda: source.asked == ["deb_1"])
    await world.engine.drain(0.0)
    source.let_go.set()
    world.knowledge = None
    await world.restart().recover(lambda _: True)
    await world.ended("deb_1")
    assert offered(world) == [KnowledgeOffered(why=NotOffered.OFF)]


async def test_a_debate_is_cancelled_while_it_looks_and_what_is_found_then_is_dropped() -> None:
    source = ScriptedSource(deaf=True)
    world = world_with(source)
    world.knowledge = Looks(source, limit_s=600.0)
    world.restart()
    await world.engine.open(taking())
    await eventually(lambda: source.asked == ["deb_1"])
    assert await world.engine.cancel("deb_1", "ann") is DebateStatus.CANCELLED
    source.let_go.set()
    await world.ended("deb_1")
    assert offered(world) == []
    assert world.engine.load().active == 0


async def test_offered_cited_and_reused_are_counted_apart_and_the_receipt_lists_them() -> None:
    world = world_with(ScriptedSource())

    def script(request: Any) -> Any:
        reply = answer(request)
        if isinstance(getattr(reply, "content", None), Proposal):
            words = Proposal("The same for all [K1].", 0.7, (f"{request.ask.agent} saw it",))
            return type(reply)(reply.ask_id, reply.agent, words, reply.usage)
        return reply

    world.agents.script = script
    await world.engine.open(spec(protocol=Protocol("structured", positions=True, trickster=False), knowledge=True))
    await world.ended("deb_1")
    counted = {name: value for name, value in world.journal.counters.items() if "_km_" in str(name)}
    assert {str(name).partition("{")[0]: value for name, value in counted.items()} == {
        "aragora_km_looks_total": 1,
        "aragora_km_items_offered_total": 2,
        "aragora_km_items_cited_total": 4,
        "aragora_km_cross_debate_reuse_total": 1,
    }
    document = decode(world.journal.receipts[0].document)
    assert verify(document, None)[0]
    told = {one["label"]: (one["item_id"], one["cited_by"], one["grounds"]) for one in document["knowledge"]["offered"]}
    assert told == {"K1": ("kno_1", ["ann", "bob", "cem", "dia"], True), "K2": ("kno_2", [], False)}


@pytest.mark.parametrize("learns", [True, False])
async def test_each_end_is_told_to_those_who_learn_where_there_are_any(learns: bool) -> None:
    world = World(closing=Closing(SIGNER, knowledge=learns))
    await world.engine.open(spec("deb_decided", protocol=QUICK))
    await world.ended("deb_decided")
    world.agents.script = lambda _request: None
    await world.engine.open(spec("deb_cancelled", protocol=QUICK))
    await world.engine.cancel("deb_cancelled", "ann")
    await world.ended("deb_cancelled")
    rows = [row for row in world.journal.outbox if row.topic == KNOWLEDGE]
    told = {row.debate_id: decode(row.payload)["end"] for row in rows}
    assert told == ({"deb_decided": "decided", "deb_cancelled": "cancelled"} if learns else {})
    assert len({row.outbox_id for row in rows}) == len(rows)


async def test_what_broke_off_is_told_as_broken() -> None:
    closing = Closing(SIGNER, knowledge=True)
    events = [machine.first_event(taking())]
    rows = {row.topic: decode(row.payload) for row in closing.owed(events, 5.0)}
    assert rows[KNOWLEDGE] == {
        "debate_id": "deb_1",
        "org_id": "local",
        "workspace": "default",
        "at": 5.0,
        "end": "broken",
    }
    assert closing.owed([], 5.0) == ()
