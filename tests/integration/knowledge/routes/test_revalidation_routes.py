"""What is debated again, over HTTP: who sees it, and who drops it."""

from __future__ import annotations

import httpx2
import pytest
from worlds.knowledge_server import Site

from aragora.config.settings import Settings
from aragora.knowledge.model import Home
from aragora.knowledge.revalidation import Due, Reason
from aragora.knowledge.store.revalidations import RevalidationStore, revalidations
from aragora.storage.contexts import Context
from aragora.storage.database import Database

PATH = "/api/knowledge/revalidations"


@pytest.fixture
async def waits(settings: Settings) -> str:
    """The id of one of acme's workspace `default` that waits."""
    database = Database.open(settings, Context.SCHEDULE)
    async with database.writing() as connection:
        await connection.execute(revalidations.delete())
    store = RevalidationStore(database)
    for org, workspace in (("acme", "default"), ("acme", "research"), ("umbra", "default")):
        due = Due("kn_" + 32 * "0", "deb_1", Reason.DISPUTED, 5.0, 2)
        assert await store.plan(Home(org, workspace), [("q", due)], 6.0) == 1
    planned = {(one.org_id, one.workspace): one.revalidation_id for one in await store.planned("", 10)}
    await database.aclose()
    return planned["acme", "default"]


async def places(client: httpx2.AsyncClient, **of: str) -> list[str]:
    answer = await client.get(PATH, params=of)
    assert answer.status_code == 200, answer.text
    return [one["workspace"] for one in answer.json()["revalidations"]]


async def test_everybody_sees_those_of_their_workspaces(site: Site, client: httpx2.AsyncClient, waits: str) -> None:
    assert await places(client) == ["default"]
    assert sorted(await places(client, workspace="*")) == ["default", "research"]
    assert await places(client, workspace="research") == ["research"]
    assert len(await places(client, workspace="*", limit="1")) == 1
    async with site.client("bob") as bob, site.client("dot") as dot:
        assert await places(bob) == ["default"]
        assert await places(dot, workspace="*") == ["research"]
        assert (await bob.get(PATH, params={"workspace": "research"})).status_code == 403
        (one,) = (await bob.get(PATH)).json()["revalidations"]
    assert {name: one[name] for name in ("revalidation_id", "state", "reason", "debate_id", "result", "why")} == {
        "revalidation_id": waits, "state": "planned", "reason": "disputed", "debate_id": None, "result": None, "why": "",
    }  # fmt: skip


async def test_whether_the_server_does_it_at_all_is_told(client: httpx2.AsyncClient) -> None:
    told = (await client.get(PATH)).json()
    assert (told["enabled"], told["debates_a_day"], told["usd_a_day"]) == (False, None, None)
    assert (await client.get(PATH, params={"limit": "0"})).status_code == 422
    assert (await client.get(PATH, params={"oldest": "first"})).status_code == 422


async def test_whoever_manages_knowledge_drops_one_and_that_is_audited(
    site: Site, client: httpx2.AsyncClient, waits: str
) -> None:
    async with site.client("bob") as bob, site.client("eve") as eve:
        assert (await bob.delete(f"{PATH}/{waits}")).status_code == 403
        assert (await eve.delete(f"{PATH}/{waits}")).status_code == 404
    assert site.audit.entries[-1] == ("knowledge.revalidation.drop", "eve", "failure")
    dropped = await client.delete(f"{PATH}/{waits}")
    assert (dropped.status_code, dropped.json()["state"], dropped.json()["why"]) == (
        200,
        "dropped",
        "somebody dropped it",
    )
    assert site.audit.entries[-1] == ("knowledge.revalidation.drop", "ann", "success")
    again = await client.delete(f"{PATH}/{waits}")
    assert (again.status_code, again.json()["error"]["code"]) == (409, "not_waiting")
    assert (await client.delete(f"{PATH}/none")).status_code == 404
