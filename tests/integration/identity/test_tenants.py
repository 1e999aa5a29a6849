"""Organisations are strangers to each other, and so are the workspaces of one: whatever route is tried with ids from
elsewhere, nothing is seen or done. The routes come from the OpenAPI document: one that is added later is tried as
well."""

from __future__ import annotations

import asyncio
import json
import re
import secrets
import time
from collections.abc import AsyncGenerator, AsyncIterator, MutableMapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from unittest.mock import AsyncMock

import httpx2
import pytest
from pydantic import SecretStr
from worlds.memory_server import RECEIVER, Boards, Served, World, served
from worlds.migrated import migrated
from worlds.waiting import WAIT_S
from worlds.webhook_deliveries import delivery
from worlds.webhook_store import dead, event

from aragora.config.settings import Settings
from aragora.debate.journal import JournalRow
from aragora.debate.model import DebateStatus
from aragora.debate.proposition import Idempotency
from aragora.debate.records import ChainHead, Commit, Conclusion, DebateRecord, DebateUpdate, NewDebate, ReceiptRecord
from aragora.debate.store.debates import DebateStore
from aragora.debate.store.journal_writer import JournalWriter
from aragora.identity.parts import Visit
from aragora.identity.principal import Method, Principal
from aragora.knowledge.model import Home
from aragora.knowledge.revalidation import Due, Reason
from aragora.knowledge.store.revalidations import RevalidationStore
from aragora.server.ports import DebateTicket, FeedItem
from aragora.storage.contexts import Context
from aragora.storage.database import Database
from aragora.webhooks.store.units import Enqueue
from aragora.webhooks.store.writer import DeliveryWriter

pytestmark = pytest.mark.slow

SERVICE: Final = "service-token-of-the-test"
PASSWORD: Final = "correct horse battery"
MARK: Final = "quince-marmalade"  # in all that Alice's organisation keeps
LAST: Final = ("/api/auth/api-key", "/api/auth/password", "/api/auth/logout")  # they end what the others need
AGENT: Final = "ada"  # has a task of Alice's
SIGN: Final = {"type": "approval", "id": "sign", "approvers": ["role:owner"], "deadline_s": None}
NOTIFY: Final = {"id": "tell", "type": "notify", "message": "mine"}
BODIES: Final[dict[str, Any]] = {
    "POST /api/debates": {"question": "Mine?"},
    "POST /api/decisions": {"question": "Mine?"},
    "POST /api/debates/estimate": {"question": "Mine?"},
    "POST /api/debates/{debate_id}/votes": {"choice": "ada", "intensity": 10},
    "POST /api/debates/{debate_id}/positions": {"groups": [["ada"]]},
    "POST /api/debates/{debate_id}/signatures": {"verdict": "approve"},
    "POST /api/debates/{debate_id}/outcome": {"right": None},
    "POST /api/receipts/verify": {"hash": "x"},
    "POST /api/auth/register": {"email": "more@example.com", "password": PASSWORD},
    "POST /api/auth/login": {"email": "alice@example.com", "password": "not hers"},
    "POST /api/auth/refresh": {"refresh_token": "invented"},
    "POST /api/auth/password": {"current": "wrong", "new": "another good one"},
    "POST /api/auth/oauth/exchange": {"code": "invented"},
    "POST /api/auth/mfa/verify": {"code": "123456"},
    "POST /api/auth/confirm": {"password": PASSWORD},
    "PATCH /api/users/{user_id}": {"disabled": True},
    "POST /api/invitations": {"email": "mine@example.com", "roles": ["viewer"]},
    "POST /api/invitations/accept": {"token": "invented", "password": PASSWORD},
    "POST /api/admin/users/{user_id}/impersonate": {"reason": "curious"},
    "PUT /api/integrations/{type}": {"settings": {"channel": "#mallory"}},
    "POST /api/workspaces": {"name": "mallorys"},
    "POST /api/webhooks": {"url": RECEIVER, "events": ["debate_end"]},
    "PATCH /api/webhooks/{webhook_id}": {"version": 1, "description": "mine"},
    "POST /api/knowledge/items": {"content": "Mine."},
    "PATCH /api/knowledge/items/{item_id}": {"content": "Mine now."},
    "POST /api/knowledge/items/{item_id}/dispute": {"reason": "I say so."},
    "POST /api/knowledge/import": '{"content": "Mine too."}',
    "PUT /api/knowledge/workspaces": {"offers": False},
    "POST /api/knowledge/reindex": {"embed_anew": True},
    "POST /api/knowledge/insights": {
        "insight_id": "mine",
        "source_workspace": "mallorys",
        "target_workspaces": ["default"],
        "task_type": "debate",
        "content": "Mine.",
        "confidence": 1.0,
    },
    "POST /api/control-plane/tasks": {"type": "mine"},
    "POST /api/control-plane/tasks/claim": {"agent_id": "mallory", "capabilities": []},
    "POST /api/control-plane/tasks/{task_id}/claim": {"agent_id": "mallory", "capabilities": []},
    "POST /api/control-plane/tasks/{task_id}/heartbeat": {"agent_id": AGENT},
    "POST /api/control-plane/tasks/{task_id}/complete": {"agent_id": AGENT, "result": "mine"},
    "POST /api/control-plane/tasks/{task_id}/fail": {"agent_id": AGENT, "error": "I say so."},
    "POST /api/control-plane/agents": {"agent_id": "mallory", "capabilities": []},
    "POST /api/workflows": {"definition": {"name": "Mine", "steps": [NOTIFY]}},
    "POST /api/workflows/validate": {"definition": {"name": "Mine", "steps": [NOTIFY]}},
    "PATCH /api/workflows/{workflow_id}": {"version": 1, "definition": {"name": "Mine", "steps": [NOTIFY]}},
    "POST /api/workflows/{workflow_id}/execute": {"inputs": {}},
    "POST /api/workflow-executions/{execution_id}/retry": {"step": "sign"},
    "POST /api/workflow-executions/{execution_id}/signals": {"name": "go"},
    "POST /api/workflow-approvals/{approval_id}/resolve": {"decision": "approve", "digest": 64 * "0"},
    "POST /api/workflow-approvals/resolve": {
        "answers": [{"approval_id": "apr_none", "decision": "approve", "digest": 64 * "0"}]
    },
    "POST /api/knowledge/forget": {"by": {"subject": "mine"}},
    "POST /api/webhooks/{webhook_id}/replay": {"since": time.time() - 60.0, "select": "failed"},
}
REPLAY: Final = BODIES["POST /api/webhooks/{webhook_id}/replay"]
OF_ANOTHER_ORDER: Final = {"/api/workflow-approvals"}
"""Lists whose cursors are not those of a time and an id."""
DEAD_LETTER: Final = f"dlv_{7:032x}"
INVENTED: Final = {
    "debate_id": "deb_none",
    "webhook_id": f"wh_{8:032x}",
    "delivery_id": f"dlv_{8:032x}",
    "replay_id": f"rpl_{8:032x}",
    "item_id": f"kn_{8:032x}",
    "forgetting_id": f"fgt_{8:032x}",
    "share_id": f"ins_{8:032x}",
    "revalidation_id": f"rev_{8:032x}",
    "adapter": "none",
    "task_id": f"tsk_{8:032x}",
    "workflow_id": f"wf_{8:032x}",
    "execution_id": f"exe_{8:032x}",
    "approval_id": f"apr_{8:032x}",
    "template_id": "none",
    "agent_id": "nobody",
    "task_type": "debate",
}
OPENED: Final = DebateTicket("deb_mallory", DebateStatus.QUEUED)


