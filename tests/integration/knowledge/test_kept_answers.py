"""Answers of searches that are kept: they say what a search would find now, whatever becomes of mound and Redis."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from random import Random

import pytest
from worlds.backends import RedisProcess, SetClock
from worlds.knowledge import HOME, SCOPE, addition, source, statement
from worlds.searched import Searched

from aragora.clock import SystemClock
from aragora.encoding import encode_text
from aragora.errors import Unavailable
from aragora.knowledge import answers as kept_answers
from aragora.knowledge.answers import AGAIN_S, FAILURES, HITS, KEPT_S, MISSES, AnswerCache, KeptAnswer, KeptScore
from aragora.knowledge.health import Component, State
from aragora.knowledge.ledger import Contradicted, Forgotten, Held, Quarantined, Resolved, Reworded, Shared
from aragora.knowledge.model import Home, Outcome, Visibility
from aragora.knowledge.searching import Answer, Mode, Searching
from aragora.knowledge.wanted import Wanted
from aragora.observability.registry import Registry
from aragora.scope import Scope
from aragora.storage.database import Database
from aragora.storage.ephemeral_redis import RedisEphemeral, connect

RESEARCH = Home("acme", "research")
UMBRA = Home("umbra", "default")
SCOPES = (SCOPE, Scope("acme", frozenset({"research"})), Scope("acme", None), Scope("umbra", None))


@dataclass
class Shelf:
    """In place of Redis: what was put, and what it answers instead where `answer` is set."""

    values: dict[str, str] = field(default_factory=dict)
    answer: Callable[[], Awaitable[str | None]] | None = None

    async def put(self, key: str, value: str, ttl_s: float) -> None:
        if self.answer is not None:
            await self.answer()
        self.values[key] = value

    async def get(self, key: str) -> str | None:
        return self.values.get(key) if self.answer is None else await self.answer()

    async def add(self, key: str, value: str, ttl_s: float) -> bool:
        raise NotImplementedError

    async def take(self, key: str) -> str | None:
        raise NotImplementedError

    async def delete(self, key: str) -> None:
        raise NotImplementedError


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine a Redis that is there may not answer within milliseconds."""
    monkeypatch.setattr(kept_answers, "WAIT_S", 10.0)


@pytest.fixture
async def world(database: Database, clock: SetClock) -> AsyncIterator[Searched]:
    made = Searched(database, clock)
    yield made
    await made.index.aclose()


def counts(registry: Registry) -> tuple[int, int, int]:
    """Hits, misses and failures."""
    deltas = registry.drain()
    registry.restore(deltas)
    counted = {delta.sample: int(delta.amount) for delta in deltas}
    return counted.get(HITS, 0), counted.get(MISSES, 0), counted.get(FAILURES, 0)


def told(answer: Answer) -> list[str]:
    return [result.item.statement.content for result in answer.results]


async def test_the_same_request_is_answered_from_what_was_kept_until_something_changes(world: Searched) -> None:
    registry = Registry()
    searching = world.keeping(AnswerCache(world.clock, registry=registry))
    (item, _) = await world.write("The cache holds three replicas.", "The queue holds ten jobs.")
    first = await searching.search(SCOPE, "cache replicas")
    assert await searching.search(SCOPE, "cache replicas") == first
    assert counts(registry) == (1, 1, 0)
    for other in ({"k": 3}, {"mode": Mode.LEXICAL}, {"wanted": Wanted(topics=("x",))}):
        await searching.search(SCOPE, "cache replicas", **other)  # type: ignore[arg-type]
    await searching.search(SCOPE, "Cache replicas")
    assert counts(registry) == (1, 5, 0)
    await world.change(item, Forgotten("crt_1"))
    assert told(await searching.search(SCOPE, "cache replicas")) == []
    assert counts(registry) == (1, 6, 0)


async def test_a_kept_answer_ends_after_its_time(world: Searched) -> None:
    registry = Registry()
    searching = world.keeping(AnswerCache(world.clock, registry=registry))
    await world.write("The cache holds three replicas.")
    await searching.search(SCOPE, "cache replicas")
    world.clock.at += KEPT_S
    await searching.search(SCOPE, "cache replicas")
    assert counts(registry) == (0, 2, 0)


@pytest.mark.parametrize("seed", range(3))
async def test_whatever_happens_a_kept_answer_is_what_a_search_finds(world: Searched, seed: int) -> None:
    """Adding, rewording, sharing, disputing, holding, quarantining, releasing, forgetting, embedding, time passing."""
    chance, shelf, registry = Random(seed), Shelf(), Registry()
    one = world.keeping(AnswerCache(world.clock, shelf, registry))
    own = world.keeping(AnswerCache(world.clock, registry=registry))
    items = await world.write("cache note zero", "cache note one")
    for step in range(30):
        await _anything(world, items, chance, step)
        for scope in SCOPES:
            fresh = await world.searching.search(scope, "cache note")
            for searching in (one, own, one):
                answer = await searching.search(scope, "cache note")
                assert told(answer) == told(fresh), (step, scope)
                assert [one.item for one in answer.results] == [one.item for one in fresh.results]
    hits, misses, _ = counts(registry)
    assert min(hits, misses) > 30


