"""The engine: journal before action, recovery, admission, fences, drain."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from itertools import pairwise

import pytest
from structlog.testing import capture_logs
from worlds.logical_time import in_logical_time
from worlds.memory_engine import World, answer, spec
from worlds.waiting import eventually

from aragora.debate.model import AgentRequest, DebateStatus, Reply
from aragora.debate.protocol import preset
from aragora.debate.running.engine import Limits
from aragora.encoding import decode
from aragora.errors import Conflict, NotFound, Unavailable
from aragora.limits import VOTES_PER_PERSON_MAX
from aragora.receipts.canonical import journal_digest


async def test_a_debate_runs_from_question_to_receipt(world: World) -> None:
    await world.engine.open(spec())
    await world.ended("deb_1")
    types = world.journal.types("deb_1")
    assert types[0] == "debate_start"
    assert types[-3:] == ["consensus", "receipt", "debate_end"]
    assert sum(world.agents.asked.values()) == 52
    assert world.journal.statuses["deb_1"] is DebateStatus.COMPLETED
    assert {row.topic for row in world.journal.outbox} == {"ratings", "usage"}
    assert world.journal.counters["aragora_debates_completed"] == 1


async def test_what_is_published_is_what_is_journaled_in_the_same_order(world: World) -> None:
    await world.engine.open(spec())
    await world.ended("deb_1")
    assert world.published.rows == world.journal.rows["deb_1"][1:]
    assert all(later.seq == earlier.seq + 1 for earlier, later in pairwise(world.journal.rows["deb_1"]))


async def test_the_receipt_binds_the_journal_up_to_the_decision(world: World) -> None:
    await world.engine.open(spec())
    await world.ended("deb_1")
    told = decode(world.journal.receipts[0].document)["journal"]
    payloads = [row.payload for row in world.journal.rows["deb_1"]]
    assert told["length"] == len(payloads) - 2
    assert told["sha256"] == journal_digest(payloads[:-2])


async def test_an_answer_that_was_journaled_is_not_asked_again_after_a_crash(world: World) -> None:
    silent_after = 20

    def half(request: AgentRequest) -> Reply | None:
        return answer(request) if sum(world.agents.asked.values()) <= silent_after else None

    world.agents.script = half
    await world.engine.open(spec())
    await eventually(lambda: len(world.journal.rows["deb_1"]) >= silent_after)
    answered = {
        decode(row.payload)["data"]["ask_id"]
        for row in world.journal.rows["deb_1"]
        if "ask_id" in decode(row.payload)["data"]
    }
    before = dict(world.agents.asked)
    world.agents.script = answer
    await world.restart().recover(lambda _: True)
    await world.ended("deb_1")
    assert all(world.agents.asked[ask_id] == before[ask_id] for ask_id in answered)
    assert world.journal.types("deb_1").count("vote") == 4


async def test_a_store_that_comes_back_lets_the_debate_go_on(world: World) -> None:
    await world.engine.open(spec())
    world.journal.outage = 5
    await world.ended("deb_1")
    assert world.journal.statuses["deb_1"] is DebateStatus.COMPLETED


async def test_a_commit_whose_acknowledgement_was_lost_is_read_back_from_the_journal(world: World) -> None:
    await world.engine.open(spec())
    world.journal.lost_acknowledgements = 1
    await world.ended("deb_1")
    assert world.journal.types("deb_1").count("debate_end") == 1
    assert len(world.journal.receipts) == 1


async def test_an_opening_whose_acknowledgement_was_lost_is_debated_all_the_same() -> None:
    world = World(limits=Limits(1, 2))
    world.journal.lost_openings = 1
    with pytest.raises(Unavailable):
        await world.engine.open(spec("deb_1"))
    await world.ended("deb_1")
    await world.engine.open(spec("deb_2"))
    await world.ended("deb_2")
    assert (world.engine.load().active, world.engine.load().queued) == (0, 0)


async def test_openings_that_were_not_written_keep_their_places_only_until_the_store_says_so() -> None:
    world = World(limits=Limits(1, 1))
    world.journal.outage = 2
    for number in range(2):
        with pytest.raises(Unavailable):
            await world.engine.open(spec(f"deb_{number}"))
    await eventually(lambda: not world.engine._places._held)
    assert world.journal.rows == {}
    await world.engine.open(spec("deb_3"))
    await world.ended("deb_3")


async def test_an_opening_that_is_sent_twice_and_not_answered_twice_gives_both_places_back() -> None:
    world = World(limits=Limits(1, 3))
    world.journal.outage = 2
    sent_twice = await asyncio.gather(*(world.engine.open(spec()) for _ in range(2)), return_exceptions=True)
    assert [type(one) for one in sent_twice] == [Unavailable, Unavailable]
    await eventually(lambda: world.engine._recovery._looking is None)
    assert world.engine._places._held == 0


async def test_an_opening_that_comes_again_finds_the_debate_and_brings_it_back(world: World) -> None:
    world.agents.script = lambda _: None
    await world.engine.open(spec())
    await eventually(lambda: "round_start" in world.journal.types("deb_1"))
    world.agents.script = answer
    assert not (await world.restart().open(spec())).created
    await world.ended("deb_1")


async def test_a_debate_that_has_no_course_though_it_has_not_ended_is_brought_back_by_who_asks_for_it(
    world: World,
) -> None:
    world.agents.script = lambda _: None
    await world.engine.open(spec())
    await eventually(lambda: "round_start" in world.journal.types("deb_1"))
    seq = await world.restart().vote("deb_1", "eve", "ann", 5, "v1")
    assert world.journal.rows["deb_1"][seq - 1].type == "user_vote"
    assert world.engine.load().active == 1


async def test_an_engine_whose_shard_has_a_new_owner_steps_down(world: World) -> None:
    world.agents.script = lambda _: None
    await world.engine.open(spec())
    await eventually(lambda: "round_start" in world.journal.types("deb_1"))
    zombie = world.engine
    world.owned = False
    world.agents.script = answer
    successor = world.restart()
    await successor.recover(lambda _: True)
    await world.ended("deb_1")
    rows = list(world.journal.rows["deb_1"])
    with pytest.raises((Conflict, Unavailable)):
        await zombie.suggest("deb_1", "eve", "one more thing", "s1")
    await eventually(lambda: zombie.load().stepped_down)
    assert world.journal.rows["deb_1"] == rows
    with pytest.raises(Unavailable):
        await zombie.open(spec("deb_2"))


async def test_beyond_the_limits_opening_is_refused_with_a_hint_when_to_come_back() -> None:
    world = World(limits=Limits(1, 1))
    world.agents.script = lambda _: None
    await world.engine.open(spec("deb_1"))
    await world.engine.open(spec("deb_2"))
    with pytest.raises(Unavailable) as refused:
        await world.engine.open(spec("deb_3"))
    assert refused.value.code == "full"
    assert refused.value.retry_after_s
    assert world.engine.load().active == 1
    assert world.engine.load().queued == 1


async def test_an_organisation_that_fills_its_share_delays_only_itself() -> None:
    world = World(limits=Limits(1, 9, share=0.5))
    world.agents.script = lambda _: None
    for number in range(5):
        await world.engine.open(spec(f"deb_{number}", org_id="greedy"))
    with pytest.raises(Unavailable, match="your organisation holds 5 of 10") as refused:
        await world.engine.open(spec("deb_5", org_id="greedy"))
    assert refused.value.code == "full"
    await world.engine.open(spec("deb_other", org_id="modest"))
    for number in range(2):
        await world.engine.cancel(f"deb_{number}", "ann")
    await eventually(lambda: "round_start" in world.journal.types("deb_other"))
    assert [world.journal.types(f"deb_{number}") for number in range(2, 5)] == [["debate_start"]] * 3


async def test_a_queued_debate_starts_when_another_ends() -> None:
    world = World(limits=Limits(1, 5))
    for number in range(4):
        await world.engine.open(spec(f"deb_{number}"))
    await world.ended(*(f"deb_{number}" for number in range(4)))
    assert [receipt.position for receipt in world.journal.receipts] == [1, 2, 3, 4]


async def test_what_people_say_to_queued_debates_is_journaled_and_starts_none_of_them() -> None:
    world = World(limits=Limits(1, 50))
    world.agents.script = lambda _: None
    for number in range(5):
        await world.engine.open(spec(f"deb_{number}"))
    for number in range(1, 5):
        await world.engine.vote(f"deb_{number}", "eve", "ann", 5, "v1")
        await world.engine.suggest(f"deb_{number}", "eve", "think of the price", "s1")
    assert {ask_id.partition("/")[0] for ask_id in world.agents.asked} == {"deb_0"}
    assert world.journal.types("deb_4") == ["debate_start", "user_vote", "user_suggestion"]
    world.agents.script = answer
    await world.engine.cancel("deb_0", "ann")
    await world.ended(*(f"deb_{number}" for number in range(5)))
    assert [world.journal.statuses[f"deb_{number}"] for number in range(1, 5)] == [DebateStatus.COMPLETED] * 4


async def test_a_vote_in_a_queued_debate_is_answered_when_a_drain_finds_the_store_away() -> None:
    world = World(limits=Limits(1, 5), pause_s=lambda _attempt: 0.001)
    world.agents.script = lambda _: None
    for number in range(2):
        await world.engine.open(spec(f"deb_{number}"))
    await eventually(lambda: "round_start" in world.journal.types("deb_0"))
    world.journal.outage = 1_000_000
    voting = asyncio.ensure_future(world.engine.vote("deb_1", "eve", "ann", 5, "v1"))
    await eventually(lambda: world.journal.outage < 999_999)
    assert await world.engine.drain(0.01) == 1
    with pytest.raises(Unavailable):
        await asyncio.wait_for(voting, 30)


async def test_a_cancelled_debate_ends_and_its_agents_are_told(world: World) -> None:
    world.agents.script = lambda _: None
    await world.engine.open(spec())
    assert await world.engine.cancel("deb_1", "ann") is DebateStatus.CANCELLED
    assert world.journal.types("deb_1")[-1] == "debate_end"
    assert world.agents.withdrawn == ["deb_1"]
    with pytest.raises(Conflict):
        await world.engine.cancel("deb_1", "ann")


async def test_a_debate_that_is_cancelled_while_agents_are_asked_tells_the_accounts_how_many(world: World) -> None:
    world.agents.script = lambda request: answer(request) if request.ask.agent == "ann" else None
    await world.engine.open(spec())
    await eventually(lambda: "agent_message" in world.journal.types("deb_1"))
    await world.engine.cancel("deb_1", "eve")
    assert world.journal.cut_off == {"deb_1": 3}


async def test_a_cancellation_whose_acknowledgement_was_lost_tells_the_agents_all_the_same(world: World) -> None:
    world.agents.script = lambda _: None
    await world.engine.open(spec())
    await eventually(lambda: len(world.agents.asked) == 4)
    world.journal.lost_acknowledgements = 1
    with capture_logs() as logged:
        with pytest.raises(Unavailable):
            await world.engine.cancel("deb_1", "ann")
        await eventually(lambda: not world.engine._recovery._caring)
    assert [line["event"] for line in logged].count("debate cancelled") == 1
    assert world.journal.types("deb_1")[-1] == "debate_end"
    assert world.agents.withdrawn == ["deb_1"]
    assert world.published.rows[-1] == world.journal.rows["deb_1"][-1]
    assert world.engine._recovery._losses == {}


@pytest.mark.parametrize(("budget_usd", "held"), [(None, 0), (1e-6, 500_000), (0.75, 750_000)])
async def test_a_debate_that_costs_something_holds_the_usual_budget_at_least(
    budget_usd: float | None, held: int
) -> None:
    world = World(limits=Limits(5, 5, least_hold_usd=0.5))
    await world.engine.open(spec(budget_usd=budget_usd))
    assert world.journal.held == {"deb_1": held}


async def test_an_unknown_debate_is_not_found(world: World) -> None:
    with pytest.raises(NotFound):
        await world.engine.vote("deb_x", "eve", "ann", 5, "v1")


async def test_a_persons_vote_is_durable_when_its_seq_is_returned(world: World) -> None:
    world.agents.script = lambda _: None
    await world.engine.open(spec())
    seq = await world.engine.vote("deb_1", "eve", "ann", 5, "v1")
    assert world.journal.rows["deb_1"][seq - 1].type == "user_vote"


async def test_two_thousand_equal_votes_of_a_person_are_one_row(world: World) -> None:
    world.agents.script = lambda _: None
    await world.engine.open(spec())
    votes = (world.engine.vote("deb_1", "eve", "ann", 5, f"v{number}") for number in range(2_000))
    seqs = set(await asyncio.gather(*votes))
    assert world.journal.types("deb_1").count("user_vote") == 1
    assert [world.journal.rows["deb_1"][seq - 1].type for seq in seqs] == ["user_vote"]


async def test_a_person_who_keeps_changing_a_vote_is_refused_after_a_while_also_after_a_restart(world: World) -> None:
    world.agents.script = lambda _: None
    await world.engine.open(spec())
    for number in range(VOTES_PER_PERSON_MAX):
        await world.engine.vote("deb_1", "eve", "ann", 1 + number % 2, f"v{number}")
    await world.restart().recover(lambda _: True)
    with pytest.raises(Conflict) as refused:
        await world.engine.vote("deb_1", "eve", "ann", 9, "one more")
    assert refused.value.code == "too_many_votes"
    assert world.journal.types("deb_1").count("user_vote") == VOTES_PER_PERSON_MAX
    stands = await world.engine.vote("deb_1", "eve", "ann", 2, "again")
    assert decode(world.journal.rows["deb_1"][stands - 1].payload)["data"]["vote_id"] == "v19"


async def test_a_vote_repeated_while_the_store_is_away_waits_for_the_first_to_be_durable(world: World) -> None:
    world.agents.script = lambda _: None
    await world.engine.open(spec())
    await eventually(lambda: "round_start" in world.journal.types("deb_1"))
    world.journal.outage = 5
    first, again = await asyncio.gather(*(world.engine.vote("deb_1", "eve", "ann", 5, one) for one in ("v1", "v2")))
    assert first == again
    assert world.journal.rows["deb_1"][first - 1].type == "user_vote"


@in_logical_time
async def test_draining_lets_debates_end_and_keeps_the_rest_for_the_next_start(world: World) -> None:
    world.agents.script = lambda _: None
    await world.engine.open(spec("deb_1"))
    assert await world.engine.drain(0.01) == 1
    with pytest.raises(Unavailable) as refused:
        await world.engine.open(spec("deb_2"))
    assert refused.value.code == "draining"
    world.agents.script = answer
    await world.restart().recover(lambda _: True)
    await world.ended("deb_1")


async def test_a_debate_whose_opening_is_written_while_the_engine_drains_waits_for_the_next_start(world: World) -> None:
    opening = asyncio.create_task(world.engine.open(spec()))
    await asyncio.sleep(0)  # it is on its way to the disk
    assert await world.engine.drain(30.0) == 0
    assert (await opening).created
    assert world.engine.load().active == 0
    assert world.journal.types("deb_1") == ["debate_start"]
    await world.restart().recover(lambda _: True)
    await world.ended("deb_1")


@in_logical_time
async def test_a_silent_agent_delays_a_debate_only_until_its_deadline(world: World) -> None:
    quick = replace(preset("structured"), phase_deadline_s=0.05, grace_s=0.01)
    world.agents.script = lambda request: None if request.ask.agent == "bob" else answer(request)
    await world.engine.open(spec(protocol=quick))
    await world.ended("deb_1")
    assert world.journal.statuses["deb_1"] is DebateStatus.COMPLETED
    assert "agent_error" in world.journal.types("deb_1")