class StoredWorld:
    """Reads what is stored, follows a debate through that and then waits for what never comes; all commands go to
    `commands`."""

    def __init__(self, store: DebateStore, commands: AsyncMock) -> None:
        self._store = store
        self.get, self.page, self.export = store.get, store.page, store.export
        self.events, self.receipt, self.asked = store.events, store.receipt, store.asked
        self.open, self.cancel, self.vote, self.suggest = (
            commands.open, commands.cancel, commands.vote, commands.suggest,
        )  # fmt: skip
        self.correct, self.sign = commands.correct, commands.sign
        none = World()
        self.plan, self.like, self.team = none.plan, none.like, none.team
        self.settled, self.suggestions, self.steadiness = none.settled, none.suggestions, none.steadiness
        self.rated = none.rated

    async def follow(self, journal_id: str, after_seq: int = 0) -> AsyncGenerator[FeedItem, None]:
        for seq, payload in enumerate(await self._store.events(journal_id, after_seq), after_seq + 1):
            yield FeedItem(journal_id, seq, "agent_message", payload)
        await asyncio.Event().wait()

    def show(self, journal_id: str) -> None:
        """No agent writes anything here."""

    def hide(self, journal_id: str) -> None:
        """See `show`."""


@dataclass
class Person:
    """An account, logged in, with an API key."""

    user_id: str
    org_id: str
    session: dict[str, str]
    key_id: str
    key: dict[str, str]


