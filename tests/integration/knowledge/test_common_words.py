"""Searches by words where some of them are in nearly every item: quick, and nothing that is meant is lost."""

from __future__ import annotations

import pytest
from worlds.backends import SetClock
from worlds.knowledge import HOME, SCOPE, addition

from aragora.knowledge.model import Home
from aragora.knowledge.search.tokens import query_tokens
from aragora.knowledge.store import common_words
from aragora.knowledge.store.common_words import KEPT_S, CommonWords
from aragora.knowledge.store.lexical import found_in
from aragora.knowledge.store.reading import KnowledgeReader
from aragora.knowledge.store.writing import KnowledgeWriter
from aragora.knowledge.wanted import Wanted
from aragora.scope import Scope
from aragora.storage.database import Database

PLACES = found_in(HOME.org_id, (HOME.workspace,))
ELSEWHERE = Home(HOME.org_id, "elsewhere")


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(common_words, "COMMON", 4)


async def write(writer: KnowledgeWriter, *texts: str, home: Home = HOME) -> None:
    await writer.write(home, [addition(text) for text in texts])


async def said(reader: KnowledgeReader, query: str, scope: Scope = SCOPE, limit: int = 10) -> list[str]:
    """What a search by words alone finds, in its order."""
    ranked = await reader.lexical(scope, Wanted(), query_tokens(query), limit, 0.0)
    items = await reader.numbered(scope, Wanted(), [number for number, _ in ranked], 0.0)
    return [items[number].statement.content for number, _ in ranked]


async def test_beside_a_rarer_word_a_common_one_finds_nothing(writer: KnowledgeWriter, reader: KnowledgeReader) -> None:
    await write(writer, *(f"The cache of region {number} is warm." for number in range(6)), "The queue is durable.")
    assert await said(reader, "the durable cache") == ["The queue is durable."]
    assert await said(reader, "the region 3") == ["The cache of region 3 is warm."]


async def test_of_common_words_alone_those_items_come_that_hold_all_that_tell_anything(
    writer: KnowledgeWriter, reader: KnowledgeReader
) -> None:
    caches = [f"The cache of region {number} is warm." for number in range(5)]
    queues = [f"The queue of zone {number} is warm." for number in range(5)]
    await write(writer, *caches, *queues)
    assert sorted(await said(reader, "is the warm cache")) == caches
    # No item has both, so what has one of them is found.
    assert len(await said(reader, "the cache queue")) == 10
    assert len(await said(reader, "is the")) == 10


async def test_a_word_that_is_common_elsewhere_is_found_where_it_is_rare(
    writer: KnowledgeWriter, reader: KnowledgeReader
) -> None:
    await write(writer, *(f"The cache of region {number} is warm." for number in range(6)), home=ELSEWHERE)
    await write(writer, "Nobody warms a cache here.", "A queue is no database.")
    here = ["A queue is no database.", "Nobody warms a cache here."]
    assert sorted(await said(reader, "cache or database")) == here
    assert len(await said(reader, "warm cache", Scope(HOME.org_id, frozenset({"elsewhere"})))) == 6


async def test_what_was_counted_is_remembered_for_a_while(database: Database, writer: KnowledgeWriter) -> None:
    clock = SetClock()
    common = CommonWords(database, clock)
    tokens = ("cache", "region")
    assert await common.rarer(PLACES, tokens) == common_words.Rarer(tokens, everywhere=True)
    await write(writer, *(f"The cache number {number} is warm." for number in range(6)))
    assert (await common.rarer(PLACES, tokens)).tokens == tokens
    clock.at += KEPT_S + 1.0
    assert await common.rarer(PLACES, tokens) == common_words.Rarer(("region",), everywhere=True)


async def test_a_long_query_of_new_words_is_counted_by_few_queries(database: Database, clock: SetClock) -> None:
    common = CommonWords(database, clock)
    words = tuple(f"word{number}" for number in range(128))
    assert (await common.rarer(PLACES, words)).tokens == words
    assert await common.rarer(PLACES, ()) == common_words.Rarer((), everywhere=True)
