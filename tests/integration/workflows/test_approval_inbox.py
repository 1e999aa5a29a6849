"""One suite for the inbox of approvals, over memory, SQLite, PostgreSQL and Redis."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from worlds.approvals import DAY, NOW, a_policy, a_record, an_approval, answered
from worlds.backends import databases_of, emptied_redis, fresh_database, postgres_settings
from worlds.memory_stores import MemoryApprovals

from aragora.config.settings import Settings
from aragora.encoding import NotEncodable, encode_text
from aragora.errors import InvalidInput, Misconfigured, NotFound
from aragora.migrations.applying import apply_pending
from aragora.scope import EVERYTHING, Scope
from aragora.storage.contexts import Context
from aragora.storage.cursors import Turn, cursor_of
from aragora.storage.outbox import OutboxRow
from aragora.workflows.approvals import ApprovalRecord, ApprovalRequestStore, Wanted
from aragora.workflows.approving import Answerer, took
from aragora.workflows.definition import Escalation
from aragora.workflows.inbox import TOPIC, ApprovalDue, InboxConsumer
from aragora.workflows.model import ApprovalClosed, ApprovalEscalated, ApprovalStatus, Verdict
from aragora.workflows.store import approvals_redis
from aragora.workflows.store.approvals import open_approvals
from aragora.workflows.store.approvals_redis import RedisApprovals
from aragora.workflows.store.approvals_sql import SqlApprovals

ACME = Scope("acme", None)
ANN, BOB = Answerer("ann"), Answerer("bob", ("legal",))
PENDING, REJECTED = ApprovalStatus.PENDING, ApprovalStatus.REJECTED
BACKENDS = [
    "memory",
    "sqlite",
    pytest.param("postgresql", marks=pytest.mark.slow),
    pytest.param("redis", marks=pytest.mark.slow),
]


@pytest.fixture(params=BACKENDS)
async def inbox(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[ApprovalRequestStore]:
    if request.param == "memory":
        yield MemoryApprovals()
        return
    if request.param == "redis":
        async with emptied_redis(request.getfixturevalue("redis_server")) as client:
            yield RedisApprovals(client)
        return
    settings = Settings(data_dir=tmp_path)
    if request.param == "postgresql":
        settings = await postgres_settings(request.getfixturevalue("postgres_url"), tmp_path)
    async with databases_of(settings, Context.WORKFLOWS) as databases:
        store = SqlApprovals(databases[Context.WORKFLOWS])
        yield store
        await store.aclose()


def numbered(number: int, *approvers: str, at: float = NOW, **changes: Any) -> ApprovalRecord:
    policy = a_policy(*(approvers or ("user:ann",)), **changes.pop("policy", {}))
    state = an_approval(policy, at, approval_id=f"apr_{number:03}", execution_id=changes.pop("execution", "wfx_1"))
    return a_record(state, **changes)


async def ids(inbox: ApprovalRequestStore, scope: Scope = ACME, limit: int = 50, **wanted: Any) -> list[str]:
    """Of all pages."""
    found: list[str] = []
    cursor: str | None = None
    while True:
        page = await inbox.page(scope, Wanted(**wanted), cursor=cursor, limit=limit)
        assert len(page.items) <= limit
        found += [one.approval_id.removeprefix("apr_") for one in page.items]
        cursor = page.next_cursor
        if cursor is None:
            return found


async def test_a_record_comes_back_as_it_was_written_and_lists_leave_out_what_is_shown(
    inbox: ApprovalRequestStore,
) -> None:
    chain = (Escalation(approvers=("role:owner",), deadline_s=60.0),)
    state = answered(an_approval(a_policy("user:ann", "role:legal", quorum="all", escalations=chain)), ANN)
    record = a_record(took(state, ApprovalEscalated("apr_1", 1, NOW + 2 * DAY), NOW + DAY))
    await inbox.put([record])
    assert await inbox.get(ACME, "apr_1") == record
    listed = (await inbox.page(ACME, Wanted())).items
    assert listed == (replace(record, state=replace(record.state, shown={})),)


async def test_an_older_version_never_takes_the_place_of_a_newer_one(inbox: ApprovalRequestStore) -> None:
    first = numbered(1, "user:ann", "role:legal")
    closed = replace(first, state=answered(first.state, "ann"), version=9)
    await inbox.put([closed, first])
    await inbox.put([first])
    await inbox.put([closed])
    assert await inbox.get(ACME, "apr_001") == closed
    assert await ids(inbox, status=PENDING) == await ids(inbox, mine=BOB) == []
    later = replace(first, version=11)
    await inbox.put([first, later])
    assert await ids(inbox, mine=BOB) == ["001"]


async def test_of_many_versions_written_at_once_the_newest_stays(inbox: ApprovalRequestStore) -> None:
    versions = [replace(numbered(1), version=version, workflow=f"v{version}") for version in range(20)]
    random.Random(7).shuffle(versions)
    await asyncio.gather(*(inbox.put([one, numbered(2)]) for one in versions))
    assert (await inbox.get(ACME, "apr_001")).version == 19
    assert await ids(inbox, mine=ANN) == ["001", "002"]


async def test_what_waits_comes_by_deadline_then_by_age_and_what_is_closed_newest_first(
    inbox: ApprovalRequestStore,
) -> None:
    none = {"deadline_s": None}
    records = [
        numbered(1, policy=none, at=NOW + 5),
        numbered(2, policy=none, at=NOW + 4),
        numbered(3, at=NOW + 9),
        numbered(4, at=NOW + 8),
        numbered(5, policy={"deadline_s": DAY - 1}, at=NOW + 9),
    ]
    for number, at in ((6, NOW + 20), (7, NOW + 30)):
        one = numbered(number)
        records.append(replace(one, state=answered(one.state, "ann", Verdict.REJECT, at=at)))
    await inbox.put(records)
    for limit in (1, 2, 50):
        assert await ids(inbox, limit=limit) == ["004", "005", "003", "002", "001", "007", "006"]
        assert await ids(inbox, limit=limit, mine=ANN) == ["004", "005", "003", "002", "001"]
    assert await ids(inbox, status=REJECTED) == ["007", "006"]
    assert await ids(inbox, overdue_at=NOW + DAY + 8) == ["004", "005"]
    assert await ids(inbox, overdue_at=NOW + DAY + 7.9, mine=ANN) == []


async def test_mine_are_those_that_await_my_word(inbox: ApprovalRequestStore) -> None:
    asked_twice = numbered(1, "user:bob", "role:legal", policy={"quorum": 2})
    chain = {"escalations": (Escalation(approvers=("role:legal",), deadline_s=60.0),)}
    escalated = numbered(2, "user:ann", policy=chain)
    said = numbered(3, "user:ann", "role:legal", "user:bob", policy={"quorum": 3})
    said = replace(said, state=answered(said.state, BOB))
    own = numbered(4, "role:legal")
    own = replace(own, state=replace(own.state, requested_by="bob"))
    wrote = numbered(5, "role:legal")
    wrote = replace(wrote, state=replace(wrote.state, authors=("x", "bob")))
    await inbox.put([asked_twice, escalated, said, own, wrote])
    assert await ids(inbox, mine=BOB) == ["001"]
    assert await ids(inbox, mine=ANN) == ["002", "003"]
    assert await ids(inbox, mine=Answerer("zoe", ("legal", "legal"))) == ["001", "003", "004", "005"]
    event = ApprovalEscalated("apr_002", 1, NOW + DAY)
    await inbox.put([replace(escalated, version=4, state=took(escalated.state, event, NOW))])
    assert await ids(inbox, mine=BOB) == ["001", "002"]
    closing = ApprovalClosed("apr_001", ApprovalStatus.CLOSED)
    await inbox.put([replace(asked_twice, version=4, state=took(asked_twice.state, closing, NOW))])
    assert await ids(inbox, mine=BOB) == ["002"]


async def test_lists_are_filtered_and_nobody_sees_what_is_not_in_its_scope(inbox: ApprovalRequestStore) -> None:
    await inbox.put(
        [
            numbered(1, workflow_id="wf_2"),
            numbered(2, execution="wfx_2"),
            numbered(3, workspace="legal"),
            numbered(4, org_id="other"),
        ]
    )
    assert await ids(inbox) == ["001", "002", "003"]
    assert await ids(inbox, EVERYTHING) == await ids(inbox, EVERYTHING, mine=ANN) == ["001", "002", "003", "004"]
    assert await ids(inbox, Scope("acme", frozenset({"legal"})), mine=ANN) == ["003"]
    assert await ids(inbox, Scope("acme", frozenset())) == []
    assert await ids(inbox, workflow="wf_2") == await ids(inbox, workflow="wf_2", mine=ANN) == ["001"]
    assert await ids(inbox, execution="wfx_2") == await ids(inbox, execution="wfx_2", mine=ANN) == ["002"]
    assert await ids(inbox, Scope("other", None), execution="wfx_2") == []
    assert await ids(inbox, status=REJECTED, mine=ANN) == []
    for scope, approval_id in (
        (Scope("other", None), "apr_001"),
        (Scope("acme", frozenset({"default"})), "apr_003"),
        (ACME, "apr_004"),
        (ACME, "apr_009"),
    ):
        with pytest.raises(NotFound):
            await inbox.get(scope, approval_id)
    with pytest.raises(InvalidInput):
        await inbox.page(ACME, Wanted(), cursor="nonsense")


async def test_hostile_texts_come_back_or_are_refused_before_any_store(inbox: ApprovalRequestStore) -> None:
    hostile = "\x00' OR 1=1 --;\n\u202e{{ }}\U0001f600"
    state = an_approval(title=hostile, shown={"question": hostile})
    await inbox.put([a_record(state, workflow=hostile)])
    assert (await inbox.get(ACME, "apr_1")).state == state
    for broken in (replace(state, title="\ud800"), replace(state, shown={"question": "\udfff"})):
        with pytest.raises(NotEncodable):
            await inbox.put([numbered(2), a_record(broken, version=4)])
    assert await ids(inbox) == ["1"]
    cursor = cursor_of(Turn(0.0, 0.0, hostile.replace("\x00", "").replace("\n", "")))
    assert len((await inbox.page(ACME, Wanted(), cursor=cursor)).items) == 1


async def test_a_page_that_finds_little_ends_and_says_where_to_go_on(
    inbox: ApprovalRequestStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(approvals_redis, "LOOKED_AT_MAX", 4)
    monkeypatch.setattr(approvals_redis, "BATCH", 2)
    await inbox.put([numbered(number, workflow_id="wf_9" if number > 8 else "wf_1") for number in range(1, 11)])
    for limit in (1, 2, 3):
        assert await ids(inbox, limit=limit, workflow="wf_9") == ["009", "010"]
        assert len(await ids(inbox, limit=limit, mine=ANN)) == 10


async def test_ten_thousand_that_wait_are_paged(inbox: ApprovalRequestStore) -> None:
    """And a page in the middle of them is found by a seek."""
    number = 10_000 if isinstance(inbox, SqlApprovals) else 1_000
    records = [numbered(one, "role:legal", "user:ann", at=NOW + one % 7) for one in range(number)]
    await inbox.put(records)
    page = await inbox.page(ACME, Wanted(mine=BOB), limit=200)
    assert len(page.items) == 200
    seen, cursor = 200, page.next_cursor
    while cursor is not None:
        page = await inbox.page(ACME, Wanted(mine=BOB, status=PENDING), cursor=cursor, limit=200)
        seen, cursor = seen + len(page.items), page.next_cursor
    assert seen == number


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["sqlite", "postgres", "redis"])
async def test_the_setting_chooses_where_approvals_are_kept(
    backend: str, tmp_path: Path, postgres_url: str, redis_server: str
) -> None:
    addresses: dict[str, dict[str, Any]] = {
        "sqlite": {},
        "postgres": {"database_url": SecretStr(await fresh_database(postgres_url))},
        "redis": {"redis_url": SecretStr(redis_server)},
    }
    settings = Settings(data_dir=tmp_path, approval_store_backend=backend, **addresses[backend])
    await apply_pending(settings)
    store = open_approvals(settings)
    await store.put([numbered(77)])
    assert await store.get(ACME, "apr_077") == numbered(77)
    await store.aclose()
    if addresses[backend]:
        with pytest.raises(Misconfigured, match="ARAGORA_APPROVAL_STORE_BACKEND"):
            open_approvals(Settings(data_dir=tmp_path, approval_store_backend=backend))


@pytest.mark.slow
async def test_approvals_that_are_dropped_leave_nothing_in_redis(redis_server: str) -> None:
    async with emptied_redis(redis_server) as client:
        inbox = RedisApprovals(client)
        await inbox.put([numbered(1), numbered(2)])
        await inbox.drop(["apr_001", "apr_404"])
        assert await ids(inbox) == await ids(inbox, mine=ANN) == ["002"]
        with pytest.raises(NotFound):
            await inbox.get(ACME, "apr_001")
        await inbox.drop(["apr_002"])
        assert await client.keys("*") == []


async def test_an_approval_that_is_deleted_before_the_inbox_hears_of_it_keeps_no_other_from_it() -> None:
    kept, inbox = MemoryApprovals(), MemoryApprovals()
    await kept.put([numbered(2)])
    rows = [
        OutboxRow(f"box_{number}", TOPIC, "wfx_1", encode_text(ApprovalDue(f"apr_{number:03}")), NOW)
        for number in (1, 2)
    ]
    await InboxConsumer(kept, inbox).apply(rows)
    assert await ids(inbox) == ["002"]