@dataclass
class Site:
    """The application over real stores; the commands to debates are written down, not carried out."""

    server: Served
    commands: AsyncMock
    alice: Person
    mallory: Person
    cursor: str
    invitation_id: str
    webhook_id: str = ""
    replay_id: str = ""
    item_id: str = ""
    share_id: str = ""
    revalidation_id: str = ""
    task_id: str = ""
    workflow_id: str = ""
    execution_id: str = ""
    approval_id: str = ""

    def client(self, proof: dict[str, str]) -> httpx2.AsyncClient:
        return self.server.client("203.0.113.9", "localhost:8080", **proof)

    def operations(self) -> list[tuple[str, str, list[dict[str, Any]]]]:
        """(method, path, parameters) of every operation that the server describes, those in `LAST` at the end."""
        found = [
            (method.upper(), path, operation.get("parameters", []))
            for path, methods in self.described["paths"].items()
            for method, operation in methods.items()
        ]
        return sorted(found, key=lambda one: LAST.index(one[1]) if one[1] in LAST else -1)

    described: dict[str, Any] = field(default_factory=dict)


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    settings = Settings(
        data_dir=tmp_path,
        encryption_key=SecretStr(secrets.token_hex(32)),
        jwt_secret=SecretStr(secrets.token_hex(32)),
        service_token=SecretStr(SERVICE),
        service_roles=("owner", "admin"),
    )
    migrated(settings)
    database = Database.open(settings, Context.DEBATES)
    store, writer = DebateStore(database), JournalWriter(database)
    commands = AsyncMock()
    commands.open.return_value = OPENED
    commands.cancel.return_value = DebateTicket("deb_live", DebateStatus.CANCELLED)
    commands.vote.return_value = 2
    server = served(settings, StoredWorld(store, commands), Boards())
    nobody = Person("", "", {}, "", {})
    site = Site(server, commands, nobody, nobody, "", "")
    site.alice, site.mallory = await person(site, "alice"), await person(site, "mallory")
    await fill(site, writer)
    async with site.client(site.mallory.session) as client:  # a place of her own, from which she may share
        assert (await client.post("/api/workspaces", json={"name": "mallorys"})).is_success
    await deliver(site, settings)
    site.revalidation_id = await planned(site, settings)
    yield site
    await writer.aclose()
    await database.aclose()
    await server.aclose()


async def person(site: Site, name: str) -> Person:
    who = {"email": f"{name}@example.com", "password": PASSWORD}
    async with site.client({}) as client:
        made = (await client.post("/api/auth/register", json={**who, "name": name})).json()
        tokens = (await client.post("/api/auth/login", json=who)).json()
        session = {"Authorization": f"Bearer {tokens['access_token']}"}
        key = (await client.post("/api/auth/api-key", headers=session)).json()
    bearer = {"Authorization": f"Bearer {key['api_key']}"}
    return Person(made["user_id"], made["org_id"], session, key["key_id"], bearer)


async def fill(site: Site, writer: JournalWriter) -> None:
    """Alice's organisation gets a running debate, a decided one with its receipt, and an integration."""
    for number, debate_id in enumerate(("deb_live", "deb_done")):
        record = DebateRecord(
            debate_id, f"{MARK}?", DebateStatus.ACTIVE, "{}", 100.0 + number, 100.0, site.alice.user_id,
            site.alice.org_id,
        )  # fmt: skip
        await writer.open(NewDebate(record, (row(debate_id, 1),), Idempotency(f"key-{number}", "h")))
    await writer.conclude(Conclusion("deb_done", receipt))
    async with site.client(site.alice.session) as client:
        site.described = (await client.get("/openapi.json")).json()
        site.cursor = (await client.get("/api/debates?limit=1")).json()["next_cursor"]
        invited = await client.post("/api/invitations", json={"email": f"{MARK}@example.com", "roles": ["member"]})
        site.invitation_id = invited.json()["invitation_id"]
        answer = await client.put("/api/integrations/slack", json={"settings": {"channel": MARK}})
        assert answer.status_code == 200
        known = await client.post("/api/knowledge/items", json={"content": f"{MARK} holds."})
        assert known.status_code == 201, known.text
        site.item_id = known.json()["item_id"]
        assert (await client.post("/api/workspaces", json={"name": MARK})).is_success
        places = {"source_workspace": MARK, "target_workspaces": ["default"]}
        told = {**places, "insight_id": MARK, "task_type": MARK, "content": MARK, "confidence": 0.9}
        shared = await client.post("/api/knowledge/insights", json=told)
        assert shared.status_code == 201, shared.text
        site.share_id = shared.json()["share_id"]
        task = await client.post("/api/control-plane/tasks", json={"type": MARK, "payload": {"of": MARK}})
        assert task.status_code == 201, task.text
        site.task_id = task.json()["task_id"]
        written = {"name": MARK, "category": MARK, "tags": [MARK], "steps": [{**NOTIFY, "message": MARK}]}
        workflow = await client.post("/api/workflows", json={"definition": written})
        assert workflow.status_code == 201, workflow.text
        site.workflow_id = workflow.json()["workflow_id"]
        signed = {"name": MARK, "steps": [{**SIGN, "shows": {"what": MARK}}], "inputs": {"of": {"required": False}}}
        made = (await client.post("/api/workflows", json={"definition": signed})).json()
        given = {"inputs": {"of": MARK}}
        execution = await client.post(f"/api/workflows/{made['workflow_id']}/execute", json=given)
        assert execution.status_code == 202, execution.text
        site.execution_id = execution.json()["execution_id"]
        (asked,) = (await client.get("/api/workflow-approvals")).json()["approvals"]
        site.approval_id = asked["approval_id"]
        agent = {"agent_id": AGENT, "capabilities": [MARK]}
        assert (await client.post("/api/control-plane/agents", json=agent)).status_code == 200
        assert (await client.post(f"/api/control-plane/tasks/{site.task_id}/claim", json=agent)).status_code == 200


