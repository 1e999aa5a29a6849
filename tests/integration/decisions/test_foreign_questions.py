"""C2: whoever asks what another workspace has decided is answered as if nobody had ever asked it, in every byte that
does not name their own debate; and C8: who is given a decision pays nothing for it.

Time tells nothing either, by structure: the organisation and the workspace are in the key, so that the store is asked
the same queries, in the same order, and finds as little as for a question that nobody has asked.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest
from sqlalchemy import text
from worlds.backends import databases_of
from worlds.decisions import DECISIONS, QUESTION, DecisionSite, agreeing, decision_site
from worlds.schema import schema

from aragora.config.settings import Settings
from aragora.decisions.deciding import HITS, SAVED
from aragora.decisions.store.entries import Entries, Found
from aragora.observability.registry import REGISTRY
from aragora.storage.contexts import Context
from aragora.storage.database import Database

OWN = ("location", "x-request-id")
"""Headers that name the caller's own debate and request."""


@pytest.fixture
async def near_site(settings: Settings) -> AsyncIterator[DecisionSite]:
    """Replicas that look for near matches too: one more way to what others asked."""
    async with decision_site(settings.model_copy(update={"decision_near": True})) as opened:
        opened.agents.script = lambda _: None  # answers must not arrive between two statements of a request
        yield opened


@contextmanager
def watched(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[object]]:
    """What the router asks of the store, in its order, and what it finds of entries."""
    seen: list[object] = []
    writing, find, find_near = Database.writing, Entries.find, Entries.find_near

    @asynccontextmanager
    async def noted(database: Database, what: str = "") -> AsyncIterator[Any]:
        if "question" in what or "decision" in what:
            seen.append(what)
        async with writing(database, what) as connection:
            yield connection

    async def found(entries: Entries, key: str, *more: Any) -> Found:
        told = await find(entries, key, *more)
        seen.append(("entry", told.entry, told.policy))
        return told

    async def found_near(entries: Entries, key: str) -> Any:
        told = await find_near(entries, key)
        seen.append(("near", list(told)))
        return told

    with monkeypatch.context() as patch:
        patch.setattr(Database, "writing", noted)
        patch.setattr(Entries, "find", found)
        patch.setattr(Entries, "find_near", found_near)
        yield seen


async def answered(site: DecisionSite, who: str, body: dict[str, Any]) -> tuple[int, dict[str, str], dict[str, Any]]:
    """Status, headers and body, without what names the caller's own debate."""
    async with site.client(who) as client:
        answer = await client.post(DECISIONS, json=body)
    told = {**answer.json(), "debate_id": ""}
    assert set(OWN) <= set(answer.headers)
    return answer.status_code, {name: value for name, value in answer.headers.items() if name not in OWN}, told


async def test_a_question_of_another_workspace_is_answered_like_one_that_nobody_asked(
    near_site: DecisionSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    near_site.agents.script = agreeing
    await near_site.decided()
    await near_site.ask(200)
    near_site.agents.script = lambda _: None
    nobodys = QUESTION.replace("PostgreSQL", "PostgreSQM")
    seen: list[tuple[object, list[object]]] = []
    for who, body in (
        ("ann", {"question": nobodys}),
        ("ann", {"question": QUESTION, "workspace": "research"}),
        ("eve", {"question": QUESTION}),
        ("eve", {"question": f"Hello, {QUESTION.lower()}", "workspace": "research"}),
    ):
        with watched(monkeypatch) as asked:
            answer = await answered(near_site, who, body)
        seen.append((answer, asked))
    first, *others = seen
    assert len(first[1]) >= 4, "a look, a near look, a claim and its end"
    assert others == [first] * 3


async def rows_of(settings: Settings) -> dict[str, int]:
    """How many rows each table has that tells of debates, their cost and their budget."""
    async with databases_of(settings, Context.DEBATES) as databases:
        counts = {}
        for table in schema(Context.DEBATES).tables:
            async with databases[Context.DEBATES].reading() as connection:
                counts[str(table)] = int((await connection.execute(text(f"SELECT count(*) FROM {table}"))).scalar_one())
    return counts


async def test_a_decision_that_is_given_again_costs_nothing_and_tells_what_it_saved(site: DecisionSite) -> None:
    await site.decided()
    saved = (await site.ask(200))["saved_usd"]  # this one has it judged, too
    REGISTRY.drain()
    before = await rows_of(site.settings)
    hits = [await site.ask(200, replica=number % 2) for number in range(5)]
    assert {(hit["cost_usd"], hit["saved_usd"]) for hit in hits} == {(0.0, saved)}
    assert await rows_of(site.settings) == before, "no debate, no event for usage or webhooks, no reservation"
    counted = {one.sample: one.amount for one in REGISTRY.drain()}
    assert (counted[HITS], counted[SAVED]) == (5, pytest.approx(5 * saved))
