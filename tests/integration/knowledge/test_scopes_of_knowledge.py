"""Two scopes never meet: whatever is asked, by words or by meaning, nobody is shown what is not theirs, nor more than a
look at every item would allow."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Final

import pytest
from hypothesis import given
from hypothesis import settings as trying
from hypothesis import strategies as st
from worlds.backends import SetClock
from worlds.knowledge import addition, source, statement
from worlds.meanings import WordEmbedder
from worlds.migrated import migrated

from aragora.config.settings import Settings
from aragora.knowledge.confidence import confidence_of
from aragora.knowledge.indexing import MoundIndex
from aragora.knowledge.ledger import Forgotten, Quarantined, Shared
from aragora.knowledge.model import KEPT, SEARCHED, Home, Item, ItemKind, Link, LinkKind, Status, Visibility
from aragora.knowledge.planning import Changing, Unit
from aragora.knowledge.searching import Mode, Searching
from aragora.knowledge.store.neighbours import Neighbours
from aragora.knowledge.store.reading import KnowledgeReader
from aragora.knowledge.store.vectors import VectorStore
from aragora.knowledge.store.walking import walked
from aragora.knowledge.store.writing import KnowledgeWriter
from aragora.knowledge.wanted import Wanted
from aragora.scope import Scope
from aragora.storage.contexts import Context
from aragora.storage.database import Database

ORGS: Final = ("acme", "acme.", "umbra")
WORKSPACES: Final = ("team_a", "teamXa", "team-a", "TEAM_A", "default")
WORDS: Final = ("cache", "replicas", "limit", "queue", "three", "30")
SEARCHES: Final = int(os.environ.get("TEST_LEAK_SEARCHES", "300"))
"""Of the test of leaks: `TEST_LEAK_SEARCHES=10000` makes as many, and takes some minutes."""


@dataclass
class Looking:
    """A mound on SQLite with an index that knows all of it, and all its items."""

    runner: asyncio.Runner
    clock: SetClock
    database: Database
    reader: KnowledgeReader
    index: MoundIndex
    searching: Searching
    items: dict[str, Item]

    def put(self, home: Home, *units: Unit) -> list[Item]:
        written = self.runner.run(KnowledgeWriter(self.database, self.clock).write(home, units))
        self.items.update((one.item.item_id, one.item) for one in written)
        return [one.item for one in written]

    async def settle(self) -> None:
        self.clock.at += 60.0
        while await self.index.step():
            continue

    def allowed(self, scope: Scope) -> set[str]:
        """What the scope may know of, by a look at every item."""
        if not scope.workspaces:
            return set()
        here = [item for item in self.items.values() if item.org_id == scope.org_id]
        return {one.item_id for one in here if one.workspace in scope.workspaces or one.visibility is Visibility.ORG}


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Looking]:
    """One database for the module; each test keeps to organisations of its own."""
    with asyncio.Runner() as runner:
        clock = SetClock()
        database = Database.open(migrated(Settings(data_dir=tmp_path_factory.mktemp("scopes"))), Context.MEMORY)
        reader = KnowledgeReader(database)
        index = MoundIndex(VectorStore(database), WordEmbedder(), clock)
        yield Looking(runner, clock, database, reader, index, Searching(reader, index, clock), {})
        runner.run(index.aclose())
        runner.run(database.aclose())


@pytest.fixture(scope="module")
def mound(empty: Looking) -> Looking:
    """Near-equal items of every kind of standing in workspaces that are called alike."""
    now, random = empty.clock.now(), Random(14)
    for org in ORGS:
        for workspace in WORKSPACES:
            home = Home(org, workspace)
            said = [
                statement(
                    f"{' '.join(random.sample(WORDS, 3))} number {number}",
                    kind=random.choice((ItemKind.FACT, ItemKind.NOTE, ItemKind.DECISION)),
                    topics=tuple(random.sample(("a", "b", "c"), random.randint(0, 2))),
                    domain=random.choice(("law", "general")),
                    valid_to=random.choice((None, None, now - 10.0, now + 10_000.0)),
                )
                for number in range(8)
            ]
            units = [addition(one, source(random.randint(1, 3)), base=random.random()) for one in said]
            kept = empty.put(home, *units)
            link = Link(LinkKind.DISSENTS_FROM, kept[0].item_id, now)
            empty.put(home, addition("a dissent about the cache", links=(link,)))
            changes = [Shared(Visibility.ORG, "usr_1"), Quarantined("why"), Forgotten("crt_1")]
            empty.put(home, *[Changing(item.item_id, change) for item, change in zip(kept, changes, strict=False)])
    empty.runner.run(empty.settle())
    return empty


scopes = st.builds(
    Scope, st.sampled_from((*ORGS, "nobody", None)), st.frozensets(st.sampled_from((*WORKSPACES, "t%", "")), max_size=3)
)
questions = st.lists(st.sampled_from(WORDS), min_size=1, max_size=3).map(" ".join)
wants = st.builds(
    Wanted,
    kinds=st.sampled_from(((), (ItemKind.FACT,), (ItemKind.NOTE, ItemKind.DECISION))),
    topics=st.sampled_from(((), ("a",), ("b", "c"))),
    domain=st.sampled_from(("", "law")),
    min_confidence=st.sampled_from((0.0, 0.4, 0.9)),
    as_of=st.sampled_from((None, 1_699_999_980.0, 1_800_000_000.0)),
)


def held(item: Item, wanted: Wanted, now: float) -> bool:
    """Whether an item is wanted, as the words of `Wanted` say it."""
    said, at = item.statement, now if wanted.as_of is None else wanted.as_of
    if item.status not in (SEARCHED if wanted.as_of is None else KEPT):
        return False
    if wanted.as_of is not None and item.superseded_at is not None and item.superseded_at <= at:
        return False
    return (
        (said.valid_from is None or said.valid_from <= at)
        and (said.valid_to is None or said.valid_to > at)
        and (not wanted.kinds or said.kind in wanted.kinds)
        and (not wanted.topics or bool(set(wanted.topics) & set(said.topics)))
        and (not wanted.domain or said.domain == wanted.domain)
        and confidence_of(item).value >= wanted.min_confidence
    )


async def seen(mound: Looking, scope: Scope, question: str) -> set[str]:
    """The ids of all that any way of reading shows to a scope."""
    reader, now, ids = mound.reader, mound.clock.now(), sorted(mound.items)
    ways = [await reader.some(scope, ids), await Neighbours(mound.database).linking(scope, ids, 500)]
    for wanted in (Wanted(), Wanted(as_of=now), *(Wanted(status=status) for status in Status)):
        ways.append(list((await reader.page(scope, wanted, now, limit=500)).items))
        numbers = await reader.allowed(scope, wanted, 10_000, now)
        ways.append(list((await reader.numbered(scope, wanted, numbers or (), now)).values()))
    ways.append([item async for item in walked(mound.database, scope)])
    dissents = await reader.linking_to(scope, ids, LinkKind.DISSENTS_FROM, now)
    ways += dissents.values()
    for mode in Mode:
        answer = await mound.searching.search(scope, question, k=100, mode=mode)
        ways.append([result.item for result in answer.results])
    return {item.item_id for way in ways for item in way}


@given(scopes, scopes, questions)
@trying(max_examples=30, deadline=None)
def test_two_scopes_never_intersect_but_in_what_is_shared(
    mound: Looking, one: Scope, other: Scope, question: str
) -> None:
    shown = [mound.runner.run(seen(mound, scope, question)) for scope in (one, other)]
    assert shown[0] <= mound.allowed(one)
    assert shown[1] <= mound.allowed(other)
    both = [mound.items[item_id] for item_id in shown[0] & shown[1]]
    if one.org_id != other.org_id:
        assert both == []
    elif not (one.workspaces or frozenset()) & (other.workspaces or frozenset()):
        assert {item.visibility for item in both} <= {Visibility.ORG}


@given(scopes, questions, wants, st.tuples(st.sampled_from(list(Mode)), st.integers(1, 20)))
@trying(max_examples=80, deadline=None)
def test_a_search_shows_nothing_that_brute_force_over_the_store_would_not(
    mound: Looking, scope: Scope, question: str, wanted: Wanted, how: tuple[Mode, int]
) -> None:
    mode, k = how
    answer = mound.runner.run(mound.searching.search(scope, question, k=k, mode=mode, wanted=wanted))
    found = [result.item.item_id for result in answer.results]
    now, may = mound.clock.now(), mound.allowed(scope)
    assert len(found) == len(set(found)) <= k
    assert set(found) <= {item_id for item_id in may if held(mound.items[item_id], wanted, now)}
    without = mound.runner.run(mound.searching.search(scope, question, k=100, mode=Mode.LEXICAL))
    narrowed = mound.runner.run(mound.searching.search(scope, question, k=100, mode=Mode.LEXICAL, wanted=wanted))
    if wanted.as_of is None:  # a filter only narrows
        assert {one.item.item_id for one in narrowed.results} <= {one.item.item_id for one in without.results}


def test_random_searches_of_fifty_workspaces_with_near_equal_texts_show_nothing_foreign(
    empty: Looking,
) -> None:
    random = Random(50)
    homes = [Home(f"org{number % 5}", f"team{'_-.Xx'[number % 5]}{number // 5}") for number in range(50)]
    for number, home in enumerate(homes):
        texts = [f"The {word} of the team holds {10 * size} replicas, not {number}." for size, word in enumerate(WORDS)]
        kept = empty.put(home, *map(addition, texts))
        empty.put(home, Changing(kept[0].item_id, Shared(Visibility.ORG, "usr_1")))
    empty.runner.run(empty.settle())
    foreign: list[tuple[Home, str]] = []
    found = 0

    async def search(number: int) -> None:
        nonlocal found
        home = random.choice(homes)
        scope = Scope(home.org_id, frozenset({home.workspace}))
        query = f"{random.choice(WORDS)} team replicas {random.randint(0, 60)}"
        answer = await empty.searching.search(scope, query, k=20, mode=list(Mode)[number % 3])
        found += len(answer.results)
        may = empty.allowed(scope)
        foreign.extend((home, one.item.item_id) for one in answer.results if one.item.item_id not in may)

    async def searches() -> None:
        for start in range(0, SEARCHES, 20):
            await asyncio.gather(*(search(start + number) for number in range(20)))

    empty.runner.run(searches())
    assert foreign == []
    assert found > SEARCHES