async def planned(site: Site, settings: Settings) -> str:
    """What Alice's organisation knows is to be debated again; its id."""
    database = Database.open(settings, Context.SCHEDULE)
    store, home = RevalidationStore(database), Home(site.alice.org_id, MARK)
    await store.plan(home, [(MARK, Due(site.item_id, "deb_done", Reason.STALE, 1.0, 1))], 1.0)
    (one,) = await store.planned("", 1)
    await database.aclose()
    return one.revalidation_id


async def deliver(site: Site, settings: Settings) -> None:
    """Alice's organisation gets a webhook, and a dead letter that was for it."""
    async with site.client(site.alice.session) as client:
        wanted = {"url": f"{RECEIVER}/{MARK}", "events": ["debate_end"]}
        made = await client.post("/api/webhooks", json=wanted)
        assert made.status_code == 201, made.text
        site.webhook_id = made.json()["webhook_id"]
        replay = await client.post(f"/api/webhooks/{site.webhook_id}/replay", json=REPLAY)
        assert replay.status_code == 202, replay.text
        site.replay_id = replay.json()["replay_id"]
    its = {"org_id": site.alice.org_id, "webhook_id": site.webhook_id, "target_id": site.webhook_id}
    waits = delivery(1, delivery_id=DEAD_LETTER, **its)
    brings = event(1, org_id=site.alice.org_id, body=json.dumps({"type": MARK}))
    database = Database.open(settings, Context.WEBHOOKS)
    writer = DeliveryWriter(database)
    await writer.enqueue(Enqueue(brings, (waits,)))
    await writer.attempted(dead(waits, text=MARK))
    await writer.aclose()
    await database.aclose()


def row(debate_id: str, seq: int) -> JournalRow:
    payload = json.dumps({"type": "agent_message", "data": {"text": MARK}, "seq": seq, "loop_id": debate_id})
    return JournalRow(debate_id, seq, "agent_message", payload, 100.0 + seq)


def receipt(head: ChainHead) -> tuple[ReceiptRecord, Commit]:
    document = json.dumps({"receipt_id": "rcp_done", "question": MARK})
    record = ReceiptRecord("rcp_done", "deb_done", head.position + 1, "1" * 64, head.hash, document, 101.0)
    update = DebateUpdate(status=DebateStatus.COMPLETED, decision=json.dumps({"answer": MARK}), receipt_id="rcp_done")
    return record, Commit("deb_done", (row("deb_done", 2),), update)


async def call(site: Site, client: httpx2.AsyncClient, method: str, path: str, ids: dict[str, str]) -> httpx2.Response:
    """One operation with these ids in its path and its query."""
    parameters = next(found for one, two, found in site.operations() if (one, two) == (method, path))
    query = {each["name"]: ids[each["name"]] for each in parameters if each["in"] == "query" and each["name"] in ids}
    if path in OF_ANOTHER_ORDER:
        query.pop("cursor", None)
    headers = {each["name"]: ids[each["name"]] for each in parameters if each["in"] == "header" and each["name"] in ids}
    url = re.sub(r"\{(\w+)\}", lambda match: ids[match[1]], path)
    return await client.request(method, url, params=query, headers=headers, json=BODIES.get(f"{method} {path}"))


def proofs_of(site: Site) -> dict[str, dict[str, str]]:
    """What an owner of another organisation can show."""
    headers = {"X-User-ID": "mallory", "X-Org-ID": site.mallory.org_id, "X-User-Roles": "owner"}
    return {
        "service": {**headers, "Authorization": f"Bearer {SERVICE}"},
        "api key": site.mallory.key,
        "session": site.mallory.session,
    }


def of_alice(site: Site, debate_id: str) -> dict[str, str]:
    return {
        "debate_id": debate_id,
        "user_id": site.alice.user_id,
        "key_id": site.alice.key_id,
        "cursor": site.cursor,
        "invitation_id": site.invitation_id,
        "type": "slack",
        "webhook_id": site.webhook_id,
        "delivery_id": DEAD_LETTER,
        "replay_id": site.replay_id,
        "item_id": site.item_id,
        "share_id": site.share_id,
        "revalidation_id": site.revalidation_id,
        "task_id": site.task_id,
        "workflow_id": site.workflow_id,
        "execution_id": site.execution_id,
        "approval_id": site.approval_id,
        "template_id": "none",
        "task_type": MARK,
        "agent_id": AGENT,
        "q": MARK,
        "If-Match": "1",
        "forgetting_id": f"fgt_{8:032x}",
        "adapter": "consensus",
    }


