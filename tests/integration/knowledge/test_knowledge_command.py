"""`aragora knowledge` beside the real routes over a real store."""

from __future__ import annotations

import asyncio
import io
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from worlds.backends import SetClock
from worlds.knowledge import HOME, addition, source, statement
from worlds.knowledge_server import Site, knowledge_site
from worlds.signed_receipts import signed_receipt

from aragora import encoding
from aragora.cli import knowledge_operate
from aragora.cli.main import main
from aragora.config.settings import Settings
from aragora.debate.records import ReceiptRecord
from aragora.knowledge.adapting import EVERY
from aragora.knowledge.heeding import Heeding
from aragora.knowledge.model import ItemKind, Link, LinkKind
from aragora.knowledge.outcomes import Outcome, Wish
from aragora.knowledge.store.heeded import HeededOutcomes
from aragora.knowledge.store.writing import KnowledgeWriter
from aragora.storage.database import Database

Typed = Callable[..., Awaitable[int]]

pytestmark = pytest.mark.parametrize("settings", ["sqlite"], indirect=True)


@pytest.fixture
async def site(settings: Settings, clock: SetClock) -> AsyncIterator[Site]:
    async with knowledge_site(settings, clock) as opened:
        yield opened


@pytest.fixture
async def typed(site: Site, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Typed]:
    """Runs the command beside a server that answers with the routes."""
    monkeypatch.setenv("COLUMNS", "80")

    async def answer(request: web.Request) -> web.Response:
        headers = {name: value for name, value in request.headers.items() if name.lower() != "host"}
        async with site.client("ann") as client:
            made = await client.request(request.method, request.path_qs, content=await request.read(), headers=headers)
        return web.Response(body=made.content, status=made.status_code, headers={"Content-Type": "application/json"})

    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", answer)
    async with TestServer(app) as running:
        url = str(running.make_url("")).rstrip("/")

        async def run(*arguments: str, who: str = "ann") -> int:
            return await asyncio.to_thread(main, ["knowledge", *arguments, "--url", url, "--token", who])

        yield run


async def decided(site: Site, writer: KnowledgeWriter, receipt_hash: str | None = None) -> str:
    """A decision with its dissent, and the receipt of its debate."""
    document = signed_receipt()
    site.world.add("deb_1", org_id="acme")
    site.world.receipts["deb_1"] = ReceiptRecord(
        "rcp_1", "deb_1", 1, str(document["hash"]), "0" * 64, encoding.encode_text(document), 1.0
    )
    one = source(1, seq=7, receipt_id="rcp_1", receipt_hash=receipt_hash or str(document["hash"]))
    (kept,) = await writer.write(HOME, [addition(statement("We keep the cache.", kind=ItemKind.DECISION), one)])
    link = Link(LinkKind.DISSENTS_FROM, kept.item.item_id, 1.0)
    dissent = statement("Bob: drop it.", kind=ItemKind.DISSENT)
    await writer.write(HOME, [addition(dissent, links=(link,))])
    return kept.item.item_id


async def test_what_is_added_is_found_and_listed(typed: Typed, capsys: pytest.CaptureFixture[str]) -> None:
    assert await typed("add", "The cache holds 3 replicas.", "--kind", "fact", "--topic", "a", "--topic", "b") == 0
    assert capsys.readouterr().out.startswith("Added.")
    assert await typed("add", "The cache holds 3 replicas.", "--kind", "fact", "--topic", "a", "--topic", "b") == 0
    assert capsys.readouterr().out.startswith("It was there")
    assert await typed("search", "cache replicas") == 0
    told = capsys.readouterr().out
    assert "The cache holds 3 replicas." in told
    assert "from person ann" in told
    assert "index of meanings" in told
    assert await typed("list", "--json") == 0
    (item,) = json.loads(capsys.readouterr().out)["items"]
    assert (item["kind"], item["topics"]) == ("fact", ["a", "b"])
    assert await typed("list") == 0
    assert item["item_id"] in capsys.readouterr().out


async def test_a_text_comes_from_standard_input(
    typed: Typed, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("It holds.\nFor years."))
    assert await typed("add", "-", "--json") == 0
    assert json.loads(capsys.readouterr().out)["content"] == "It holds.\nFor years."


async def test_nothing_found_says_so(typed: Typed, capsys: pytest.CaptureFixture[str]) -> None:
    assert await typed("search", "who won", "--mode", "lexical") == 0
    assert capsys.readouterr().out == "Nothing relevant is known.\n"


@pytest.mark.parametrize(
    "arguments", [("add", " "), ("why", "kn_1"), ("why", "../x"), ("add", "x", "--kind", "decision"), ("search", " ")]
)
async def test_wrong_usage_is_refused(typed: Typed, arguments: tuple[str, ...]) -> None:
    assert await typed(*arguments) == 2


async def test_an_item_that_there_is_not_is_a_failure(typed: Typed, capsys: pytest.CaptureFixture[str]) -> None:
    assert await typed("why", f"kn_{'0' * 32}") == 1
    assert "there is no item" in capsys.readouterr().err


async def test_dissent_stands_below_its_decision(
    site: Site, typed: Typed, writer: KnowledgeWriter, capsys: pytest.CaptureFixture[str]
) -> None:
    await decided(site, writer)
    assert await typed("search", "keep the cache", "--mode", "lexical", "--kind", "decision") == 0
    assert "  dissent: Bob: drop it." in capsys.readouterr().out.splitlines()


async def test_why_tells_sources_receipts_and_what_moved_it(
    site: Site, typed: Typed, writer: KnowledgeWriter, capsys: pytest.CaptureFixture[str]
) -> None:
    item_id = await decided(site, writer)
    async with site.client("ann") as ann:
        await ann.post(
            f"/api/knowledge/items/{item_id}/dispute", json={"reason": "stale \x1b[31mred".replace("\x1b", "")}
        )
    assert await typed("why", item_id) == 0
    told = capsys.readouterr().out
    for text in ("debate deb_1, event 7", "1 independent root", "named by", "added", "contradicted by person:ann"):
        assert text in told, told


