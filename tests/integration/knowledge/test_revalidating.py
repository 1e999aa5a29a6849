"""Decisions that are disputed or past their time are debated again: each once, within the budget of a day."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from sqlalchemy import delete, update
from worlds.backends import SetClock
from worlds.revalidations import AT, SCOPE, Past
from worlds.taught import HOME

from aragora.composition.jobs import jobs
from aragora.config.settings import Settings
from aragora.debate.model import DebateStatus
from aragora.debate.store.tables import debates
from aragora.errors import BudgetExhausted, Conflict, NotFound, Unavailable
from aragora.knowledge import revalidating
from aragora.knowledge.ledger import Added, Contradicted, Reworded
from aragora.knowledge.model import Basis, Home, Source, SourceKind
from aragora.knowledge.mound.adapters.consensus import QUESTION
from aragora.knowledge.mound.adapters.pulse import DAY_S, VALID_DAYS
from aragora.knowledge.planning import Addition, Changing
from aragora.knowledge.revalidating import JOB
from aragora.knowledge.revalidation import AGAIN_S, DROPPED_S, SETTLE_S, Allowance, Due, Reason, Result, State
from aragora.knowledge.revalidations import BY_HAND, Revalidations
from aragora.knowledge.store.reading import KnowledgeReader
from aragora.knowledge.store.revalidations import day_of, revalidation_days, revalidations
from aragora.knowledge.store.tables import knowledge_workspaces
from aragora.scope import Scope
from aragora.storage.contexts import Context
from aragora.storage.database import Database

STALE = AT + VALID_DAYS * DAY_S
"""When what was settled by one debate is good no longer."""


@pytest.fixture
async def past(
    settings: Settings, database: Database, journals_database: Database, clock: SetClock
) -> AsyncIterator[Past]:
    schedule = Database.open(settings, Context.SCHEDULE)
    async with schedule.writing() as connection:
        await connection.execute(delete(revalidations))
        await connection.execute(delete(revalidation_days))
    async with journals_database.writing() as connection:
        await connection.execute(delete(debates))
    yield Past(database, journals_database, schedule, clock)
    await schedule.aclose()


async def disputed(past: Past, item_id: str) -> None:
    """Somebody says otherwise."""
    source = Source(SourceKind.PERSON, root="person:ann", at=past.clock.now(), person="ann")
    change = Contradicted(source, "itm_other", "ann says otherwise")
    await past.writer.write(HOME, [Changing(item_id, change)])


async def test_a_decision_past_its_time_is_debated_again_as_it_was_by_whoever_asked(past: Past) -> None:
    item_id = await past.settled(created_by="usr_1", needs=("role:owner",), context="of the shop")
    assert "opened 0 debates" in await past.run()
    past.clock.at = STALE
    assert await past.run() == "found 1 due decision, opened 1 debate, saw 0 debates end"
    (asked,) = past.coordinator.asked
    assert (asked.question, asked.agents) == (
        "Question 1: how many replicas does the cache need?",
        ("claude", "gpt", "gemini"),
    )
    assert (asked.created_by, asked.needs, asked.context) == ("usr_1", ("role:owner",), "of the shop")
    assert (asked.revalidates, asked.options, asked.domain) == ("deb_1", ("three", "five"), "storage")
    row = await past.row()
    assert (row.state, row.reason, row.item_id) == (State.OPENED, Reason.STALE, item_id)
    await past.run()
    assert len(past.coordinator.asked) == 1


@pytest.mark.parametrize(
    ("to", "result"), [("same", Result.CONFIRMED), ("itm_other", Result.CHANGED), ("", Result.UNDECIDED)]
)
async def test_what_came_of_it_is_noted_and_it_rests_for_a_week(past: Past, to: str, result: Result) -> None:
    item_id = await past.settled()
    past.clock.at = STALE
    await past.run()
    row = await past.row()
    await past.ended(row)
    await past.run()
    assert (await past.row()).state is State.OPENED  # nothing was learnt from it yet
    await past.ended(row, item_id=item_id if to == "same" else to)
    await past.run()
    row = await past.row()
    assert (row.state, row.result, row.not_before) == (State.ENDED, result, STALE + AGAIN_S)
    (counted,) = past.registry.drain()
    assert (counted.sample, counted.labels, counted.amount) == (revalidating.AGAIN, (("result", result),), 1.0)
    past.clock.at = STALE + AGAIN_S - 1.0
    await past.run()
    assert len(past.coordinator.asked) == 1


async def test_a_debate_that_fails_or_that_nothing_is_learnt_from_ends_all_the_same(past: Past) -> None:
    await past.settled(1)
    await past.settled(2)
    past.clock.at = STALE
    await past.run()
    one, two = await past.rows()
    await past.ended(one, DebateStatus.FAILED)
    await past.ended(two)
    past.clock.at += revalidating.LEARNT_S
    await past.run()
    assert {(row.result, row.why) for row in await past.rows()} == {
        (Result.FAILED, "its debate is failed"),
        (Result.FAILED, "its debate was not learnt from"),
    }


async def test_a_dispute_is_debated_after_a_day_and_before_what_is_only_old(past: Past) -> None:
    disputed_id = await past.settled(2)
    await disputed(past, disputed_id)
    await past.run()
    assert await past.rows() == []
    past.clock.at = AT + SETTLE_S
    await past.run()
    assert (await past.row()).reason is Reason.DISPUTED

    await past.settled(1)
    past.clock.at = STALE
    await disputed(past, await past.settled(3))
    past.clock.at += SETTLE_S
    past.allowance = Allowance(1, 0.0)
    await past.ended(await past.row(), item_id="")
    await past.run()
    assert [asked.revalidates for asked in past.coordinator.asked] == ["deb_2", "deb_3"]


async def test_a_coordinator_that_is_away_or_answers_too_late_opens_one_debate(past: Past) -> None:
    await past.settled()
    past.clock.at = STALE
    for late in (False, True):
        past.coordinator.late = late
        past.coordinator.failures = [Unavailable("no answer in time")]
        with pytest.raises(Unavailable):
            await past.run()
        assert (await past.row()).state is State.OPENING
        assert await past.store.spent(day_of(STALE)) == (1, 0)
    await past.run()
    row = await past.row()
    assert (row.state, row.debate_id) == (State.OPENED, past.coordinator.by_key[row.revalidation_id])
    assert len(past.coordinator.by_key) == 1
    assert await past.store.spent(day_of(STALE)) == (1, 0)


async def test_a_day_opens_so_many_debates_and_the_next_day_the_others(past: Past) -> None:
    for number in range(1, 5):
        await past.settled(number)
    past.clock.at, past.allowance = STALE, Allowance(3, 1.0)
    for _ in range(4):
        await past.run()
        for row in await past.rows():
            if row.state is State.OPENED:
                await past.ended(row, item_id="")
    assert len(past.coordinator.asked) == 3
    past.clock.at += DAY_S
    await past.run()
    assert len(past.coordinator.asked) == 4


async def test_each_organisation_has_its_turn(past: Past) -> None:
    for number in range(1, 5):
        await past.settled(number)
    await past.settled(9, home=Home("umbra", "default"))
    past.clock.at, past.allowance = STALE + DAY_S, Allowance(2, 1.0)
    await past.run()
    assert {asked.org_id for asked in past.coordinator.asked} == {HOME.org_id, "umbra"}


async def test_no_more_than_two_run_at_a_time_but_those_that_wait_for_people_do_not_count(past: Past) -> None:
    for number in range(1, 5):
        await past.settled(number)
    past.clock.at = STALE
    await past.run()
    await past.run()
    assert len(past.coordinator.asked) == 2
    running = [row for row in await past.rows() if row.state is State.OPENED]
    await past.ended(running[0], DebateStatus.WAITING)
    await past.run()
    assert len(past.coordinator.asked) == 3


async def test_what_debates_may_cost_is_held_of_the_day_and_what_they_cost_is_taken(past: Past) -> None:
    await past.settled(1)
    await past.settled(2)
    past.clock.at, past.allowance, past.coordinator.costs_usd = STALE, Allowance(10, 1.5), 1.0
    await past.run()
    await past.run()
    assert len(past.coordinator.asked) == 1
    assert await past.store.spent(day_of(STALE)) == (1, 1_000_000)
    (opened,) = [row for row in await past.rows() if row.state is State.OPENED]
    await past.ended(opened, item_id="", cost_usd=0.2)
    await past.run()
    assert len(past.coordinator.asked) == 2
    assert await past.store.spent(day_of(STALE)) == (2, 1_200_000)


async def test_one_that_costs_more_than_a_day_has_is_refused_and_the_others_go_on(past: Past) -> None:
    await past.settled()
    past.clock.at, past.allowance, past.coordinator.costs_usd = STALE, Allowance(10, 0.5), 1.0
    await past.run()
    row = await past.row()
    assert row.state is State.REFUSED
    assert "more than a day's budget" in row.why
    assert await past.store.spent(day_of(STALE)) == (0, 0)


async def test_a_month_without_money_gives_back_what_was_held_and_tries_again_the_next_day(past: Past) -> None:
    await past.settled()
    past.clock.at, past.coordinator.costs_usd = STALE, 1.0
    past.coordinator.failures = [BudgetExhausted("nothing is left")]
    await past.run()
    row = await past.row()
    assert (row.state, row.why, row.not_before) == (State.REFUSED, "nothing is left", STALE + DAY_S)
    assert await past.store.spent(day_of(STALE)) == (0, 0)
    past.clock.at += DAY_S
    await past.run()
    assert (await past.row()).state is State.OPENED


async def test_it_is_not_done_in_the_name_of_somebody_who_may_not_any_more(past: Past) -> None:
    await past.settled(1, created_by="usr_gone")
    await past.settled(2, needs=("user:usr_gone",))
    past.people.gone.add("usr_gone")
    past.clock.at = STALE
    await past.run()
    assert past.coordinator.asked == []
    assert {row.why for row in await past.rows()} == {
        "whoever asked it may not open debates in this workspace any more",
        "['usr_gone'] could never sign",
    }


async def test_where_one_of_the_team_is_gone_the_server_chooses(past: Past) -> None:
    await past.settled()
    past.coordinator.agents = ("gpt", "mistral")
    past.clock.at = STALE
    await past.run()
    assert [asked.agents for asked in past.coordinator.asked] == [()]


async def test_a_debate_that_is_gone_or_damaged_is_refused_and_the_others_go_on(past: Past) -> None:
    for number in (1, 2, 3):
        await past.settled(number)
    async with past.journals.writing() as connection:
        await connection.execute(delete(debates).where(debates.c.debate_id == "deb_1"))
        await connection.execute(update(debates).where(debates.c.debate_id == "deb_2").values(spec="{"))
    past.clock.at = STALE
    await past.run()
    assert [asked.revalidates for asked in past.coordinator.asked] == ["deb_3"]
    refused = {row.settled_by: row.why for row in await past.rows() if row.state is State.REFUSED}
    assert refused == {
        "deb_1": "the debate that settled it is gone",
        "deb_2": "the debate that settled it cannot be read",
    }


async def test_what_somebody_asked_meanwhile_is_dropped(past: Past) -> None:
    item_id = await past.settled()
    past.clock.at, past.allowance = STALE, Allowance(0, 0.0)  # as where others took all of the day
    await past.run()
    row = await past.row()
    assert row.state is State.PLANNED
    past.clock.at += DAY_S
    await past.ended(replace(row, debate_id="deb_asked"), item_id=item_id)
    past.allowance = Allowance(1, 0.0)
    await past.run()
    assert past.coordinator.asked == []
    row = await past.row()
    assert (row.state, row.why) == (State.DROPPED, "it is not due any more")


async def test_workspaces_that_want_no_knowledge_are_left_alone_and_every_other_is_looked_at(
    past: Past, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(revalidating, "PORTION", 2)
    homes = [Home("acme", f"w{number}") for number in range(5)]
    for number, home in enumerate(homes, 1):
        await past.settled(number, home=home)
    for number in range(10, 15):
        await past.settled(number)
    async with past.memory.writing() as connection:
        quiet = knowledge_workspaces.c.workspace == "w3"
        await connection.execute(update(knowledge_workspaces).where(quiet).values(offers=False))
    past.clock.at, past.allowance = STALE, Allowance(1, 0.0)
    process = past.revalidating()
    await process.run()
    found = await past.store.of(Scope(None, None), 200)
    assert sorted(row.workspace for row in found) == ["default"] * 5 + ["w0", "w1", "w2", "w4"]
    assert "found 0 due decisions" in await process.run()


async def test_a_process_goes_on_looking_where_its_last_run_stopped(
    past: Past, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(revalidating, "PORTION", 2)
    monkeypatch.setattr(revalidating, "RUN_S", 0.5)
    for number in range(1, 6):
        await past.settled(number)
    past.clock.at, past.allowance = STALE, Allowance(1, 0.0)
    process = past.revalidating()
    keys_of, counts = process._notes.keys_of, []

    async def slowly(home: Home, adapter: str, after: str, before: float, limit: int) -> list[str]:
        past.clock.at += 0.5
        return await keys_of(home, adapter, after, before, limit)

    monkeypatch.setattr(process._notes, "keys_of", slowly)
    for _ in range(3):
        await process.run()
        counts.append(len(await past.rows()))
    assert counts == [2, 4, 5]


async def test_whoever_may_can_drop_one_that_waits(past: Past, reader: KnowledgeReader) -> None:
    await past.settled()
    past.clock.at, past.allowance = STALE, Allowance(0, 0.0)
    await past.run()
    seen = Revalidations(past.store, reader, past.clock)
    (told,) = await seen.of(SCOPE, 10)
    assert told.question == "Question 1: how many replicas does the cache need?"
    assert told.position == "three"
    row_id = told.row.revalidation_id
    with pytest.raises(NotFound):
        await seen.drop(Scope("umbra", None), row_id)
    dropped = await seen.drop(SCOPE, row_id)
    assert (dropped.row.state, dropped.row.why) == (State.DROPPED, BY_HAND)
    with pytest.raises(Conflict, match="it is dropped"):
        await seen.drop(SCOPE, row_id)
    past.allowance = Allowance(1, 0.0)
    past.clock.at = STALE + DROPPED_S - 1.0
    await past.run()
    assert past.coordinator.asked == []
    past.clock.at += 1.0
    await past.run()
    assert len(past.coordinator.asked) == 1
    assert (await past.row()).revalidation_id != row_id


async def test_the_words_are_those_of_the_item_that_says_it_now(past: Past, reader: KnowledgeReader) -> None:
    item_id = await past.settled()
    before = (await reader.get(SCOPE, item_id)).statement
    other = replace(before, content="It was about something else.", value="else", subject="", relation="")
    await past.writer.write(HOME, [Changing(item_id, Reworded(other, "ann"))])
    seen = Revalidations(past.store, reader, past.clock)
    due = Due(item_id, "deb_1", Reason.STALE, STALE, 1)
    await past.store.plan(HOME, [(before.subject.removeprefix(QUESTION), due)], STALE)
    (told,) = await seen.of(SCOPE, 10)
    assert (told.question, told.position) == ("", "")  # nothing says it any more
    again = Added(before, (Source(SourceKind.PERSON, root="person:bob", at=AT, person="bob"),), 0.5, Basis.DECLARED)
    (added,) = await past.writer.write(HOME, [Addition(again)])
    assert added.item.item_id != item_id
    (told,) = await seen.of(SCOPE, 10)
    assert told.position == "three"


async def test_what_is_over_for_long_is_forgotten(past: Past) -> None:
    await past.settled()
    past.clock.at = STALE
    await past.run()
    await past.ended(await past.row(), item_id="")
    await past.run()
    past.people.gone.add("local")
    assert await past.store.forget(STALE) == 0
    assert await past.store.forget(STALE + 100 * DAY_S) == 1
    assert await past.store.spent(day_of(STALE)) == (0, 0)


async def test_the_job_is_there_where_the_settings_say_so(settings: Settings) -> None:
    opened: list[Database] = []

    def store(context: Context) -> Database:
        opened.append(Database.open(settings, context))
        return opened[-1]

    wanted = {
        on: [job.name for job in jobs(store, settings.model_copy(update=on_or_off)) if job.name == JOB]
        for on, on_or_off in (
            ("on", {"knowledge_revalidation": True}),
            ("off", {}),
            ("nothing is learnt", {"knowledge_revalidation": True, "knowledge": False}),
        )
    }
    for database in opened:
        await database.aclose()
    assert wanted == {"on": [JOB], "off": [], "nothing is learnt": []}