async def test_the_ids_are_good_for_their_owner(site: Site) -> None:
    async with site.client(site.alice.session) as client:
        for path in ("", "/{debate_id}", "/{debate_id}/events", "/{debate_id}/receipt", "/export"):
            answer = await call(site, client, "GET", f"/api/debates{path}", of_alice(site, "deb_done"))
            assert answer.status_code == 200, answer.text
            assert path == "" or MARK in answer.text
        for command in ("cancel", "votes"):
            answer = await call(
                site, client, "POST", f"/api/debates/{{debate_id}}/{command}", of_alice(site, "deb_live")
            )
            assert answer.is_success, answer.text


@pytest.mark.parametrize("proof", ["service", "api key", "session"])
async def test_no_route_shows_or_does_anything_with_the_ids_of_another_organisation(site: Site, proof: str) -> None:
    tried = 0
    async with site.client(proofs_of(site)[proof]) as client:
        for method, path, _ in site.operations():
            for debate_id in ("deb_live", "deb_done") if "{debate_id}" in path else ("deb_live",):
                answer = await call(site, client, method, path, of_alice(site, debate_id))
                told = f"{method} {path}: {answer.status_code} {answer.text[:300]}"
                assert answer.status_code not in (405, 500), told
                assert answer.status_code != 422 or "/oauth/" in path, told
                assert ("{debate_id}" not in path) or answer.status_code == 404, told
                assert ("{user_id}" not in path) or answer.status_code in (403, 404), told
                of_webhooks = any(part in path for part in ("{webhook_id}", "{delivery_id}", "{replay_id}"))
                assert not of_webhooks or answer.status_code == 404, told
                others = (
                    "{item_id}",
                    "{share_id}",
                    "{revalidation_id}",
                    "{task_id}",
                    "{workflow_id}",
                    "{execution_id}",
                )
                others += ("{approval_id}",)
                assert not any(part in path for part in others) or answer.status_code == 404, told
                for mark in (MARK, "rcp_done", site.alice.org_id, "alice@example.com"):
                    assert mark not in answer.text, told
                if "{debate_id}" not in path:
                    assert "deb_live" not in answer.text, told
                    assert "deb_done" not in answer.text, told
                tried += 1

    assert tried >= 30
    site.commands.cancel.assert_not_called()
    site.commands.vote.assert_not_called()
    site.commands.suggest.assert_not_called()
    opened = [each.args[0] for each in site.commands.open.call_args_list]
    assert [one.org_id for one in opened] == 2 * [site.mallory.org_id]  # POST /api/debates and POST /api/decisions
    await assert_alice_still_has_everything(site)


async def assert_alice_still_has_everything(site: Site) -> None:
    for proof in (site.alice.session, site.alice.key):
        async with site.client(proof) as client:
            assert len((await client.get("/api/debates")).json()["debates"]) == 2
            (slack,) = (await client.get("/api/integrations")).json()["integrations"]
            assert slack["settings"] == {"channel": MARK}
            hook = (await client.get(f"/api/webhooks/{site.webhook_id}")).json()
            assert (hook["version"], hook["status"]) == (1, "enabled")
            (item,) = (await client.get("/api/knowledge/items")).json()["items"]
            assert (item["content"], item["status"], item["version"]) == (f"{MARK} holds.", "live", 1)
            insight = (await client.get(f"/api/knowledge/insights/{site.share_id}")).json()
            assert (insight["content"], insight["status"]) == (MARK, "shared")
            (again,) = (await client.get(f"/api/knowledge/revalidations?workspace={MARK}")).json()["revalidations"]
            assert (again["revalidation_id"], again["state"]) == (site.revalidation_id, "planned")
            task = (await client.get(f"/api/control-plane/tasks/{site.task_id}")).json()
            assert (task["type"], task["state"], task["agent_id"]) == (MARK, "claimed", AGENT)
            workflow = (await client.get(f"/api/workflows/{site.workflow_id}")).json()
            assert (workflow["name"], workflow["version"]) == (MARK, 1)
            execution = (await client.get(f"/api/workflow-executions/{site.execution_id}")).json()
            assert (execution["status"], execution["inputs"]) == ("waiting", {"of": MARK})
            approval = (await client.get(f"/api/workflow-approvals/{site.approval_id}")).json()
            assert (approval["status"], approval["answers"]) == ("pending", [])
            (agent,) = (await client.get("/api/control-plane/agents")).json()["agents"]
            assert (agent["agent_id"], agent["capabilities"]) == (AGENT, [MARK])
            replay = (await client.get(f"/api/webhooks/replays/{site.replay_id}")).json()
            assert (replay["status"], replay["select"]) == ("running", "failed")
            (letter,) = (await client.get("/api/webhooks/dead-letters")).json()["dead_letters"]
            assert letter["delivery_id"] == DEAD_LETTER
            told = (await client.get(f"/api/webhooks/deliveries/{DEAD_LETTER}")).text
            assert told.count(MARK) == 2  # the payload, and the receiver's answer
    async with site.client(site.alice.session) as client:
        assert len((await client.get("/api/invitations")).json()["invitations"]) == 1
        assert (await client.get(f"/api/users/{site.alice.user_id}")).json()["disabled"] is False


