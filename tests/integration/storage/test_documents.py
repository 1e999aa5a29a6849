"""One suite for the port of documents, over memory, SQLite, PostgreSQL and the stand-in for Supabase."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import ClientSession
from worlds.backends import served
from worlds.postgrest import KEY, PostgRest

from aragora.errors import Unavailable
from aragora.integrations.stores import CONNECTORS, INTEGRATIONS
from aragora.storage.collection import DocumentsOf
from aragora.storage.documents import DocumentRow, Documents
from aragora.storage.supabase import SupabaseDocuments

ROW = DocumentRow("acme/1", "acme", "ann", "slack", '{"n":1}', 1, 100.0, 100.0)


@pytest.fixture
def rows(documents: DocumentsOf) -> Documents:
    return documents(CONNECTORS.table)


async def test_a_row_comes_back_as_it_was_put(rows: Documents) -> None:
    assert await rows.put(ROW) == ROW
    assert await rows.get("acme/1") == ROW
    assert await rows.get("acme/2") is None
    assert await rows.count() == 1


async def test_a_second_put_replaces_but_keeps_when_it_was_made_and_counts_the_version(rows: Documents) -> None:
    await rows.put(ROW)
    again = replace(ROW, owner="bob", kind="jira", payload='{"n":2}', created_at=200.0, updated_at=200.0)
    kept = await rows.put(again)
    assert kept == replace(again, version=2, created_at=100.0)
    assert await rows.get("acme/1") == kept
    assert await rows.count() == 1


async def test_a_row_is_replaced_only_at_the_version_that_was_read(rows: Documents) -> None:
    read = await rows.put(ROW)
    assert await rows.replace(read, '{"n":2}', 200.0)
    assert not await rows.replace(read, '{"n":3}', 300.0)
    assert await rows.get("acme/1") == replace(read, payload='{"n":2}', version=2, updated_at=200.0)
    assert not await rows.replace(replace(ROW, record_id="acme/2"), "{}", 300.0)


async def test_of_many_replacements_at_once_one_wins(rows: Documents) -> None:
    read = await rows.put(ROW)
    won = await asyncio.gather(*(rows.replace(read, f'{{"n":{number}}}', 200.0) for number in range(6)))
    assert won.count(True) == 1
    kept = await rows.get("acme/1")
    assert kept is not None
    assert (kept.version, kept.payload) == (2, f'{{"n":{won.index(True)}}}')


async def test_of_many_puts_at_once_none_fails(rows: Documents) -> None:
    await asyncio.gather(*(rows.put(replace(ROW, payload=f'{{"n":{number}}}')) for number in range(4)))
    kept = await rows.get("acme/1")
    assert kept is not None
    assert kept.version == 4


async def test_a_row_is_deleted_once(rows: Documents) -> None:
    await rows.put(ROW)
    assert await rows.delete("acme/1")
    assert not await rows.delete("acme/1")
    assert await rows.get("acme/1") is None


async def test_rows_are_found_by_organisation_owner_and_kind_in_order_of_their_ids(rows: Documents) -> None:
    for number, (owner, kind) in enumerate([("bob", "slack"), ("ann", "jira"), ("ann", "slack")]):
        await rows.put(replace(ROW, record_id=f"acme/{number}", owner=owner, kind=kind))
    await rows.put(replace(ROW, record_id="other/0", org_id="other"))

    async def found(**wanted: Any) -> list[str]:
        return [row.record_id for row in await rows.find(**wanted)]

    assert await found(org_id="acme") == ["acme/0", "acme/1", "acme/2"]
    assert await found(org_id="acme", owner="ann") == ["acme/1", "acme/2"]
    assert await found(org_id="acme", kind="slack") == ["acme/0", "acme/2"]
    assert await found(org_id="acme", owner="ann", kind="slack") == ["acme/2"]
    assert await found(org_id="acme", after="acme/0") == ["acme/1", "acme/2"]
    assert await found(org_id="acme", after="acme/0", limit=1) == ["acme/1"]
    assert await found(org_id="nobody") == []


async def test_more_rows_than_a_page_are_all_found(rows: Documents) -> None:
    ids = [f"acme/{number:03}" for number in range(205)]
    await asyncio.gather(*(rows.put(replace(ROW, record_id=record_id)) for record_id in ids))
    assert [row.record_id for row in await rows.find(org_id="acme")] == ids
    assert [row.record_id for row in await rows.find(org_id="acme", limit=203)] == ids[:203]


async def test_a_walk_sees_the_rows_of_all_organisations_once(rows: Documents) -> None:
    for number in range(7):
        await rows.put(replace(ROW, record_id=f"o{number}/1", org_id=f"o{number}"))
    seen: list[str] = []
    while page := await rows.page(seen[-1] if seen else "", 3):
        seen += [row.record_id for row in page]
    assert seen == [f"o{number}/1" for number in range(7)]


async def test_tables_are_apart(documents: DocumentsOf) -> None:
    await documents(CONNECTORS.table).put(ROW)
    assert await documents(INTEGRATIONS.table).get("acme/1") is None


async def test_a_payload_does_not_show_in_logs(rows: Documents) -> None:
    assert "hidden" not in repr(await rows.put(replace(ROW, payload='{"x":"hidden"}')))


async def test_supabase_retries_reads_but_never_writes_and_hides_its_key() -> None:
    stand_in = PostgRest()
    row = replace(ROW, record_id="x", payload="{}")
    async with served(stand_in) as url, ClientSession() as session:
        rows = SupabaseDocuments(session, url, KEY, "integrations")
        stand_in.failing = [503, 503]
        assert await rows.get("x") is None
        stand_in.failing, stand_in.requests = [503], 0
        with pytest.raises(Unavailable):
            await rows.replace(row, "{}", 1.0)
        assert stand_in.requests == 1
        wrong = SupabaseDocuments(session, url, "wrong-key", "integrations")
        with pytest.raises(Unavailable, match="SUPABASE_KEY") as caught:
            await wrong.get("x")
        assert "wrong-key" not in str(caught.value) + repr(wrong)
        gone = SupabaseDocuments(session, "http://127.0.0.1:9", "k", "integrations")
        with pytest.raises(Unavailable):
            await gone.replace(row, "{}", 1.0)


@pytest.mark.parametrize("page", ["<html>We will be back soon.</html>", '{"message": "no rows"}', '[{"n": 1}]', "[3]"])
async def test_what_does_not_come_from_supabase_is_told_as_unavailable(page: str) -> None:
    stand_in = PostgRest()
    async with served(stand_in) as url, ClientSession() as session:
        rows = SupabaseDocuments(session, url, KEY, "integrations")
        await rows.put(ROW)
        stand_in.pages = [page]
        with pytest.raises(Unavailable, match="SUPABASE_URL"):
            await rows.get("acme/1")
        assert await rows.get("acme/1") == ROW


async def test_a_write_that_supabase_does_not_give_back_is_told_as_unavailable() -> None:
    stand_in = PostgRest()
    async with served(stand_in) as url, ClientSession() as session:
        rows = SupabaseDocuments(session, url, KEY, "integrations")
        assert await rows.get("acme/1") is None
        stand_in.pages = ["[]", "[]"]  # of the read before it and of the write
        with pytest.raises(Unavailable, match="SUPABASE_URL"):
            await rows.put(ROW)
