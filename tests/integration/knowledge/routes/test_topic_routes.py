"""`GET /api/knowledge/topics`: who is told what a workspace asks about of late."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from typing import TypeAlias

import httpx2
import pytest
from worlds.backends import SetClock
from worlds.knowledge_server import Site

from aragora.config.settings import Settings
from aragora.debate.knowledge import question_digest
from aragora.debate.model import DebateStatus
from aragora.encoding import encode_text
from aragora.errors import Unavailable
from aragora.knowledge.model import Home
from aragora.knowledge.mound.adapters import pulse
from aragora.knowledge.observations import Observation
from aragora.knowledge.store.observations import keep
from aragora.server.chapters.knowledge_topics import NOTHING_LEARNT
from aragora.storage.contexts import Context
from aragora.storage.database import Database

PATH = "/api/knowledge/topics"
NOTHING = {"days": 30, "debates": 0, "since": None, "cut": False, "topics": [], "why": NOTHING_LEARNT}


Ended: TypeAlias = Callable[..., Awaitable[None]]


@pytest.fixture
def ended(site: Site, settings: Settings, clock: SetClock) -> Ended:
    """Makes a debate of acme that has ended just now, and was learnt from."""
    return partial(_ended, site, settings, clock)


async def _ended(
    site: Site, settings: Settings, clock: SetClock, debate_id: str, *, question: str, workspace: str = "default"
) -> None:
    site.world.add(debate_id, org_id="acme", workspace=workspace, question=question)
    record = site.world.records[debate_id]
    site.world.records[debate_id] = replace(record, status=DebateStatus.COMPLETED, created_at=clock.now())
    said = pulse.Asked(debate_id, clock.now(), decided=True, reached=True, domain="food")
    note = Observation(question_digest(question), encode_text(said), debate_id, "ann", clock.now())
    memory = Database.open(settings, Context.MEMORY)
    async with memory.writing() as connection:
        await keep(memory, connection, Home("acme", workspace), pulse.NAME, [note])
    await memory.aclose()


async def test_a_member_is_told_the_topics_of_a_workspace(
    site: Site, client: httpx2.AsyncClient, ended: Ended, clock: SetClock
) -> None:
    await ended("deb_1", question="Tea or coffee?")
    await ended("deb_2", question="Coffee or tea in the office?")
    await ended("deb_3", question="Which vault?", workspace="research")
    answer = await client.get(PATH)
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    newest = {"debate_id": "deb_1", "question": "Tea or coffee?", "at": clock.now()}
    assert answer.json() == {
        "workspace": "default",
        "days": 30,
        "debates": 2,
        "since": clock.now(),
        "cut": False,
        "topics": [
            {
                "name": "Tea coffee", "domain": "food", "debates": 2, "questions": 2, "decided": 2, "recency": 2.0,
                "last_7_days": 2, "before_21_days": 0, "rising": None, "newest": newest,
            }
        ],
        "why": "",
    }  # fmt: skip
    async with site.client("cid") as cid:
        assert (await cid.get(PATH)).json() == answer.json()


async def test_nobody_is_told_those_of_a_workspace_that_they_may_not_use(
    site: Site, client: httpx2.AsyncClient, ended: Ended
) -> None:
    await ended("deb_1", question="Which vault?", workspace="research")
    assert [one["name"] for one in (await client.get(PATH, params={"workspace": "research"})).json()["topics"]] == [
        "vault"
    ]
    async with site.client("bob") as bob, site.client("eve") as eve:
        assert (await bob.get(PATH)).json() == {"workspace": "default", **NOTHING}
        refused = await bob.get(PATH, params={"workspace": "research"})
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "foreign_workspace")
        assert (await eve.get(PATH, params={"workspace": "research"})).json() == {"workspace": "research", **NOTHING}
    async with site.client("nobody") as nobody:
        assert (await nobody.get(PATH)).status_code == 401


@pytest.mark.parametrize("query", ["days=0", "days=91", "limit=0", "limit=21", "days=x", "workspace=a/b", "other=1"])
async def test_what_is_out_of_bounds_is_refused(client: httpx2.AsyncClient, query: str) -> None:
    answer = await client.get(f"{PATH}?{query}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "invalid_input")


async def test_debates_that_cannot_be_read_are_said_to_be_away(site: Site, client: httpx2.AsyncClient) -> None:
    site.world.failure = Unavailable("the store is away")
    answer = await client.get(PATH)
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "unavailable")