async def people_of_another_workspace(site: Site) -> dict[str, dict[str, str]]:
    """What those can show who are of Alice's organisation, and of another workspace: a member of it, one who may not
    write, and Alice's own key that is held to it."""
    proofs = {}
    async with site.client(site.alice.session) as client:
        for role in ("member", "viewer"):
            who = {"email": f"{role}@example.com", "password": PASSWORD}
            body = {**who, "roles": [role], "workspaces": ["elsewhere"]}
            made = await client.post("/api/auth/register", json=body, headers=site.alice.session)
            assert made.status_code == 201, made.text
            tokens = (await client.post("/api/auth/login", json=who)).json()
            proofs[role] = {"Authorization": f"Bearer {tokens['access_token']}"}
        key = await client.post("/api/auth/api-key", json={"workspace": "elsewhere"})
        assert (key.status_code, key.json()["workspace"]) == (201, "elsewhere")
        proofs["key"] = {"Authorization": f"Bearer {key.json()['api_key']}"}
    return proofs


@pytest.mark.parametrize("proof", ["member", "viewer", "key"])
async def test_no_route_shows_or_does_anything_with_the_debates_of_another_workspace(site: Site, proof: str) -> None:
    shown = (await people_of_another_workspace(site))[proof]
    tried = 0
    async with site.client(shown) as client:
        for method, path, _ in site.operations():
            if "{debate_id}" not in path and not path.startswith(
                ("/api/debates", "/api/webhooks", "/api/integrations")
            ):
                continue
            for debate_id in ("deb_live", "deb_done") if "{debate_id}" in path else ("deb_live",):
                answer = await call(site, client, method, path, of_alice(site, debate_id))
                told = f"{method} {path}: {answer.status_code} {answer.text[:300]}"
                assert answer.status_code not in (405, 422, 500), told
                assert "{debate_id}" not in path or answer.status_code in (404, 403), told
                assert method == "POST" or "{debate_id}" not in path or answer.status_code == 404, told
                for mark in (MARK, "rcp_done", *(() if "{debate_id}" in path else ("deb_live", "deb_done"))):
                    assert mark not in answer.text, told
                tried += 1
        for path in ("/api/debates", "/api/debates/export"):
            assert MARK not in (await client.get(f"{path}?workspace=*")).text
            refused = await client.get(f"{path}?workspace=default")
            assert (refused.status_code, refused.json()["error"]["code"]) == (403, "foreign_workspace")
        refused = await client.post("/api/debates", json={"question": "Mine?", "workspace": "default"})
        assert refused.status_code == 403
        assert [one["name"] for one in (await client.get("/api/workspaces")).json()["workspaces"]] == ["elsewhere"]
        for path in ("/api/debates/deb_live/events", f"/api/workflow-executions/{site.execution_id}/events"):
            assert (await client.get(path, headers={"Accept": "text/event-stream"})).status_code == 404

    assert tried >= 20
    for command in ("cancel", "vote", "suggest", "correct", "sign"):
        getattr(site.commands, command).assert_not_called()
    opened = [each.args[0] for each in site.commands.open.call_args_list]
    assert [(one.org_id, one.workspace) for one in opened] == (
        [] if proof == "viewer" else [(site.alice.org_id, "elsewhere")]
    )
    await assert_alice_still_has_everything(site)


async def test_a_websocket_neither_hears_nor_steers_debates_of_another_workspace(site: Site) -> None:
    shown = (await people_of_another_workspace(site))["member"]
    async with socket_of(site, site.alice.session) as hers, socket_of(site, shown) as theirs:
        hers.say(type="subscribe", debate_id="deb_live")
        assert (await hers.next_of("agent_message"))["data"]["text"] == MARK
        for attempt in (
            {"type": "subscribe", "debate_id": "deb_live"},
            {"type": "user_vote", "loop_id": "deb_live", "payload": {"choice": "ada", "intensity": 10}},
            {"type": "user_suggestion", "loop_id": "deb_live", "payload": {"text": "choose me"}},
            {"type": "subscribe", "execution_id": site.execution_id},
        ):
            theirs.say(**attempt)
            refused = await theirs.next_of("error", "ack", "agent_message", "execution_started")
            assert (refused["type"], refused["data"]["code"]) == ("error", "not_found"), attempt
        for workspace, answer in ((None, "loops"), ("*", "loops"), ("default", "error")):
            theirs.say(type="get_loops", workspace=workspace)
            told = await theirs.next_of("loops", "error")
            assert (told["type"], told["data"].get("loops", [])) == (answer, [])
    site.commands.vote.assert_not_called()
    site.commands.suggest.assert_not_called()


