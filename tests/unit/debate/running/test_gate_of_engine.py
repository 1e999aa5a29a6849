"""A debate that waits for people: it holds no place and no memory, and outlives every restart."""

from __future__ import annotations

from dataclasses import replace

import pytest
from worlds.memory_engine import World, answer, spec
from worlds.waiting import eventually

from aragora.debate.machine.gate import Signer, Word
from aragora.debate.model import DebateStatus, Verdict
from aragora.debate.running.engine import Limits
from aragora.encoding import decode
from aragora.errors import Conflict

ANN, MARY = Signer("ann"), Signer("mary", ("owner",))
APPROVE = Word(Verdict.APPROVE)
NEEDS = ("user:ann", "role:owner")


async def waiting(world: World, debate_id: str = "deb_1") -> None:
    await eventually(lambda: world.journal.statuses.get(debate_id) is DebateStatus.WAITING)
    await eventually(lambda: world.engine.load().active == 0)


async def test_what_waits_for_people_gives_its_place_to_others() -> None:
    world = World(limits=Limits(1, 5))
    for debate_id in ("deb_1", "deb_2", "deb_3"):
        await world.engine.open(spec(debate_id, needs=NEEDS))
    for debate_id in ("deb_1", "deb_2", "deb_3"):
        await waiting(world, debate_id)
    assert (world.engine.load().active, world.engine.load().queued) == (0, 0)
    assert await world.engine.drain(1.0) == 0


async def test_signatures_come_before_and_after_a_restart_and_count_once() -> None:
    world = World()
    await world.engine.open(spec(needs=NEEDS))
    await waiting(world)
    first = await world.engine.sign("deb_1", ANN, APPROVE, "s1")
    assert await world.engine.sign("deb_1", ANN, APPROVE, "s2") == first, "a double click"
    await waiting(world)
    asked = dict(world.agents.asked)
    assert await world.restart().recover(lambda _: True) == 0, "nobody is waited for but people"
    world.agents.script = answer
    await world.engine.sign("deb_1", MARY, APPROVE, "s3")
    await world.ended("deb_1")
    told = decode(world.journal.receipts[0].document)["decision"]["signatures"]
    assert [(one["person"], one["need"]) for one in told] == [("ann", "user:ann"), ("mary", "role:owner")]
    assert world.journal.types("deb_1").count("signature") == 2
    assert world.agents.asked == asked, "no answer was paid for twice"
    assert world.journal.statuses["deb_1"] is DebateStatus.COMPLETED


@pytest.mark.parametrize("word", [APPROVE, Word(Verdict.VETO, "never"), Word(Verdict.CHANGE, "", "Water.")])
async def test_the_signature_that_ends_the_debate_sent_again_gets_its_first_answer_also_after_a_restart(
    word: Word,
) -> None:
    world = World()
    await world.engine.open(spec(needs=("user:ann",)))
    await waiting(world)
    first = await world.engine.sign("deb_1", ANN, word, "s1")
    await world.ended("deb_1")
    assert await world.engine.sign("deb_1", ANN, word, "s2") == first
    world.restart()
    assert await world.engine.sign("deb_1", ANN, word, "s3") == first
    for signer, other in ((MARY, word), (ANN, replace(word, note="another"))):
        with pytest.raises(Conflict) as late:
            await world.engine.sign("deb_1", signer, other, "s4")
        assert late.value.code == "debate_ended"
    assert world.journal.types("deb_1").count("signature") == 1


async def test_a_late_signature_of_a_debate_whose_journal_is_damaged_is_told_that_it_has_ended() -> None:
    world = World()
    await world.engine.open(spec(needs=("user:ann",)))
    await waiting(world)
    await world.engine.sign("deb_1", ANN, APPROVE, "s1")
    await world.ended("deb_1")
    del world.journal.rows["deb_1"][1]
    with pytest.raises(Conflict) as late:
        await world.engine.sign("deb_1", ANN, APPROVE, "s2")
    assert late.value.code == "debate_ended"


async def test_a_signature_that_is_durable_but_not_acted_on_is_acted_on_after_a_crash() -> None:
    world = World(limits=Limits(1, 5))
    await world.engine.open(spec("deb_1", needs=("user:ann",)))
    await waiting(world, "deb_1")
    world.agents.script = lambda _: None
    await world.engine.open(spec("deb_2"))  # takes the only place, so that deb_1 must wait in line
    await world.engine.sign("deb_1", ANN, APPROVE, "s1")
    assert world.journal.statuses["deb_1"] is DebateStatus.ACTIVE
    world.agents.script = answer
    assert await world.restart().recover(lambda _: True) == 2
    await world.ended("deb_1", "deb_2")


async def test_a_veto_that_waits_for_a_place_is_not_voided_by_whoever_comes_after_it() -> None:
    world = World(limits=Limits(1, 5))
    await world.engine.open(spec("deb_1", needs=NEEDS))
    await waiting(world, "deb_1")
    world.agents.script = lambda _: None
    await world.engine.open(spec("deb_2"))  # takes the only place, so that deb_1 must wait in line
    await world.engine.sign("deb_1", ANN, Word(Verdict.VETO, "never"), "s1")
    with pytest.raises(Conflict, match="too late"):
        await world.engine.sign("deb_1", MARY, Word(Verdict.CHANGE, "", "Other words."), "s2")
    with pytest.raises(Conflict, match="too late"):
        await world.engine.vote("deb_1", "zoe", "ann", 10, "v1")
    await world.engine.cancel("deb_2", "zoe")
    await world.ended("deb_1")
    decision = decode(world.journal.receipts[0].document)["decision"]
    assert [one["verdict"] for one in decision["signatures"]] == ["veto"]
    assert not decision["reached"]


async def test_a_debate_at_its_gate_can_be_cancelled() -> None:
    world = World()
    await world.engine.open(spec(needs=NEEDS))
    await waiting(world)
    await world.engine.cancel("deb_1", "ann")
    await world.ended("deb_1")
    assert world.journal.statuses["deb_1"] is DebateStatus.CANCELLED
