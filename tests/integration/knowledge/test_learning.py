"""From the outbox to the store: each debate is learnt from once, and always to the same items."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
from sqlalchemy import insert, select
from worlds import debating
from worlds.backends import SetClock
from worlds.closed_debates import OPENED_AT, closed
from worlds.memory_journals import Journals, Nothing, row
from worlds.migrated import migrated
from worlds.taught import HOME, answers, spec, swayed

from aragora.config.settings import Settings
from aragora.debate.knowledge import OfferedItem, digest_of
from aragora.debate.model import KnowledgeCited, KnowledgeOffered
from aragora.debate.protocol import preset
from aragora.knowledge.confidence import confidence_of
from aragora.knowledge.customs import Customs
from aragora.knowledge.debaters import Debaters, Team
from aragora.knowledge.explaining import steps
from aragora.knowledge.graph import around
from aragora.knowledge.learning import ADAPTERS, FORWARD, Learning
from aragora.knowledge.ledger import fold
from aragora.knowledge.lessons import Lessons
from aragora.knowledge.model import SEARCHED, Home, Item, ItemKind, LinkKind, Status
from aragora.knowledge.mound.adapters import cost
from aragora.knowledge.mound.adapters.elo import Model
from aragora.knowledge.observations import Observation
from aragora.knowledge.planning import Burial
from aragora.knowledge.precedents import GONE, LEARNING, NEVER, Precedents, Settled
from aragora.knowledge.store.adapters import AdapterBook
from aragora.knowledge.store.neighbours import Neighbours
from aragora.knowledge.store.observations import Observations, knowledge_observations
from aragora.knowledge.store.reading import KnowledgeReader
from aragora.knowledge.store.writing import KnowledgeWriter
from aragora.knowledge.syncing import Syncing
from aragora.knowledge.syncs import READ_MAX
from aragora.knowledge.wanted import Wanted
from aragora.observability.registry import Registry
from aragora.ranking.store import StoredRating
from aragora.scope import Scope
from aragora.storage.contexts import Context
from aragora.storage.database import Database
from aragora.storage.outbox import OutboxRow
from aragora.storage.outbox_store import OutboxStore
from aragora.storage.tables import outbox

GIVES_ITEMS = {"consensus", "evidence"}
SUPERSEDED = Status.SUPERSEDED
SCOPE = Scope(HOME.org_id, frozenset({HOME.workspace}))


class Agents:
    """These there are."""

    def available(self) -> tuple[str, ...]:
        return ("claude", "gpt", "gemini")

    def model_of(self, agent: str) -> Model | None:
        return None


class Unrated:
    """Nobody has a rating."""

    async def load(self, agents: Sequence[str], domain: str) -> dict[str, StoredRating]:
        return {}


def journal(number: int, *shown: object, opened_at: float = OPENED_AT, **votes: str) -> list[str]:
    """Of debate `number`, which had been `shown` these events after its opening."""
    run = debating.start(spec(number)).play(answers(**(votes or {"claude": "three", "gpt": "three", "gemini": "five"})))
    run.events[1:1] = shown  # type: ignore[arg-type]
    return list(closed(run, opened_at=opened_at).lines)


def as_offered(*items: Item) -> KnowledgeOffered:
    """These items, each with the newest of its sources, as a debate is offered them."""
    return KnowledgeOffered(tuple(_offered(number, item) for number, item in enumerate(items, 1)))


def _offered(number: int, item: Item) -> OfferedItem:
    said, newest = item.statement, max(item.sources, key=lambda one: one.at)
    label, digest = f"K{number}", digest_of(said.content)
    offered = OfferedItem(label, item.item_id, 1, digest, said.kind, said.content, 0.6, "likely", newest.at)
    return replace(offered, source_debate_id=newest.debate_id or "")


@pytest.fixture
def journals() -> Journals:
    return Journals({f"deb_{number}": journal(number) for number in (1, 2)})


@pytest.fixture
def adapters(journals: Journals, reader: KnowledgeReader, writer: KnowledgeWriter) -> dict[str, Learning]:
    return {name: Learning(name, journals, reader, writer, Nothing()) for name in ADAPTERS}


async def known(reader: KnowledgeReader, clock: SetClock) -> dict[str, Item]:
    pages = [await reader.page(SCOPE, one, clock.now(), limit=100) for one in (Wanted(), Wanted(status=SUPERSEDED))]
    return {item.item_id: item for page in pages for item in page.items}


def decisions(items: dict[str, Item]) -> dict[str, Item]:
    """Those that say what was decided, by the answer."""
    return {one.statement.value: one for one in items.values() if one.statement.kind is ItemKind.DECISION}


async def test_each_adapter_learns_its_part_and_a_row_that_comes_again_changes_nothing(
    adapters: dict[str, Learning], reader: KnowledgeReader, clock: SetClock
) -> None:
    for name, adapter in adapters.items():
        learnt = await adapter.learn([row(1)])
        assert learnt.debates == 1
        assert (learnt.added > 0) == (name in GIVES_ITEMS)
    items = await known(reader, clock)
    assert {item.statement.kind for item in items.values()} == {ItemKind.DECISION, ItemKind.DISSENT, ItemKind.EVIDENCE}
    for adapter in adapters.values():
        assert (await adapter.learn([row(1), row(1)])).added == 0
    assert await known(reader, clock) == items


async def test_two_debates_that_saw_nothing_of_each_other_corroborate_their_decision(
    adapters: dict[str, Learning], reader: KnowledgeReader, clock: SetClock
) -> None:
    await adapters["consensus"].learn([row(1), row(2)])
    (decision,) = [one for one in (await known(reader, clock)).values() if one.statement.kind is ItemKind.DECISION]
    assert confidence_of(decision).support == 2


async def test_a_debate_that_was_offered_the_decision_is_no_root_of_its_own_and_is_derived_from_what_it_cites(
    adapters: dict[str, Learning], journals: Journals, reader: KnowledgeReader, clock: SetClock
) -> None:
    await adapters["consensus"].learn([row(1)])
    (decision,) = [one for one in (await known(reader, clock)).values() if one.statement.kind is ItemKind.DECISION]
    cited = KnowledgeCited(1, "claude", "deb_3/1/propose/claude", ("K1",))
    journals["deb_3"] = journal(3, as_offered(decision), cited)
    await adapters["consensus"].learn([row(3)])
    after = (await known(reader, clock))[decision.item_id]
    assert [source.debate_id for source in after.sources] == ["deb_1", "deb_3"]
    assert confidence_of(after) == confidence_of(decision)


async def test_a_store_that_was_lost_is_rebuilt_from_the_journals_to_the_same_items(
    adapters: dict[str, Learning], reader: KnowledgeReader, writer: KnowledgeWriter, clock: SetClock
) -> None:
    for adapter in adapters.values():
        await adapter.learn([row(1), row(2)])
    before = await known(reader, clock)
    for adapter in adapters.values():
        await adapter.learn([replace(row(number), outbox_id=f"again-{number}") for number in (1, 2)])
    assert await known(reader, clock) == before


VOTES = (
    {},
    {"claude": "five", "gpt": "five", "gemini": "five"},
    {"claude": "three", "gpt": "three", "gemini": "three"},
    {"claude": "nine", "gpt": "nine", "gemini": "five"},
)


@dataclass(frozen=True)
class Lived:
    """Debates of one question, one after another, and of each the debates behind what it had been shown."""

    journals: Journals
    shown: dict[int, set[int]]


async def uninformed(_: int, __: Path) -> Lived:
    """Each debate as if it were the first."""
    journals = Journals({f"deb_{number}": journal(number, **votes) for number, votes in enumerate(VOTES, 1)})
    return Lived(journals, {number: set() for number in range(1, len(VOTES) + 1)})


async def informed(seed: int, directory: Path) -> Lived:
    """Debates that decide one way and another, the first three one way, the other, and the first again, each shown what
    was decided; after these each is shown none, some or all of what stands."""
    chance, journals, shown = Random(seed), Journals(), dict[int, set[int]]()
    database, clock = Database.open(migrated(Settings(data_dir=directory)), Context.MEMORY), SetClock()
    reader, writer = KnowledgeReader(database), KnowledgeWriter(database, clock)
    adapter = Learning("consensus", journals, reader, writer, Nothing())
    for number in range(1, 9):
        standing = [one for one in decisions(await known(reader, clock)).values() if one.status in SEARCHED]
        offered = standing if number <= 3 else chance.sample(standing, chance.randint(0, len(standing)))
        votes = VOTES[(number - 1) % 2] if number <= 3 else chance.choice(VOTES)
        behind = {source.debate_id or "" for item in offered for source in item.sources}
        shown[number] = {int(one.removeprefix("deb_")) for one in behind}
        events = (as_offered(*offered),) if offered else ()
        journals[f"deb_{number}"] = journal(number, *events, opened_at=OPENED_AT + 1_000.0 * number, **votes)
        await adapter.learn([row(number)])
        if number == 3:
            found = decisions(await known(reader, clock))
            assert (found["three"].status, found["five"].status) == (Status.LIVE, SUPERSEDED)
    await database.aclose()
    return Lived(journals, shown)


def shuffled(lived: Lived, chance: Random) -> list[tuple[str, int]]:
    """Rows in any order for each adapter, but for the one whose items debates were shown: there none comes before what
    it had been shown."""
    order = [(name, number) for name in ADAPTERS if name != "consensus" for number in lived.shown]
    chance.shuffle(order)
    left = dict(lived.shown)
    while left:
        number = chance.choice([one for one, shown in left.items() if shown.isdisjoint(left)])
        del left[number]
        order.append(("consensus", number))
    return order


async def learnt_in(
    journals: Journals,
    order: Sequence[tuple[str, int]],
    portion: int,
    directory: Path,
    again: Sequence[tuple[str, int]] = (),
) -> dict[str, tuple[Any, ...]]:
    """What a store of its own holds after these adapters have learnt from these debates of one question, so many rows
    at once, and from those of `again` once more: items, of their links without the time, which is that of the debate
    that made them first, and notes."""
    database, clock = Database.open(migrated(Settings(data_dir=directory)), Context.MEMORY), SetClock()
    reader, writer = KnowledgeReader(database), KnowledgeWriter(database, clock)
    adapters = {name: Learning(name, journals, reader, writer, Nothing()) for name in ADAPTERS}
    for name in ADAPTERS:
        rows = [row(number) for adapter, number in order if adapter == name]
        for start in range(0, len(rows), portion):
            await adapters[name].learn(rows[start : start + portion])
    for name, number in again:
        await adapters[name].learn([replace(row(number), outbox_id=f"again-{number}")])
    items = await known(reader, clock)
    of = knowledge_observations.c
    noted = await database.rows(select(knowledge_observations).order_by(of.adapter, of.debate_id, of.number))
    await database.aclose()
    notes = {f"{one.adapter} {one.debate_id} {one.number}": tuple(one) for one in noted}
    return notes | {
        number: (
            item.statement,
            item.status,
            frozenset(item.sources),
            frozenset((link.kind, link.item_id) for link in item.links),
        )
        for number, item in items.items()
    }


@pytest.mark.parametrize("debates", [uninformed, informed])
@pytest.mark.parametrize("seed", range(6))
async def test_the_rows_in_any_order_and_portions_give_the_same_items_and_notes(
    debates: Callable[[int, Path], Awaitable[Lived]], seed: int, tmp_path: Path
) -> None:
    lived, chance = await debates(seed, tmp_path / "live"), Random(seed)
    as_they_ended = [(name, number) for name in ADAPTERS for number in lived.shown]
    expected = await learnt_in(lived.journals, as_they_ended, 1, tmp_path / "one")
    assert len(expected) > len(lived.shown)
    portion = chance.randint(2, len(lived.shown))
    assert await learnt_in(lived.journals, shuffled(lived, chance), portion, tmp_path / "other") == expected


@pytest.mark.parametrize("seed", range(4))
async def test_debates_that_are_learnt_from_again_change_nothing_of_what_came_back(seed: int, tmp_path: Path) -> None:
    lived, chance = await informed(seed, tmp_path / "live"), Random(seed)
    in_order = [(name, number) for name in ADAPTERS for number in lived.shown]
    once = await learnt_in(lived.journals, in_order, 1, tmp_path / "once")
    again = in_order.copy()
    chance.shuffle(again)
    assert await learnt_in(lived.journals, in_order, 1, tmp_path / "twice", again) == once


async def test_what_is_decided_again_is_what_the_question_was_settled_on(  # noqa: PLR0917
    adapters: dict[str, Learning],
    database: Database,
    journals: Journals,
    reader: KnowledgeReader,
    writer: KnowledgeWriter,
    clock: SetClock,
) -> None:
    precedents = Precedents(Observations(database), reader, clock)
    five = {"claude": "five", "gpt": "five", "gemini": "five"}
    for number, votes in ((1, VOTES[0]), (2, five), (3, VOTES[0])):
        clock.at += 1_000.0
        standing = [one for one in decisions(await known(reader, clock)).values() if one.status in SEARCHED]
        offered = (as_offered(*standing),) if standing else ()
        journals[f"deb_{number}"] = journal(number, *offered, opened_at=clock.at, **votes)
        await adapters["pulse"].learn([row(number)])
        if number == 3:  # what it came to is not written yet: it stands as the debate before left it
            assert await precedents.settled(spec(9)) == LEARNING
        await adapters["consensus"].learn([row(number)])
    settled = await precedents.settled(spec(9))
    assert isinstance(settled, Settled)
    assert (settled.position, settled.debate_id, settled.debates, settled.changes) == ("three", "deb_3", 1, 2)
    assert not settled.disputed
    searched = await reader.page(SCOPE, Wanted(kinds=(ItemKind.DECISION,)), clock.now(), limit=9)
    assert [one.statement.value for one in searched.items] == ["three"]
    graph = await around(reader, Neighbours(database), SCOPE, settled.item_id, depth=3)
    in_turn = [(edge.item_id, edge.link.item_id) for edge in graph.edges if edge.link.kind is LinkKind.SUPERSEDES]
    three, five_id = settled.item_id, decisions(await known(reader, clock))["five"].item_id
    assert sorted(in_turn) == sorted([(three, five_id), (five_id, three)])
    told = [step.change for step in steps(await reader.history(SCOPE, three))]
    assert told.index("superseded") < told.index("restored")
    for number in (2, 1, 3):
        await adapters["consensus"].learn([replace(row(number), outbox_id=f"again-{number}")])
    assert await precedents.settled(spec(9)) == settled
    assert fold(await reader.history(SCOPE, settled.item_id)) == {
        settled.item_id: await reader.get(SCOPE, settled.item_id)
    }


async def test_what_debates_took_is_noted_once_newest_first_and_the_same_from_the_journals_anew(
    adapters: dict[str, Learning], database: Database, journals: Journals
) -> None:
    async def noted() -> list[Observation]:
        return await Observations(database).newest(HOME, "cost", "structured", 10)

    journals["deb_3"] = journal(3)[:1]  # it was cancelled before its first round
    learnt = await adapters["cost"].learn([row(2), row(1), row(3), row(1)])
    assert (learnt.skipped, learnt.debates, learnt.noted) == ({"nothing to learn": 1}, 3, 2)
    before = await noted()
    assert [one.debate_id for one in before] == ["deb_2", "deb_1"]
    assert [cost.read(one).asks for one in before] == [cost.read(before[0]).asks] * 2
    await adapters["cost"].learn([replace(row(number), outbox_id=f"again-{number}") for number in (1, 2)])
    assert await noted() == before
    assert await Observations(database).newest(HOME, "cost", "structured", 1) == before[:1]
    assert await Observations(database).newest(Home("other", "default"), "cost", "structured", 9) == []


async def test_who_wins_is_noted_once_by_domain_and_another_workspace_sees_none_of_it(
    adapters: dict[str, Learning], database: Database, journals: Journals
) -> None:
    debaters = Debaters(Observations(database), Agents(), Unrated())

    async def team(workspace: str = "default") -> Team:
        return await debaters.team(spec(9, workspace=workspace), named=False)

    for number in range(3, 6):
        journals[f"deb_{number}"] = journal(number, claude="five", gpt="three", gemini="five")
    await adapters["ranking"].learn([row(number) for number in (4, 2, 5, 1, 3, 4)])
    before = await team()
    assert (before.debates, [(one.agent, one.won) for one in before.experts]) == (
        5,
        [("claude", 5), ("gemini", 3), ("gpt", 2)],
    )
    assert [one.agent for one in before.members] == ["claude", "gemini", "gpt"]
    await adapters["ranking"].learn([replace(row(number), outbox_id=f"again-{number}") for number in (1, 2, 3)])
    assert await team() == before
    assert (await team("other")).experts == ()


async def test_the_same_question_is_told_what_it_was_settled_on_until_that_is_forgotten(  # noqa: PLR0917
    adapters: dict[str, Learning],
    database: Database,
    journals: Journals,
    reader: KnowledgeReader,
    writer: KnowledgeWriter,
    clock: SetClock,
) -> None:
    precedents = Precedents(Observations(database), reader, clock)
    elsewhere = spec(9, workspace="legal", question="  HOW many replicas does the cache need?")
    run = debating.start(spec(3, workspace="legal")).play(answers(claude="five", gpt="five", gemini="five"))
    journals["deb_3"] = list(closed(run).lines)
    assert await precedents.settled(spec(9)) == NEVER
    await adapters["pulse"].learn([row(2), row(3), row(1), row(2)])
    assert await precedents.settled(spec(9)) == LEARNING
    await adapters["consensus"].learn([row(1), row(2), row(3)])
    here, there = await precedents.settled(spec(9)), await precedents.settled(elsewhere)
    assert isinstance(here, Settled)
    assert isinstance(there, Settled)
    assert (here.position, here.debates, here.disputed) == ("three", 2, False)
    assert (there.position, there.debates, there.debate_id) == ("five", 1, "deb_3")
    assert await precedents.settled(spec(9, question="How many caches?")) == NEVER
    assert await precedents.settled(replace(spec(9), org_id="other")) == NEVER
    await adapters["pulse"].learn([replace(row(number), outbox_id=f"again-{number}") for number in (1, 2)])
    assert await precedents.settled(spec(9)) == here
    await writer.write(HOME, [Burial(here.item_id, "rcp_1")])
    assert await precedents.settled(spec(9)) == GONE[Status.FORGOTTEN]


async def test_who_changes_sides_is_noted_once_by_agent_and_another_workspace_sees_none_of_it(
    adapters: dict[str, Learning], database: Database, journals: Journals
) -> None:
    debaters = Debaters(Observations(database), Agents(), Unrated())
    journals.update({f"deb_{number}": list(closed(swayed(number)).lines) for number in range(3, 8)})
    assert (await adapters["insights"].learn([row(number) for number in (5, 1, 3, 7, 4, 6, 3)])).debates == 6
    before = await debaters.steadiness(spec(9))
    assert [(one.agent, one.debates, one.rounds, one.flips) for one in before] == [
        ("claude", 5, 5, 0),
        ("gpt", 5, 5, 0),
        ("gemini", 5, 5, 5),
    ]
    await adapters["insights"].learn([replace(row(number), outbox_id=f"again-{number}") for number in (4, 3)])
    assert await debaters.steadiness(spec(9)) == before
    assert await debaters.steadiness(spec(9, workspace="other")) == ()


async def test_how_a_workspace_decides_suggests_settings_to_its_own_debates_only(
    adapters: dict[str, Learning], database: Database, journals: Journals
) -> None:
    planned = replace(spec(99), protocol=preset("structured"))
    agreed = answers(claude="three", gpt="three", gemini="three")
    for number in range(10, 20):
        run = debating.start(spec(number, protocol=replace(planned.protocol, trickster=False))).play(agreed)
        journals[f"deb_{number}"] = list(closed(run).lines)
    customs = Customs(Observations(database))
    await adapters["culture"].learn([row(number) for number in range(10, 19)] * 2)
    assert await customs.suggestions(planned) == ()
    await adapters["culture"].learn([row(19), row(12)])
    (found,) = await customs.suggestions(planned)
    assert (found.setting, found.value, found.debates, found.domain) == ("rounds", 2, 10, "storage")
    assert await customs.suggestions(replace(planned, workspace="legal")) == ()
    assert await customs.suggestions(replace(planned, org_id="other")) == ()


async def test_a_journal_that_is_gone_or_damaged_teaches_nothing_and_stops_nobody(
    adapters: dict[str, Learning], journals: Journals
) -> None:
    journals["deb_4"] = [*journals["deb_1"][:3], "{}"]
    learnt = await adapters["consensus"].learn([row(9), row(4), row(1)])
    assert learnt.skipped == {"no readable journal": 2}
    assert learnt.debates == 1


async def test_the_journals_of_a_portion_are_read_once_and_those_learnt_from_before_never_again(
    adapters: dict[str, Learning], journals: Journals, reader: KnowledgeReader
) -> None:
    lessons = Lessons(journals, reader)
    await asyncio.gather(*(adapter.learn([row(1), row(2)], lessons) for adapter in adapters.values()))
    assert sorted(journals.read) == ["deb_1", "deb_2"]
    for adapter in adapters.values():
        learnt = await adapter.learn([row(2), row(1)])
        assert (learnt.debates, learnt.skipped) == (0, {"learnt before": 2})
    assert len(journals.read) == 2


async def test_what_came_of_a_debate_is_looked_up_although_it_was_learnt_from_before(
    journals: Journals, reader: KnowledgeReader, writer: KnowledgeWriter
) -> None:
    """The process may have died between the two."""
    outcomes = Nothing()
    adapter = Learning("consensus", journals, reader, writer, outcomes)
    await adapter.learn([row(1), row(9)])
    await adapter.learn([row(1), row(2)])
    assert outcomes.asked == [("deb_1",), ("deb_1", "deb_2")]


async def test_a_portion_of_several_workspaces_and_of_more_items_than_a_transaction_takes(
    adapters: dict[str, Learning], journals: Journals, reader: KnowledgeReader, clock: SetClock, monkeypatch: Any
) -> None:
    monkeypatch.setattr("aragora.knowledge.learning.UNITS", 3)
    run = debating.start(spec(5, workspace="legal")).play(answers(claude="five", gpt="five", gemini="five"))
    journals["deb_5"] = list(closed(run).lines)
    learnt = await adapters["evidence"].learn([row(5), row(1), row(2)])
    assert (learnt.debates, learnt.written) == (3, learnt.gathered)
    legal = await reader.page(Scope(HOME.org_id, frozenset({"legal"})), Wanted(), clock.now(), limit=100)
    assert {source.debate_id for item in legal.items for source in item.sources} == {"deb_5"}
    here = await known(reader, clock)
    assert {source.debate_id for item in here.values() for source in item.sources} == {"deb_1", "deb_2"}


@pytest.fixture
def book(database: Database, journals_database: Database, clock: SetClock) -> AdapterBook:
    return AdapterBook(database, OutboxStore(journals_database), clock)


async def put(database: Database, *rows: OutboxRow) -> None:
    """The outbox gets these rows."""
    async with database.writing() as connection:
        await connection.execute(insert(outbox), [asdict(one) for one in rows])


async def test_a_sync_works_off_what_waits_for_its_adapter_and_leaves_the_rows_to_the_others(  # noqa: PLR0917
    adapters: dict[str, Learning],
    journals: Journals,
    reader: KnowledgeReader,
    book: AdapterBook,
    journals_database: Database,
    clock: SetClock,
) -> None:
    journals["deb_3"] = journal(3)[:1]  # it has opened, and nothing else
    old = [replace(row(number), created_at=clock.at - 100.0 + number) for number in (1, 3, 9)]
    await put(journals_database, *old, replace(row(2), topic="ratings"))
    syncing = {name: Syncing(name, adapters[name], book, clock) for name in ADAPTERS}
    assert [(one.adapter, one.backlog, one.lag_s) for one in await book.standings(ADAPTERS)] == [
        (name, 3, 99.0) for name in ADAPTERS
    ]
    done = await syncing["consensus"].sync()
    assert (done.debates, done.gathered, done.written) == (2, 2, 2)  # a decision and its dissent
    assert done.skipped == {"nothing to learn": 1, "no readable journal": 1}
    assert (done.backlog, done.lag_s) == (0, 0.0)
    items = await known(reader, clock)
    again = await syncing["consensus"].sync()
    assert (again.debates, again.written, again.backlog) == (0, 0, 0)
    assert await known(reader, clock) == items
    consensus, evidence = await book.standings(("consensus", "evidence"))
    assert (consensus.backlog, evidence.backlog) == (0, 3)
    assert consensus.cursor_at == clock.at - 91.0
    assert consensus.last is not None
    assert (consensus.last.at, consensus.last.outcome, consensus.last.written) == (clock.at, "done", 0)
    assert evidence.last is None
    # The outbox brings the rows to all adapters afterwards: what was synced changes nothing.
    learnt = await syncing["consensus"].learn([row(1)])
    assert (learnt.written, learnt.skipped) == (0, {"learnt before": 1})
    after = (await book.standings(("consensus",)))[0]
    assert after.cursor_at == clock.at - 91.0  # that of an older row takes it back nowhere


async def test_how_long_a_debate_waited_for_its_items_is_measured_once(
    journals: Journals, reader: KnowledgeReader, writer: KnowledgeWriter, clock: SetClock
) -> None:
    registry = Registry()
    adapter = Learning("consensus", journals, reader, writer, Nothing(), clock, registry)
    ended = replace(row(1), created_at=clock.at - 3.0)
    await adapter.learn([ended])
    await adapter.learn([ended])
    sums = {one.sample.removeprefix(FORWARD): one.amount for one in registry.drain()}
    assert (sums["_count"], sums["_sum"]) == (1.0, 3.0)


async def test_more_rows_than_are_read_count_as_waiting(
    book: AdapterBook, journals_database: Database, clock: SetClock
) -> None:
    rows = [replace(row(number), created_at=clock.at - 1.0) for number in range(READ_MAX + 7)]
    await put(journals_database, *rows)
    assert {one.backlog for one in await book.standings(ADAPTERS)} == {READ_MAX + 7}