async def test_who_is_given_another_workspace_reads_it_at_once_and_no_longer_once_it_is_taken(site: Site) -> None:
    shown = (await people_of_another_workspace(site))["member"]
    async with site.client(shown) as theirs, site.client(site.alice.session) as hers:
        user = (await theirs.get("/api/auth/me")).json()
        assert user["workspaces"] == ["elsewhere"]
        for names, status in ((["default", "elsewhere"], 200), (["*"], 200), (["default2"], 404)):
            changed = await hers.patch(f"/api/users/{user['user_id']}", json={"workspaces": names})
            assert (changed.status_code, changed.json()["workspaces"]) == (200, names)
            assert (await theirs.get("/api/debates/deb_live")).status_code == status
        listed = [one["name"] for one in (await hers.get("/api/workspaces")).json()["workspaces"]]
        assert listed == ["default", "default2", "elsewhere", MARK]


async def test_a_workspace_is_made_by_name_and_by_its_first_debate(site: Site) -> None:
    async with site.client(site.alice.session) as client:
        for _ in range(2):
            assert (await client.post("/api/workspaces", json={"name": "made"})).status_code == 201
        opened = await client.post("/api/debates", json={"question": "Where?", "workspace": "used"})
        assert opened.status_code == 202
        assert site.commands.open.call_args.args[0].workspace == "used"
        for bad in ("*", "a b", "", "x" * 65, "../x"):
            assert (await client.post("/api/workspaces", json={"name": bad})).status_code == 422
            assert (await client.post("/api/debates", json={"question": "Q?", "workspace": bad})).status_code == 422
            assert bad == "*" or (await client.get("/api/debates", params={"workspace": bad})).status_code == 422
        listed = [one["name"] for one in (await client.get("/api/workspaces")).json()["workspaces"]]
        assert listed == ["default", "made", MARK, "used"]
    entries = await site.server.identity.feature.ports.parts.audit.page(action="workspace.create")
    assert [entry.event.target for entry in entries] == ["used", "made", "mallorys", MARK]


async def test_a_foreign_id_and_an_invented_one_read_the_same(site: Site) -> None:
    async with site.client(site.mallory.session) as client:
        for method, path, _ in site.operations():
            for name, invented_id in INVENTED.items():
                if f"{{{name}}}" not in path:
                    continue
                ids = of_alice(site, "deb_done")
                answers = [
                    await call(site, client, method, path, {**ids, name: one}) for one in (ids[name], invented_id)
                ]
                foreign, invented = (
                    {**answer.json(), "request_id": "", "status": answer.status_code} for answer in answers
                )
                assert json.dumps(foreign).replace(ids[name], "ID") == json.dumps(invented).replace(invented_id, "ID")


async def test_a_service_key_cannot_leave_its_organisation_by_a_role(site: Site) -> None:
    """Even the administrator of the installation reads the debates of its own organisation only."""
    headers = {"X-User-ID": "root", "X-Org-ID": "org_root", "X-User-Roles": "owner,admin"}
    async with site.client({**headers, "Authorization": f"Bearer {SERVICE}"}) as client:
        assert (await client.get("/api/debates")).json()["debates"] == []
        assert (await client.get("/api/debates/deb_live")).status_code == 404
        assert MARK not in (await client.get("/api/debates/export?format=jsonl")).text
        assert (await client.get("/api/integrations")).json() == {"integrations": [], "unreadable": []}


async def test_the_same_idempotency_key_opens_another_organisations_own_debate(site: Site, tmp_path: Path) -> None:
    database = Database.open(Settings(data_dir=tmp_path), Context.DEBATES)
    writer = JournalWriter(database)
    mine = DebateRecord("deb_m", "Mine?", DebateStatus.ACTIVE, "{}", 1.0, 1.0, "m", site.mallory.org_id)
    opened = await writer.open(NewDebate(mine, (row("deb_m", 1),), Idempotency("key-0", "h")))
    await writer.aclose()
    await database.aclose()
    assert (opened.created, opened.record.debate_id) == (True, "deb_m")


@pytest.mark.parametrize("watched", ["debates/deb_live", "debates/deb_done", "an execution"])
async def test_an_event_stream_of_another_organisation_is_not_found(site: Site, watched: str) -> None:
    path = f"/api/{watched.replace('an execution', f'workflow-executions/{site.execution_id}')}/events"
    proof = {**site.mallory.session, "Accept": "text/event-stream"}
    async with asyncio.timeout(WAIT_S), site.client(proof) as client:  # a stream that opens would not end
        answer = await client.get(path)
        resumed = await client.get(path, headers={"Last-Event-ID": "1"})
    assert (answer.status_code, resumed.status_code) == (404, 404)
    assert MARK not in answer.text


