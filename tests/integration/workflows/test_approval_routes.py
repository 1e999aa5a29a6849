"""Approvals over HTTP: the inbox, one answer, several answers, and what is refused."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest
from worlds.approval_server import APPROVALS, PEOPLE, ApprovalSite, approval_site
from worlds.approvals import DAY, NOW, SHOWN, a_policy, a_record, an_approval
from worlds.backends import SetClock, migrated_postgres
from worlds.migrated import migrated

from aragora.config.settings import Settings
from aragora.errors import Unavailable
from aragora.identity.principal import Method
from aragora.server.chapters.workflow_approvals import mode_of
from aragora.workflows.definition import Approval, ChecklistItem, Escalation
from aragora.workflows.model import Mode

ITEMS = (ChecklistItem(id="read", label="Read it"), ChecklistItem(id="told", label="Told them", required=False))
ONE = f"{APPROVALS}/apr_1"


@pytest.fixture
def clock() -> SetClock:
    return SetClock(NOW + 60)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
async def site(request: pytest.FixtureRequest, tmp_path: Path, clock: SetClock) -> AsyncIterator[ApprovalSite]:
    if request.param == "sqlite":
        settings = migrated(Settings(data_dir=tmp_path))
    else:
        settings = await migrated_postgres(request.getfixturevalue("migrated_url"), tmp_path)
    async with approval_site(settings, clock) as opened:
        yield opened


async def open_one(site: ApprovalSite, policy: Approval | None = None, **changes: Any) -> str:
    """An approval is opened; returns its digest."""
    belongs = {name: changes.pop(name) for name in ("org_id", "workspace") if name in changes}
    record = a_record(an_approval(policy or a_policy("user:ann", "user:bob"), **changes), **belongs)
    await site.inbox.put([record])
    return record.state.digest


async def sent(site: ApprovalSite, who: str, path: str, body: Any) -> httpx2.Response:
    async with site.client(who) as client:
        return await client.post(path, json=body)


async def got(site: ApprovalSite, who: str, path: str = ONE, **query: Any) -> Any:
    async with site.client(who) as client:
        answer = await client.get(path, params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def code_of(answer: httpx2.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


async def listed(site: ApprovalSite, who: str, **query: Any) -> list[str]:
    return [one["approval_id"] for one in (await got(site, who, APPROVALS, **query))["approvals"]]


async def test_an_approval_is_read_answered_and_says_what_became_of_it(site: ApprovalSite) -> None:
    policy = a_policy("user:ann", "role:owner", quorum=2, checklist=ITEMS, next="publish", on={"rejected": "tell"})
    digest = await open_one(site, policy)
    shown = await got(site, "ann")
    assert (shown["shown"], shown["digest"], shown["title"]) == (SHOWN, digest, "Sign it")
    assert shown["follows"] == {"approved": "publish", "rejected": "tell", "expired": None}
    assert (shown["needed"], shown["given"], shown["asked"]) == (2, 0, ["user:ann", "role:owner"])
    assert (shown["deadline_at"], shown["overdue"]) == (NOW + DAY, False)
    body = {"decision": "approve", "comment": " fine ", "checklist": ["read"], "digest": digest}
    first = await sent(site, "ann", f"{ONE}/resolve", body)
    assert first.status_code == 200, first.text
    assert (first.json()["status"], first.json()["given"]) == ("pending", 1)
    again = await sent(site, "ann", f"{ONE}/resolve", body)
    assert again.json() == first.json()
    namesake = {"status": "approved", "notes": "", "checklist": {"read": True, "told": False}, "digest": digest}
    second = (await sent(site, "bob", f"{ONE}/resolve", namesake)).json()
    assert (second["status"], second["why"], second["closed_at"]) == ("approved", "Approved by ann, bob.", NOW + 60)
    assert second["answers"][0] == {
        "person": "ann",
        "verdict": "approve",
        "at": NOW + 60,
        "need": "user:ann",
        "comment": "fine",
        "checklist": ["read"],
        "mode": "second_factor",
        "bypass": False,
    }
    assert second["answers"][1]["mode"] == "oauth"
    assert await listed(site, "ann", status="approved") == ["apr_1"]


@pytest.mark.parametrize(
    "body",
    [
        {},
        None,
        [],
        {"decision": None},
        {"decision": ""},
        {"decision": "approved"},
        {"decision": "yes"},
        {"status": "approve"},
        {"status": "pending"},
        {"status": True},
        {"comment": "approve"},
        {"decision": "approve", "status": "rejected"},
        {"decision": "abstain", "status": "approved"},
        {"decision": "approve", "comment": "a", "notes": "b"},
        {"decision": "approve", "verdict": "approve"},
        {"decision": "approve", "digest": "0"},
        {"decision": "approve", "bypass": "yes"},
        {"decision": "approve", "checklist": {"read": "yes"}},
        {"decision": "approve", "checklist": "read"},
        {"decision": "approve", "comment": "\x00"},
        {"decision": "approve", "comment": "x" * 1_001},
    ],
)
async def test_a3_what_decides_nothing_clearly_changes_nothing(site: ApprovalSite, body: Any) -> None:
    digest = await open_one(site)
    if isinstance(body, dict) and body:
        body = {"digest": digest, **body}
    assert code_of(await sent(site, "ann", f"{ONE}/resolve", body)) == (422, "invalid_input")
    assert (await got(site, "ann"))["status"] == "pending"
    assert site.runner.asked == []
    assert site.audit.entries == []


async def test_a3_halves_of_characters_are_refused_in_bodies_and_queries(site: ApprovalSite) -> None:
    digest = await open_one(site)
    async with site.client("ann") as client:
        raw = f'{{"decision": "approve", "digest": "{digest}", "comment": "\\ud800"}}'
        headers = {"Content-Type": "application/json"}
        answer = await client.post(f"{ONE}/resolve", content=raw, headers=headers)
        assert code_of(answer) == (422, "invalid_input")
        for name in ("workflow", "execution", "cursor"):
            assert code_of(await client.get(APPROVALS, params={name: "\x00"})) == (422, "invalid_input")
        assert code_of(await client.get(APPROVALS, params={"cursor": "nonsense"})) == (422, "invalid_cursor")
        for path in ("apr_%00", "apr_x%2F..", "wf_1", f"apr_{'x' * 200}"):
            assert (await client.get(f"{APPROVALS}/{path}")).status_code == 404


async def test_a8_an_answer_names_the_digest_of_what_was_read(site: ApprovalSite) -> None:
    await open_one(site)
    missing = await sent(site, "ann", f"{ONE}/resolve", {"decision": "approve"})
    assert code_of(missing) == (422, "digest_required")
    assert "GET /api/workflow-approvals/{id}" in missing.json()["error"]["message"]
    stale = await sent(site, "ann", f"{ONE}/resolve", {"decision": "approve", "digest": "0" * 64})
    assert code_of(stale) == (409, "stale_digest")
    assert (await got(site, "ann"))["status"] == "pending"


async def test_a2_every_row_says_whether_the_caller_may_answer_and_why(site: ApprovalSite) -> None:
    digest = await open_one(site, a_policy("user:ann", "user:cid"))
    rows = {who: (await got(site, who, APPROVALS))["approvals"][0] for who in ("ann", "cid", "req", "lea", "posing")}
    assert {who: (row["can_resolve"], row["can_bypass"]) for who, row in rows.items()} == {
        "ann": (True, True),
        "cid": (False, False),
        "req": (False, False),
        "lea": (False, True),
        "posing": (False, False),
    }
    assert rows["cid"]["reason"] == "To answer approvals needs the permission workflows.approve."
    assert rows["req"]["reason"] == "You started this execution: somebody else must approve it."
    assert rows["posing"]["reason"] == "Nobody answers while acting as another user."
    assert "shown" not in rows["ann"]
    body = {"decision": "approve", "digest": digest}
    for who in ("cid", "req", "lea", "posing"):
        assert code_of(await sent(site, who, f"{ONE}/resolve", body))[0] == 403
    by_key = {**body, "bypass": True, "comment": "by a key"}
    assert code_of(await sent(site, "key", f"{ONE}/resolve", by_key)) == (403, "forbidden")
    assert (await got(site, "ann"))["status"] == "pending"
    bare = await sent(site, "lea", f"{ONE}/resolve", {**body, "bypass": True})
    assert code_of(bare) == (422, "comment_required")
    done = (await sent(site, "lea", f"{ONE}/resolve", {**body, "bypass": True, "comment": "It burns."})).json()
    assert (done["status"], done["answers"][0]["bypass"], done["answers"][0]["mode"]) == ("approved", True, "headers")


async def test_a2_each_answer_is_audited_before_it_counts_and_refused_ones_twice(site: ApprovalSite) -> None:
    digest = await open_one(site)
    body = {"decision": "reject", "digest": digest}
    site.audit.failure = Unavailable("the audit log is away")
    assert (await sent(site, "ann", f"{ONE}/resolve", body)).status_code == 503
    assert site.runner.asked == []
    site.audit.failure = None
    assert (await sent(site, "ann", f"{ONE}/resolve", body)).status_code == 200
    assert code_of(await sent(site, "bob", f"{ONE}/resolve", {**body, "decision": "approve"})) == (
        409,
        "already_rejected",
    )
    said = {"verdict": "reject", "digest": digest, "mode": "second_factor", "bypass": "false"}
    assert site.audit.entries == [
        ("approval.answer", "apr_1", "success", said),
        ("approval.answer", "apr_1", "success", {**said, "verdict": "approve", "mode": "oauth"}),
        ("approval.answer", "apr_1", "failure", {"reason": "already_rejected"}),
    ]


async def test_a4_of_two_answers_at_once_both_are_told_the_truth(site: ApprovalSite) -> None:
    digest = await open_one(site)
    answers = await asyncio.gather(
        sent(site, "ann", f"{ONE}/resolve", {"decision": "approve", "digest": digest}),
        sent(site, "ann", f"{ONE}/resolve", {"decision": "approve", "digest": digest}),
    )
    assert {one.status_code for one in answers} == {200}
    other = await sent(site, "ann", f"{ONE}/resolve", {"decision": "reject", "digest": digest})
    assert code_of(other) == (409, "already_approved")
    assert "Approved by ann." in other.json()["error"]["message"]


async def test_a5_what_has_expired_says_so_and_was_rejected_by_nobody(site: ApprovalSite, clock: SetClock) -> None:
    digest = await open_one(site)
    clock.at = NOW + DAY
    row = await got(site, "ann")
    assert (row["status"], row["overdue"], row["can_resolve"]) == ("pending", True, False)
    assert await listed(site, "ann", overdue=True) == await listed(site, "ann", mine=True) == ["apr_1"]
    late = await sent(site, "ann", f"{ONE}/resolve", {"decision": "approve", "digest": digest})
    assert code_of(late) == (409, "expired")


async def test_a6_a_deadline_or_none_is_told_and_what_is_due_first_comes_first(site: ApprovalSite) -> None:
    await open_one(site, a_policy("user:ann", deadline_s=None), approval_id="apr_1")
    await open_one(site, a_policy("user:bob", deadline_s=2 * DAY), approval_id="apr_2")
    await open_one(site, a_policy("user:ann"), approval_id="apr_3")
    assert await listed(site, "ann") == ["apr_3", "apr_2", "apr_1"]
    assert await listed(site, "ann", mine=True) == ["apr_3", "apr_1"]
    assert (await got(site, "ann"))["deadline_at"] is None
    page = await got(site, "ann", APPROVALS, limit=2)
    rest = await got(site, "ann", APPROVALS, limit=2, cursor=page["next_cursor"])
    assert [one["approval_id"] for one in rest["approvals"]] == ["apr_1"]
    assert rest["next_cursor"] is None


async def test_a7_whoever_an_escalation_asks_may_answer_from_then_on(site: ApprovalSite, clock: SetClock) -> None:
    chain = (Escalation(approvers=("role:owner",), deadline_s=600.0),)
    digest = await open_one(site, a_policy("user:cid", escalations=chain))
    body = {"decision": "approve", "digest": digest}
    assert code_of(await sent(site, "bob", f"{ONE}/resolve", body)) == (403, "forbidden")
    clock.at = NOW + DAY
    assert (await sent(site, "bob", f"{ONE}/resolve", body)).json()["level"] == 1


async def test_several_are_answered_each_for_itself(site: ApprovalSite) -> None:
    digest = await open_one(site)
    other = await open_one(site, a_policy("user:bob"), approval_id="apr_2")
    await open_one(site, approval_id="apr_3", org_id="umbra")
    yes = {"decision": "approve", "digest": digest}
    answers = [
        {"approval_id": "apr_2", "decision": "approve", "digest": other},
        {"approval_id": "apr_1", **yes},
        {"approval_id": "apr_3", **yes},
        {"approval_id": "apr_1", **yes, "decision": "reject"},
        {"approval_id": "apr_1", "decision": "approve"},
        {"approval_id": "not one", **yes},
    ]
    results = (await sent(site, "ann", f"{APPROVALS}/resolve", {"answers": answers})).json()["results"]
    assert [(one["http_status"], (one["error"] or {}).get("code")) for one in results] == [
        (403, "forbidden"),
        (200, None),
        (404, "unknown_approval"),
        (409, "already_approved"),
        (422, "digest_required"),
        (404, "unknown_approval"),
    ]
    assert results[1]["approval"]["status"] == "approved"
    assert (await got(site, "eve", f"{APPROVALS}/apr_3"))["status"] == "pending"
    for many in ([], [answers[1]] * 51, [*answers[:1], {"approval_id": "apr_1", "digest": digest}]):
        refused = await sent(site, "ann", f"{APPROVALS}/resolve", {"answers": many})
        assert code_of(refused) == (422, "invalid_input")


async def test_nobody_learns_of_another_organisations_approvals(site: ApprovalSite) -> None:
    digest = await open_one(site, a_policy("role:owner"))
    await open_one(site, a_policy("role:owner"), approval_id="apr_2", workspace="secret")
    for who in ("eve", "operator"):
        async with site.client(who) as client:
            assert code_of(await client.get(ONE)) == (404, "unknown_approval")
        body = {"decision": "approve", "digest": digest}
        assert code_of(await sent(site, who, f"{ONE}/resolve", body)) == (404, "unknown_approval")
        assert await listed(site, who) == await listed(site, who, mine=True) == []
    assert site.runner.asked == []
    assert site.audit.entries == []
    assert await listed(site, "ann", workspace="*", mine=True) == ["apr_1", "apr_2"]
    async with site.client("cid") as client:
        assert (await client.get(f"{APPROVALS}/apr_2")).status_code == 404


async def test_a_runner_that_is_away_is_503_and_the_key_of_the_request_goes_with_it(site: ApprovalSite) -> None:
    digest = await open_one(site)
    site.runner.failure = Unavailable("the runner is away", retry_after_s=2.0)
    async with site.client("ann") as client:
        body = {"decision": "approve", "digest": digest}
        answer = await client.post(f"{ONE}/resolve", json=body, headers={"Idempotency-Key": "once"})
    assert (code_of(answer), answer.headers["retry-after"]) == ((503, "unavailable"), "2")
    assert site.runner.asked[0][3] == "once"


@pytest.mark.parametrize(
    ("who", "mode"),
    [
        (PEOPLE["ann"], Mode.SECOND_FACTOR),
        (PEOPLE["bob"], Mode.OAUTH),
        (replace(PEOPLE["bob"], mfa=True), Mode.SECOND_FACTOR),
        (PEOPLE["cid"], Mode.PASSWORD),
        (PEOPLE["key"], Mode.API_KEY),
        (replace(PEOPLE["key"], method=Method.API_TOKEN), Mode.API_KEY),
        (PEOPLE["lea"], Mode.HEADERS),
        (PEOPLE["operator"], Mode.LOCAL),
    ],
)
def test_an_answer_keeps_how_its_person_had_shown_who_it_is(who: Any, mode: Mode) -> None:
    assert mode_of(who) is mode
