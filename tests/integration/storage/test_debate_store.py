"""Reading debates and their journals on both stores."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Final

import pytest
from sqlalchemy import text

from aragora.config.settings import Settings
from aragora.debate.model import DebateStatus
from aragora.debate.records import DebateRecord, DebateUpdate
from aragora.debate.store.debates import DebateStore
from aragora.debate.store.journal_writer import JournalWriter
from aragora.encoding import decode
from aragora.errors import InvalidInput, NotFound, Unavailable
from aragora.scope import EVERYTHING, Scope
from aragora.storage.contexts import Context
from aragora.storage.database import Database

LOCAL: Final = Scope("local", None)
OTHER: Final = Scope("other", None)


@pytest.fixture
def store(debates_db: Database) -> DebateStore:
    return DebateStore(debates_db)


@pytest.fixture
async def seven(writer: JournalWriter, build: type) -> list[str]:
    """Ids of seven debates, oldest first; two were made in the same instant, the last by another organisation."""
    times = [100.0, 101.0, 102.0, 102.0, 103.0, 104.0, 105.0]
    ids = [f"d{number}" for number in range(7)]
    for debate_id, at in zip(ids, times, strict=True):
        org_id = "other" if debate_id == "d6" else "local"
        await writer.open(build.new_debate(debate_id, created_at=at, org_id=org_id))
    return ids


async def test_pages_hold_every_debate_once_newest_first(store: DebateStore, seven: list[str]) -> None:
    found: list[str] = []
    cursor = None
    while True:
        page = await store.page(EVERYTHING, limit=3, cursor=cursor)
        found += [record.debate_id for record in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert found == seven[::-1]


async def test_a_debate_opened_while_paging_shifts_nothing(
    store: DebateStore, seven: list[str], writer: JournalWriter, build: type
) -> None:
    first = await store.page(EVERYTHING, limit=3)
    await writer.open(build.new_debate("new", created_at=999.0))
    second = await store.page(EVERYTHING, limit=3, cursor=first.next_cursor)
    assert [record.debate_id for record in second.items] == seven[::-1][3:6]


async def test_a_page_is_of_one_status_and_one_organisation(
    store: DebateStore, seven: list[str], writer: JournalWriter, build: type
) -> None:
    await writer.commit(build.commit("d1", 2, update=DebateUpdate(status=DebateStatus.ACTIVE)))
    assert [record.debate_id for record in (await store.page(EVERYTHING, status=DebateStatus.ACTIVE)).items] == ["d1"]
    assert [record.debate_id for record in (await store.page(OTHER)).items] == ["d6"]
    assert seven


@pytest.mark.parametrize("cursor", ["x", "????", "WzEsMl0", "e30", "é"])
async def test_a_cursor_that_is_not_ours_is_invalid_input(store: DebateStore, cursor: str) -> None:
    with pytest.raises(InvalidInput):
        await store.page(EVERYTHING, cursor=cursor)


async def test_another_organisations_debate_is_not_found(store: DebateStore, seven: list[str]) -> None:
    assert (await store.get("d6", OTHER)).debate_id == "d6"
    for debate_id in ("d6", "nowhere"):
        with pytest.raises(NotFound):
            await store.get(debate_id, LOCAL)
    assert seven


async def test_the_export_holds_every_debate_oldest_first(store: DebateStore, seven: list[str]) -> None:
    assert [record.debate_id async for record in store.export(EVERYTHING)] == seven
    assert [record.debate_id async for record in store.export(OTHER)] == ["d6"]


async def test_a_scope_holds_its_own_workspaces_and_no_others_whatever_their_names(
    store: DebateStore, writer: JournalWriter, build: type
) -> None:
    names = ["default", "team_a", "teamXa", "TEAM_A", "team_a.", "team"]
    for number, name in enumerate(names):
        for org_id in ("local", "other"):
            made = build.new_debate(f"d_{org_id}_{name}", created_at=100.0 + number, org_id=org_id, workspace=name)
            await writer.open(made)
    for name in names:
        scope, mine = Scope("local", frozenset({name})), f"d_local_{name}"
        assert [record.debate_id for record in (await store.page(scope)).items] == [mine]
        assert [record.debate_id async for record in store.export(scope)] == [mine]
        assert (await store.get(mine, scope)).workspace == name
        for foreign in (f"d_other_{name}", *(f"d_local_{other}" for other in names if other != name)):
            with pytest.raises(NotFound) as unseen:
                await store.get(foreign, scope)
            with pytest.raises(NotFound) as unknown:
                await store.get("d_none", scope)
            assert str(unseen.value).replace(foreign, "ID") == str(unknown.value).replace("d_none", "ID")
    two = Scope("local", frozenset({"team", "default"}))
    assert [record.workspace for record in (await store.page(two)).items] == ["team", "default"]
    assert (await store.page(Scope("local", frozenset()))).items == ()
    assert [record.org_id for record in (await store.page(Scope(None, frozenset({"team"})))).items] == [
        "other",
        "local",
    ]


async def test_a_key_of_a_request_is_its_persons_own_in_each_workspace(
    store: DebateStore, writer: JournalWriter, build: type
) -> None:
    first = await writer.open(build.new_debate("d1", key="k", request_hash="h"))
    elsewhere = await writer.open(build.new_debate("d2", key="k", request_hash="other", workspace="team_a"))
    again = await writer.open(build.new_debate("d3", key="k", request_hash="other", workspace="team_a"))
    assert (first.created, elsewhere.created, again.created) == (True, True, False)
    assert (again.record.debate_id, again.record.workspace) == ("d2", "team_a")


async def test_events_come_in_order_after_a_seq_and_within_a_limit(
    store: DebateStore, writer: JournalWriter, build: type
) -> None:
    await writer.open(build.new_debate("d1"))
    await writer.commit(build.commit("d1", 2, 12))
    assert [decode(payload)["seq"] for payload in await store.events("d1", after=9)] == [10, 11, 12]
    assert [decode(payload)["seq"] for payload in await store.events("d1", after=3, limit=2)] == [4, 5]
    assert await store.events("nowhere") == []
    assert len(await store.journal("d1")) == 12


async def test_unfinished_debates_come_oldest_first(
    store: DebateStore, seven: list[str], writer: JournalWriter, build: type
) -> None:
    await writer.commit(build.commit("d0", 2, update=DebateUpdate(status=DebateStatus.COMPLETED)))
    await writer.commit(build.commit("d2", 2, update=DebateUpdate(status=DebateStatus.ACTIVE)))
    assert await store.unfinished() == seven[1:]


async def test_every_field_of_a_record_comes_back(store: DebateStore, writer: JournalWriter, build: type) -> None:
    record = DebateRecord(
        "d1",
        "Tabs? 'quoted' 🦉 é",
        DebateStatus.ACTIVE,
        '{"a":1}',
        1.25,
        2.5,
        "ann",
        "org",
        3,
        "{}",
        "why",
        0.125,
        "rcp",
    )
    await writer.open(replace(build.new_debate("d1"), record=record))
    assert await store.get("d1", EVERYTHING) == replace(record, last_seq=1)


async def test_a_debate_without_a_receipt_says_so(store: DebateStore, seven: list[str]) -> None:
    with pytest.raises(NotFound, match="no receipt"):
        await store.receipt(seven[0])


async def test_a_store_without_tables_is_unavailable_and_names_the_command(
    store: DebateStore, debates_db: Database
) -> None:
    async with debates_db.writing() as connection:
        await connection.execute(text("DROP TABLE journal"))
    with pytest.raises(Unavailable, match=r"aragora\.migrations\.apply"):
        await store.journal("d1")


@pytest.mark.parametrize("settings", ["sqlite"], indirect=True)
async def test_a_directory_that_is_gone_is_unavailable(
    settings: Settings, opened: Callable[[Context], Database]
) -> None:
    (settings.data_dir / "debates.db").unlink()
    settings.data_dir.rename(settings.data_dir.with_name("away"))
    with pytest.raises(Unavailable):
        await DebateStore(opened(Context.DEBATES)).get("d1", EVERYTHING)
    for thread in threading.enumerate():  # the driver's thread of the failed connection still talks to this loop
        if thread.name.endswith("(_connection_worker_thread)"):
            await asyncio.to_thread(thread.join, 5)