async def test_why_tells_what_was_seen_of_it(
    site: Site, typed: Typed, writer: KnowledgeWriter, database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    item_id, outcomes = await decided(site, writer), site.feature.ports.outcomes
    told = Outcome("deb_1", "acme", "default", "general", None, (), False, 0.6, "cid", "It fell\nover.", 5.0, 9.0)
    await outcomes.add(told, Wish(None, "cid"))
    await Heeding(outcomes, HeededOutcomes(database, writer)).of(("deb_1",))
    assert await typed("why", item_id) == 0
    shown = capsys.readouterr().out
    assert "debate:deb_1: did not hold, of it" in shown
    assert "version 1 by cid: no answer held: It fell over." in shown


async def test_a_search_may_be_kept_to_what_a_summary_was_made_of(
    typed: Typed, writer: KnowledgeWriter, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = await writer.write(HOME, [addition("The cache holds one."), addition("The cache holds two.")])
    links = (Link(LinkKind.DERIVED_FROM, first.item.item_id, 1.0),)
    (summary,) = await writer.write(HOME, [addition(statement("Of caches.", kind=ItemKind.SUMMARY), links=links)])
    assert await typed("search", "cache", "--within", summary.item.item_id, "--json") == 0
    results = json.loads(capsys.readouterr().out)["results"]
    assert [one["item"]["item_id"] for one in results] == [first.item.item_id]
    assert second.item.item_id not in str(results)
    assert await typed("search", "cache", "--within", "../x") == 2
    assert "no item's id" in capsys.readouterr().err


async def test_receipts_are_checked_here(
    site: Site,
    typed: Typed,
    writer: KnowledgeWriter,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    item_id = await decided(site, writer)
    assert await typed("verify", item_id) == 4  # nobody here knows the key
    assert "unknown signer" in capsys.readouterr().out
    monkeypatch.setenv("ARAGORA_RECEIPT_TRUSTED_KEYS", str(signed_receipt()["public_key"]))
    assert await typed("verify", item_id, "--json") == 0
    assert json.loads(capsys.readouterr().out)["receipts"][0]["state"] == "valid"
    changed = encoding.encode_text({**signed_receipt(), "position": 2})
    site.world.receipts["deb_1"] = ReceiptRecord("rcp_1", "deb_1", 1, "h", "0" * 64, changed, 1.0)
    assert await typed("verify", item_id) == 1
    del site.world.receipts["deb_1"]
    assert await typed("verify", item_id) == 1
    assert "missing" in capsys.readouterr().out


async def test_a_valid_receipt_that_the_item_does_not_name_is_another(
    site: Site, typed: Typed, writer: KnowledgeWriter, capsys: pytest.CaptureFixture[str]
) -> None:
    item_id = await decided(site, writer, "f" * 64)
    assert await typed("verify", item_id) == 1
    assert "other" in capsys.readouterr().out


async def test_behind_a_persons_word_is_no_receipt(typed: Typed, capsys: pytest.CaptureFixture[str]) -> None:
    await typed("add", "It holds.", "--json")
    item_id = json.loads(capsys.readouterr().out)["item_id"]
    assert await typed("verify", item_id) == 1
    assert "no receipt to check" in capsys.readouterr().out


@pytest.mark.usefixtures("journals_database")
async def test_adapters_are_listed_in_eighty_columns_and_synced(
    typed: Typed, site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await typed("adapters") == 0
    told = capsys.readouterr().out
    assert all(name in told for name in (*EVERY, "passivated"))
    assert max(map(len, told.splitlines())) <= 80
    assert await typed("adapters", "--json") == 0
    assert [one["backlog"] for one in json.loads(capsys.readouterr().out)["adapters"]] == [0] * len(EVERY)
    assert await typed("sync", "evidence") == 2  # only the operator may
    assert await typed("sync", "evidence", who="operator") == 0
    assert "evidence: 0 debates read, 0 of 0 items written." in capsys.readouterr().out
    assert await typed("sync", "evidence", "--json", who="operator") == 0
    assert json.loads(capsys.readouterr().out)["adapter"] == "evidence"
    assert await typed("sync", "gossip", who="operator") == 1
    assert "there are consensus, evidence" in capsys.readouterr().err
    assert await typed("sync", "../x", who="operator") == 2
    assert site.actors.synced == ["evidence", "evidence"]


async def test_the_index_is_built_anew_and_the_command_says_how_far_it_is(
    typed: Typed, site: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(knowledge_operate, "FOLLOW_S", 0.0)
    assert await typed("reindex", "--embed-anew", who="operator") == 0
    told = capsys.readouterr().out.splitlines()
    assert told == [
        "Loading: 0 of 3 vectors.",
        "Loading: 1 of 3 vectors.",
        "Loading: 2 of 3 vectors.",
        "Done: 3 vectors computed again in 1.0 s.",
    ]
    assert await typed("reindex", "--no-wait", "--json", who="operator") == 0
    assert json.loads(capsys.readouterr().out)["stage"] == "loading"
    assert await typed("reindex") == 2  # only the operator may


async def test_a_rebuild_that_nobody_knows_of_any_more_is_told(
    typed: Typed, site: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def gone() -> None:
        return None

    monkeypatch.setattr(knowledge_operate, "FOLLOW_S", 0.0)
    monkeypatch.setattr(site.actors, "rebuilding", gone)
    assert await typed("reindex", who="operator") == 1
    assert "Say it again" in capsys.readouterr().out