async def _anything(world: Searched, items: list, chance: Random, step: int) -> None:  # type: ignore[type-arg]
    now, item = world.clock.at, chance.choice(items)
    person = f"person:usr_{step}"
    changes = {
        "reword": Reworded(statement(f"cache note {step}, reworded"), "usr_1"),
        "share": Shared(chance.choice(list(Visibility)), "usr_1"),
        "dispute": Contradicted(source(100 + step, at=now), "", "no"),
        "hold": Held(Outcome(person, held=chance.random() < 0.5, at=now), ""),
        "quarantine": Quarantined("why"),
        "release": Resolved("usr_1", ""),
        "forget": Forgotten("crt_1"),
    }
    deed = chance.choice(["add", "add", "settle", "settle", "wait", *changes])
    if deed == "add":
        home = chance.choice([HOME, RESEARCH, UMBRA])
        begins, ends = chance.choice([None, now + 20]), chance.choice([None, now + 40])
        said = statement(f"cache note {step}", valid_from=begins, valid_to=ends)
        items += [one.item for one in await world.writer.write(home, [addition(said, source(200 + step))])]
    elif deed == "settle":
        await world.settle()
    elif deed == "wait":
        world.clock.at += 15
    else:
        found = await world.reader.get(Scope(item.org_id, None), item.item_id)
        if found.status != "forgotten":
            await world.change(found, changes[deed])


async def test_an_answer_is_not_kept_before_the_index_knows_what_changed(world: Searched) -> None:
    registry = Registry()
    searching = world.keeping(AnswerCache(world.clock, registry=registry))
    await world.write("The cache holds three replicas.")
    await world.writer.write(HOME, [addition("The cache holds nothing.")])
    for _ in range(2):  # the index looks at the ledgers twice a second, and time stands still
        await searching.search(SCOPE, "cache holds")
    assert counts(registry) == (0, 2, 0)
    await world.settle()
    for _ in range(2):
        await searching.search(SCOPE, "cache holds")
    assert counts(registry) == (1, 3, 0)


async def test_nothing_of_the_question_or_of_the_items_is_in_the_cache(world: Searched) -> None:
    shelf = Shelf()
    await world.write("The secret cache holds three replicas.")
    await world.keeping(AnswerCache(world.clock, shelf)).search(SCOPE, "secret cache")
    kept = str(shelf.values)
    assert shelf.values
    assert not [word for word in ("secret", "replicas", "acme", "default", "kn_", "usr_", "deb_") if word in kept]


async def test_a_cache_that_names_items_of_others_shows_none_of_them(world: Searched) -> None:
    shelf, registry = Shelf(), Registry()
    searching = world.keeping(AnswerCache(world.clock, shelf, registry))
    await world.write("The cache holds three replicas.")
    await world.write("The cache of umbra.", home=UMBRA)
    await world.write("The cache of research.", home=RESEARCH)
    honest = await searching.search(SCOPE, "cache")
    for number in range(1, 5):
        score = KeptScore(number, {"lexical": 1}, 1.0, 1.0, 1.0, None)
        for planted in (KeptAnswer((score,), "hybrid", exact=True, waiting=0), KeptAnswer((score,), "x", True, 0)):
            shelf.values = dict.fromkeys(shelf.values, encode_text(planted))
            assert told(await searching.search(SCOPE, "cache")) == told(honest)


async def _raises() -> str | None:
    raise Unavailable("Redis does not answer (ConnectionError).")


async def _never() -> str | None:
    await asyncio.Event().wait()
    return None


async def _rubbish() -> str | None:
    return '{"scores": 7}'


@pytest.mark.parametrize("answer", [_raises, _never, _rubbish])
async def test_a_cache_that_does_not_work_costs_no_search_and_says_so(
    world: Searched, monkeypatch: pytest.MonkeyPatch, answer: Callable[[], Awaitable[str | None]]
) -> None:
    shelf, registry = Shelf(), Registry()
    cache = AnswerCache(world.clock, shelf, registry)
    searching = world.keeping(cache)
    await world.write("The cache holds three replicas.")
    monkeypatch.setattr(kept_answers, "WAIT_S", 0.05)
    shelf.answer = answer
    for _ in range(3):
        assert told(await searching.search(SCOPE, "cache replicas")) == ["The cache holds three replicas."]
    assert counts(registry) == (2, 1, 1)  # it is asked once in some seconds; meanwhile the process keeps its own
    assert (await cache.look())[Component.CACHE].state is State.FAILS
    shelf.answer = None
    monkeypatch.setattr(kept_answers, "WAIT_S", 10.0)
    world.clock.at += AGAIN_S
    assert (await cache.look())[Component.CACHE].state is State.WORKS


@pytest.mark.slow
async def test_redis_may_be_stopped_and_started_again_under_searches(world: Searched, own_redis: RedisProcess) -> None:
    registry, client = Registry(), connect(own_redis.url)
    cache = AnswerCache(world.clock, RedisEphemeral(client), registry)
    searching = world.keeping(cache)
    (item,) = await world.write("The cache holds three replicas.")
    try:
        await searching.search(SCOPE, "cache replicas")
        other = Searching(world.reader, world.index, world.clock, searching._keeping)
        assert told(await other.search(SCOPE, "cache replicas")) == ["The cache holds three replicas."]
        assert counts(registry) == (1, 1, 0)
        own_redis.stop()
        assert told(await searching.search(SCOPE, "cache replicas")) == ["The cache holds three replicas."]
        assert (await cache.look())[Component.CACHE].state is State.FAILS
        await world.change(item, Forgotten("crt_1"))
        assert told(await searching.search(SCOPE, "cache replicas")) == []
        own_redis.start()
        world.clock.at += AGAIN_S
        assert told(await searching.search(SCOPE, "cache replicas")) == []
        assert (await cache.look())[Component.CACHE].state is State.WORKS
    finally:
        await client.aclose()


async def test_a_process_keeps_a_bounded_number_of_answers() -> None:
    cache = AnswerCache(SystemClock(), registry=Registry())
    answer = KeptAnswer((), "hybrid", exact=True, waiting=0)
    for number in range(kept_answers.KEPT_MAX + 10):
        await cache.put(f"km:{number}", answer)
    assert [await cache.get("km:0"), await cache.get(f"km:{kept_answers.KEPT_MAX}")] == [None, answer]