class Socket:
    """A WebSocket without a network."""

    def __init__(self) -> None:
        self.said: asyncio.Queue[MutableMapping[str, Any]] = asyncio.Queue()
        self.heard: asyncio.Queue[MutableMapping[str, Any]] = asyncio.Queue()
        self.said.put_nowait({"type": "websocket.connect"})

    def say(self, **message: Any) -> None:
        self.said.put_nowait({"type": "websocket.receive", "text": json.dumps(message)})

    async def next_of(self, *kinds: str) -> dict[str, Any]:
        """The next message of these types."""
        async with asyncio.timeout(WAIT_S):
            while True:
                frame = await self.heard.get()
                message: dict[str, Any] = json.loads(frame.get("text") or "{}")
                if message.get("type") in kinds:
                    return message


@asynccontextmanager
async def socket_of(site: Site, proof: dict[str, str]) -> AsyncIterator[Socket]:
    socket = Socket()
    headers = [(b"host", b"localhost:8080"), *((k.lower().encode(), v.encode()) for k, v in proof.items())]
    scope = {
        "type": "websocket", "asgi": {"version": "3.0"}, "http_version": "1.1", "scheme": "ws", "path": "/ws",
        "raw_path": b"/ws", "query_string": b"", "root_path": "", "headers": headers, "subprotocols": [],
        "client": ("203.0.113.9", 5555), "server": ("localhost", 8080), "extensions": {},
    }  # fmt: skip
    running = asyncio.create_task(site.server.app(scope, socket.said.get, socket.heard.put))
    await socket.next_of("connection_info")
    yield socket
    socket.said.put_nowait({"type": "websocket.disconnect", "code": 1000})
    await asyncio.wait_for(running, WAIT_S)


async def test_a_websocket_neither_hears_nor_steers_debates_of_another_organisation(site: Site) -> None:
    async with socket_of(site, site.alice.session) as hers, socket_of(site, site.mallory.session) as his:
        hers.say(type="subscribe", debate_id="deb_live")
        assert (await hers.next_of("agent_message"))["data"]["text"] == MARK  # so the debate is followed here already
        hers.say(type="subscribe", execution_id=site.execution_id)
        assert (await hers.next_of("execution_started"))["data"]["name"] == MARK
        for after_seq in (0, 1):
            his.say(type="subscribe", execution_id=site.execution_id, after_seq=after_seq)
            refused = await his.next_of("error", "execution_started", "step_started")
            assert (refused["type"], refused["data"]["code"]) == ("error", "not_found")
            assert MARK not in json.dumps(refused)
        for debate_id in ("deb_live", "deb_done"):
            for attempt in (
                {"type": "subscribe", "debate_id": debate_id},
                {"type": "subscribe", "debate_id": debate_id, "after_seq": 1},
                {"type": "user_vote", "loop_id": debate_id, "payload": {"choice": "ada", "intensity": 10}},
                {"type": "user_suggestion", "loop_id": debate_id, "payload": {"text": "choose me"}},
            ):
                his.say(**attempt)
                refused = await his.next_of("error", "ack", "agent_message")
                assert (refused["type"], refused["data"]["code"]) == ("error", "not_found"), attempt
                assert MARK not in json.dumps(refused)
        his.say(type="get_loops")
        assert (await his.next_of("loops"))["data"] == {"loops": []}
        hers.say(type="get_loops")
        assert [loop["loop_id"] for loop in (await hers.next_of("loops"))["data"]["loops"]] == ["deb_live"]
    site.commands.vote.assert_not_called()
    site.commands.suggest.assert_not_called()


async def test_a_vote_over_a_websocket_as_another_bears_both_names(site: Site) -> None:
    ports = site.server.identity.feature.ports
    admin = Principal("usr_admin", "local", ("admin",), Method.API_TOKEN, mfa=True)
    pair = await ports.accounts.impersonate(admin, site.alice.user_id, "case 7", Visit("203.0.113.9"))
    async with socket_of(site, {"Authorization": f"Bearer {pair.access_token}"}) as acting:
        acting.say(type="user_vote", loop_id="deb_live", payload={"choice": "ada", "intensity": 10})
        await acting.next_of("ack")
    (entry,) = await ports.parts.audit.page(action="impersonation.deed")
    assert (entry.event.actor, entry.event.subject, entry.event.target, entry.event.details["deed"]) == (
        "usr_admin", site.alice.user_id, "deb_live", "user_vote",
    )  # fmt: skip
    assert entry.event.address == "203.0.113.9"
