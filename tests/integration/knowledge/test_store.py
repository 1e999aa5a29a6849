"""What is written to the mound is found by those who may, and by nobody else."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from sqlalchemy import text
from worlds.backends import SetClock
from worlds.knowledge import HOME, SCOPE, about, addition, source, statement
from worlds.meanings_away import NoMeanings
from worlds.taught import spec

from aragora.debate.knowledge import NotOffered, Offer
from aragora.errors import Conflict, NotFound
from aragora.knowledge.ledger import Forgotten, Quarantined, Reworded, Shared, fold
from aragora.knowledge.memories import Memories
from aragora.knowledge.model import Home, Item, ItemKind, Link, LinkKind, Status, Visibility
from aragora.knowledge.planning import Changing, Effect
from aragora.knowledge.search.tokens import query_tokens
from aragora.knowledge.searching import Searching
from aragora.knowledge.source import MoundSource
from aragora.knowledge.store.observations import Observations
from aragora.knowledge.store.reading import KnowledgeReader
from aragora.knowledge.store.workspaces import WorkspaceSwitches
from aragora.knowledge.store.writing import KnowledgeWriter
from aragora.knowledge.wanted import Wanted
from aragora.scope import Scope
from aragora.storage.database import Database

OTHER_WORKSPACE = Scope("acme", frozenset({"research"}))
OTHER_ORG = Scope("umbra", frozenset({"default"}))
EVERYTHING = Wanted()


async def found(
    reader: KnowledgeReader, clock: SetClock, words: str, scope: Scope = SCOPE, wanted: Wanted = EVERYTHING
) -> list[str]:
    """The contents that a search by words finds, in its order."""
    ranked = await reader.lexical(scope, wanted, query_tokens(words), 50, clock.now())
    items = await reader.numbered(scope, wanted, [number for number, _ in ranked], clock.now())
    return [items[number].statement.content for number, _ in ranked if number in items]


async def write(writer: KnowledgeWriter, *contents: str, home: Home = HOME) -> list[Item]:
    return [one.item for one in await writer.write(home, [addition(content) for content in contents])]


async def test_an_item_comes_back_as_it_was_written(writer: KnowledgeWriter, reader: KnowledgeReader) -> None:
    said = statement("It holds.", topics=("caches", "limits"), domain="storage", valid_from=1.0, valid_to=9e9)
    (written,) = await writer.write(HOME, [addition(said, links=(Link(LinkKind.SUPPORTS, "kn_1", 1.0),))])
    assert written.effect is Effect.ADDED
    assert await reader.get(SCOPE, written.item.item_id) == written.item


@pytest.mark.parametrize("scope", [OTHER_WORKSPACE, OTHER_ORG, Scope("acme", frozenset()), Scope(None, None)])
async def test_an_item_out_of_reach_is_as_unknown_as_one_that_does_not_exist(
    writer: KnowledgeWriter, reader: KnowledgeReader, clock: SetClock, scope: Scope
) -> None:
    (item,) = await write(writer, "The cache holds 3 replicas.")
    with pytest.raises(NotFound) as refused:
        await reader.get(scope, item.item_id)
    with pytest.raises(NotFound) as unknown:
        await reader.get(scope, "kn_0")
    assert refused.value.message.replace(item.item_id, "kn_0") == unknown.value.message
    assert await found(reader, clock, "cache replicas", scope) == []
    assert (await reader.page(scope, EVERYTHING, clock.now())).items == ()


async def test_what_is_shared_with_the_organisation_is_found_from_its_other_workspaces_only(
    writer: KnowledgeWriter, reader: KnowledgeReader, clock: SetClock
) -> None:
    (item,) = await write(writer, "The cache holds 3 replicas.")
    await writer.write(HOME, [Changing(item.item_id, Shared(Visibility.ORG, "usr_1"))])
    assert await found(reader, clock, "cache", OTHER_WORKSPACE) == [item.statement.content]
    assert await found(reader, clock, "cache", OTHER_ORG) == []
    await writer.write(HOME, [Changing(item.item_id, Shared(Visibility.WORKSPACE, "usr_1"))])
    assert await found(reader, clock, "cache", OTHER_WORKSPACE) == []


async def test_a_workspace_without_knowledge_of_its_own_is_offered_what_its_organisation_shares(
    writer: KnowledgeWriter, reader: KnowledgeReader, database: Database, clock: SetClock
) -> None:
    mound = MoundSource(reader, Searching(reader, NoMeanings(), clock), Memories(Observations(database), clock), clock)
    research, other_org = Home("acme", "research"), Home("umbra", "default")
    (item,) = await write(writer, "The cache holds 3 replicas.")

    async def offered(home: Home) -> Offer:
        return await mound.offer(replace(spec(), org_id=home.org_id, workspace=home.workspace, question="cache?"))

    assert await offered(research) == Offer(why=NotOffered.NONE)
    await writer.write(HOME, [Changing(item.item_id, Shared(Visibility.ORG, "usr_1"))])
    assert [one.item_id for one in (await offered(research)).items] == [item.item_id]
    assert await offered(other_org) == Offer(why=NotOffered.NONE)
    await WorkspaceSwitches(database).put(research, offers=False)
    assert await offered(research) == Offer(why=NotOffered.OFF)


async def test_a_workspace_name_that_looks_like_another_is_another(
    writer: KnowledgeWriter, reader: KnowledgeReader, clock: SetClock
) -> None:
    await write(writer, "The cache holds.", home=Home("acme", "teamXa"))
    for name in ("team_a", "team%a", "teamX", "teamxa", "teamXab"):
        assert await found(reader, clock, "cache", Scope("acme", frozenset({name}))) == []


async def test_two_equal_additions_at_once_are_one_item(
    writer: KnowledgeWriter, reader: KnowledgeReader, database: Database, clock: SetClock
) -> None:
    other = KnowledgeWriter(database, clock)
    written = await asyncio.gather(
        *(
            (writer if number % 2 else other).write(HOME, [addition("It holds.", source(number))])
            for number in range(12)
        )
    )
    assert len({one.item.item_id for (one,) in written}) == 1
    assert len([one for (one,) in written if one.effect is Effect.ADDED]) == 1
    item = await reader.get(SCOPE, written[0][0].item.item_id)
    assert len(item.sources) == 12


async def test_a_write_that_failed_leaves_nobody_with_anothers_answer(
    writer: KnowledgeWriter, reader: KnowledgeReader, clock: SetClock
) -> None:
    await write(writer, "The cache of acme holds.")
    with pytest.raises(NotFound):  # after the addition was planned, in the same transaction
        await writer.write(
            Home("umbra", "default"), [addition("The cache of umbra holds."), Changing("kn_0", Quarantined("why"))]
        )
    assert await found(reader, clock, "cache", OTHER_ORG) == []
    assert await found(reader, clock, "cache") == ["The cache of acme holds."]


async def test_an_outbox_row_that_comes_again_changes_nothing(writer: KnowledgeWriter, reader: KnowledgeReader) -> None:
    units = [addition("It holds.")]
    ((first,),) = (await writer.write_once(HOME, {"row-1": units})).values()
    assert await writer.write_once(HOME, {"row-1": [addition("It holds.", source(2))]}) == {}
    assert await reader.get(SCOPE, first.item.item_id) == first.item


async def test_a_change_that_is_refused_leaves_the_whole_batch_unwritten(
    writer: KnowledgeWriter, reader: KnowledgeReader, clock: SetClock
) -> None:
    (item,) = await write(writer, "It holds.")
    with pytest.raises(Conflict):
        await writer.write(HOME, [addition("More."), Changing(item.item_id, Quarantined("why"), version=7)])
    assert await found(reader, clock, "More") == []


async def test_a_reworded_item_is_found_by_its_new_words_only_and_keeps_its_history(
    writer: KnowledgeWriter, reader: KnowledgeReader, clock: SetClock
) -> None:
    (item,) = await write(writer, "The cache holds 3 replicas.")
    await writer.write(HOME, [Changing(item.item_id, Reworded(statement("The store keeps 4 copies."), "usr_1"), 1)])
    assert await found(reader, clock, "cache replicas") == []
    assert await found(reader, clock, "copies") == ["The store keeps 4 copies."]
    history = await reader.history(SCOPE, item.item_id)
    assert fold(history) == {item.item_id: await reader.get(SCOPE, item.item_id)}


async def test_a_quarantined_item_is_not_searched(
    writer: KnowledgeWriter, reader: KnowledgeReader, clock: SetClock
) -> None:
    (item,) = await write(writer, "The cache holds.")
    await writer.write(HOME, [Changing(item.item_id, Quarantined("reads like an order"))])
    assert await found(reader, clock, "cache") == []
    assert (await reader.get(SCOPE, item.item_id)).status is Status.QUARANTINED


async def test_nothing_of_a_forgotten_item_remains_in_any_table(
    writer: KnowledgeWriter, reader: KnowledgeReader, clock: SetClock, database: Database
) -> None:
    said = statement("Zanzibar holds 3.", topics=("Zanzibar",), subject="Zanzibar", relation="holds", value="Zanzibar")
    of_person = source(1, person="Zanzibar", passage="Zanzibar")
    (written, *_) = await writer.write(HOME, [addition(said, of_person), addition("Another thing.")])
    item_id = written.item.item_id
    await writer.write(HOME, [Changing(item_id, Reworded(replace(said, content="Zanzibar holds 4."), "usr_1"))])
    await writer.write(HOME, [Changing(item_id, Forgotten("crt_1"))])
    assert await found(reader, clock, "zanzibar holds", wanted=Wanted(as_of=clock.now())) == []
    async with database.reading() as connection:
        for table in (
            *("knowledge_items", "knowledge_ledger", "knowledge_topics", "knowledge_sources", "knowledge_links"),
            "knowledge_tokens",
        ):
            rows = (await connection.execute(text(f"SELECT * FROM {table}"))).all()
            assert "zanzibar" not in repr(rows).lower(), table
    assert (await reader.get(SCOPE, item_id)).status is Status.FORGOTTEN


async def test_the_same_statement_in_another_workspace_stays_when_one_is_forgotten(
    writer: KnowledgeWriter, reader: KnowledgeReader, clock: SetClock
) -> None:
    (mine,) = await write(writer, "It holds.")
    (theirs,) = await write(writer, "It holds.", home=Home("acme", "research"))
    await writer.write(HOME, [Changing(mine.item_id, Forgotten("crt_1"))])
    assert await found(reader, clock, "holds", OTHER_WORKSPACE) == ["It holds."]
    assert (await reader.get(OTHER_WORKSPACE, theirs.item_id)).status is Status.LIVE


async def test_a_superseded_item_is_found_as_of_its_time_and_not_now(
    writer: KnowledgeWriter, reader: KnowledgeReader, clock: SetClock
) -> None:
    await writer.write(HOME, [addition(about("limit", "3"), source(1))])
    before = clock.now()
    clock.at += 100.0
    await writer.write(HOME, [addition(about("limit", "30"), source(2, 1))])
    assert await found(reader, clock, "limit") == ["limit is 30."]
    assert "limit is 3." in await found(reader, clock, "limit", wanted=Wanted(as_of=before))


async def test_an_item_that_came_back_is_found_as_of_the_times_at_which_it_stood(
    writer: KnowledgeWriter, reader: KnowledgeReader, clock: SetClock
) -> None:
    began = clock.at
    for number, value in enumerate(("3", "30", "3", "30"), 1):
        clock.at = began + 100.0 * number
        await writer.write(HOME, [addition(about("limit", value), source(number, *range(1, number)))])
    both, old, new = {"limit is 3.", "limit is 30."}, {"limit is 3."}, {"limit is 30."}
    for after, expected in ((150.0, both), (200.0, new), (299.0, new), (300.0, old), (399.0, old), (400.0, new)):
        wanted = Wanted(as_of=began + after)
        assert set(await found(reader, clock, "limit", wanted=wanted)) == expected, after
        page = await reader.page(SCOPE, wanted, clock.now(), limit=9)
        assert {item.statement.content for item in page.items} == expected, after
    assert await found(reader, clock, "limit") == ["limit is 30."]
    for item in (await reader.page(SCOPE, Wanted(as_of=began), clock.now(), limit=9)).items:
        assert fold(await reader.history(SCOPE, item.item_id)) == {item.item_id: item}


async def test_what_holds_no_more_or_not_yet_is_found_as_of_its_time(
    writer: KnowledgeWriter, reader: KnowledgeReader, clock: SetClock
) -> None:
    now = clock.now()
    await writer.write(
        HOME,
        [
            addition(statement("limit past", valid_to=now - 5.0)),
            addition(statement("limit present", valid_from=now - 5.0, valid_to=now + 5.0)),
            addition(statement("limit future", valid_from=now + 5.0)),
        ],
    )
    assert await found(reader, clock, "limit") == ["limit present"]
    assert await found(reader, clock, "limit", wanted=Wanted(as_of=now - 6.0)) == ["limit past"]
    assert await found(reader, clock, "limit", wanted=Wanted(as_of=now + 6.0)) == ["limit future"]


async def test_a_filter_that_keeps_one_of_many_still_finds_it(
    writer: KnowledgeWriter, reader: KnowledgeReader, clock: SetClock
) -> None:
    await writer.write(HOME, [addition(f"limit limit limit number {number}") for number in range(300)])
    rare = statement("a long text in which the limit stands once", kind=ItemKind.NOTE, topics=("rare",), domain="far")
    await writer.write(HOME, [addition(rare)])
    for wanted in (Wanted(kinds=(ItemKind.NOTE,)), Wanted(topics=("rare",)), Wanted(domain="far")):
        assert await found(reader, clock, "limit", wanted=wanted) == [rare.content]
    assert await reader.allowed(SCOPE, Wanted(domain="far"), 10, clock.now()) is not None
    assert await reader.allowed(SCOPE, EVERYTHING, 10, clock.now()) is None


async def test_pages_hold_each_item_once_newest_first(
    writer: KnowledgeWriter, reader: KnowledgeReader, clock: SetClock
) -> None:
    written = await write(writer, *(f"statement {number}" for number in range(7)))
    seen: list[str] = []
    cursor = None
    while True:
        page = await reader.page(SCOPE, EVERYTHING, clock.now(), cursor=cursor, limit=3)
        seen += [item.item_id for item in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert seen == [item.item_id for item in reversed(written)]


async def test_dissents_are_found_beside_their_decision(
    writer: KnowledgeWriter, reader: KnowledgeReader, clock: SetClock
) -> None:
    (decision,) = await write(writer, "Decided: 3 replicas.")
    link = Link(LinkKind.DISSENTS_FROM, decision.item_id, 1.0)
    await writer.write(HOME, [addition("Dissent: 5 replicas.", links=(link,))])
    beside = await reader.linking_to(SCOPE, [decision.item_id], LinkKind.DISSENTS_FROM, clock.now())
    assert [item.statement.content for item in beside[decision.item_id]] == ["Dissent: 5 replicas."]
    assert await reader.linking_to(OTHER_ORG, [decision.item_id], LinkKind.DISSENTS_FROM, clock.now()) == {}
