"""Searching over HTTP: what is found, what is told beside it, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import httpx2
import pytest
from worlds.backends import SetClock
from worlds.knowledge import HOME, addition, statement
from worlds.knowledge_server import Site

from aragora.knowledge.model import ItemKind, Link, LinkKind, Source, SourceKind, Visibility
from aragora.knowledge.store.writing import KnowledgeWriter

from .conftest import Add

SEARCH = "/api/knowledge/search"


async def test_words_find_and_the_answer_says_that_it_was_words_alone(client: httpx2.AsyncClient, add: Add) -> None:
    await add("The cache holds 3 replicas.")
    await add("Invoices are due within 30 days.")
    answer = (await client.get(SEARCH, params={"q": "cache replicas"})).json()
    assert [hit["item"]["content"] for hit in answer["results"]] == ["The cache holds 3 replicas."]
    assert answer["mode"] == "lexical"
    assert "index of meanings" in answer["degraded"]
    assert answer["results"][0]["parts"] is None


async def test_asked_for_words_alone_nothing_is_degraded(client: httpx2.AsyncClient, add: Add) -> None:
    await add("The cache holds 3 replicas.")
    query = {"q": "cache", "mode": "lexical", "explain": "true"}
    answer = (await client.get(SEARCH, params=query)).json()
    assert (answer["mode"], answer["degraded"]) == ("lexical", "")
    assert answer["results"][0]["parts"]["places"] == {"lexical": 1}


async def test_asked_for_meaning_alone_it_is_away(client: httpx2.AsyncClient) -> None:
    answer = await client.get(SEARCH, params={"q": "cache", "mode": "semantic"})
    assert answer.status_code == 503


async def test_nothing_found_is_an_answer(client: httpx2.AsyncClient) -> None:
    answer = await client.get(SEARCH, params={"q": "who won the cup"})
    assert (answer.status_code, answer.json()["results"]) == (200, [])


@pytest.mark.parametrize(
    "query",
    [
        {"q": ""},
        {"q": "  "},
        {"q": "x" * 2_001},
        {"q": "x", "limit": "0"},
        {"q": "x", "limit": "101"},
        {"q": "x", "top_k": "5"},
        {"q": "x", "mode": "fuzzy"},
        {"q": "x", "kind": "gossip"},
        {"q": "x", "min_confidence": "1.5"},
        {"q": "x", "min_confidence": "nan"},
        {"q": "x", "as_of": "soon"},
        {"q": "x", "workspace": "a b"},
        {"q": "x", "topic": " "},
        {"limit": "5"},
    ],
)
async def test_a_wrong_or_unknown_parameter_is_refused(client: httpx2.AsyncClient, query: dict[str, str]) -> None:
    assert (await client.get(SEARCH, params=query)).status_code == 422


async def test_filters_narrow(client: httpx2.AsyncClient, add: Add) -> None:
    await add("Cache one.", kind="fact", topics=["a"], domain="law", confidence=0.7)
    await add("Cache two.", topics=["b"], confidence=0.1)
    await add("Cache three.", valid_to=1_600_000_000)

    async def found(**query: str) -> list[str]:
        answer = await client.get(SEARCH, params={"q": "cache", "mode": "lexical", **query})
        return sorted(hit["item"]["content"] for hit in answer.json()["results"])

    assert await found() == ["Cache one.", "Cache two."]
    assert await found(kind="fact") == ["Cache one."]
    assert await found(topic="B") == ["Cache two."]
    assert await found(domain="law") == ["Cache one."]
    assert await found(min_confidence="0.5") == ["Cache one."]
    assert await found(as_of="2020-01-01T00:00:00Z") == ["Cache one.", "Cache three.", "Cache two."]
    assert await found(workspace="research") == []


async def test_dissent_stands_beside_its_decision(
    site: Site, client: httpx2.AsyncClient, writer: KnowledgeWriter
) -> None:
    decision = statement("We keep the cache.", kind=ItemKind.DECISION)
    (kept,) = await writer.write(HOME, [addition(decision)])
    link = Link(LinkKind.DISSENTS_FROM, kept.item.item_id, 1.0)
    dissent = statement("Bob would rather drop it: it is stale.", kind=ItemKind.DISSENT)
    await writer.write(HOME, [addition(dissent, links=(link,))])
    answer = (await client.get(SEARCH, params={"q": "keep the cache", "mode": "lexical", "kind": "decision"})).json()
    (hit,) = answer["results"]
    assert [one["content"] for one in hit["dissents"]] == ["Bob would rather drop it: it is stale."]


HOSTILE = [
    "a-b", "don't", "@x", "GB/s", "20.04", '"', "NEAR(", "a AND", "*", "a OR b", "col:x", "(", ")", "'", "%", "_",
    "\\", "a:*", "!x", "<->", "x & y", "\u200b", "\U0001f600", "日本", "ß", "x" * 2_000, "$1", "--", ";", "{}", "^a", "a NOT",
]  # fmt: skip


@pytest.mark.parametrize("query", HOSTILE)
async def test_no_query_is_syntax(client: httpx2.AsyncClient, add: Add, query: str) -> None:
    await add("a-b don't @x GB/s 20.04 col:x 日本 ß x & y")
    answer = await client.get(SEARCH, params={"q": query, "mode": "lexical"})
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("query", ["a-b", "don't", "GB/s", "20.04", "日本", "ß", "col:x"])
async def test_and_none_of_them_is_a_silent_zero(client: httpx2.AsyncClient, add: Add, query: str) -> None:
    await add("a-b don't @x GB/s 20.04 col:x 日本 ß x & y")
    answer = await client.get(SEARCH, params={"q": query, "mode": "lexical"})
    assert len(answer.json()["results"]) == 1


async def test_what_is_shared_is_found_from_other_workspaces(
    site: Site, writer: KnowledgeWriter, clock: SetClock
) -> None:
    one = addition("The cache holds.", Source(SourceKind.PERSON, "person:ann", clock.now(), person="ann"))
    await writer.write(HOME, [replace(one, added=replace(one.added, visibility=Visibility.ORG))])
    async with site.client("dot") as dot, site.client("eve") as eve:
        query = {"q": "cache", "mode": "lexical"}
        assert len((await dot.get(SEARCH, params=query)).json()["results"]) == 1
        assert (await eve.get(SEARCH, params=query)).json()["results"] == []
