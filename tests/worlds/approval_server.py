"""The routes of approvals over an inbox, and answers by the rules, called by people whose tokens are their names."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2
from fastapi import FastAPI
from worlds.knowledge_server import Named
from worlds.memory_server import DEFAULT_CONFIG

from aragora.clock import Clock
from aragora.composition.workflow_approvals import open_workflow_approvals
from aragora.config.settings import Settings
from aragora.errors import AragoraError, Unauthenticated
from aragora.identity.principal import LOCAL_OPERATOR, Method, Principal
from aragora.scope import EVERYTHING
from aragora.server.app import create_app
from aragora.workflows.approvals import ApprovalRecord, ApprovalRequestStore
from aragora.workflows.approving import Answerer, Word, answer, overdue, settled, took
from aragora.workflows.store.approvals import open_approvals

APPROVALS = "/api/workflow-approvals"
PEOPLE = {
    "ann": Principal("ann", "acme", ("owner",), Method.SESSION, mfa=True),
    "bob": Principal("bob", "acme", ("owner",), Method.SESSION, login="oauth"),
    "cid": Principal("cid", "acme", ("viewer",), Method.SESSION),
    "key": Principal("ann", "acme", ("owner",), Method.API_KEY, scopes=("standard",)),
    "lea": Principal("lea", "acme", ("legal", "admin"), Method.SERVICE),
    "posing": Principal("ann", "acme", ("owner",), Method.SESSION, impersonator="root"),
    "req": Principal("req", "acme", ("owner",), Method.SESSION),
    "eve": Principal("eve", "umbra", ("owner",), Method.SESSION),
    "operator": LOCAL_OPERATOR,
}


class Known(Named):
    """Believes whoever names themself."""

    async def authenticate(self, facts: Any) -> Principal:
        name = facts.headers().get("authorization", "").removeprefix("Bearer ")
        if name not in PEOPLE:
            raise Unauthenticated("who are you?")
        return PEOPLE[name]


@dataclass
class Runner:
    """Fulfils `ApprovalCommands` as the runner of executions does, without a journal."""

    inbox: ApprovalRequestStore
    clock: Clock
    asked: list[tuple[str, Answerer, Word, str | None]] = field(default_factory=list)
    failure: AragoraError | None = None

    async def answer(self, approval_id: str, answerer: Answerer, word: Word, idempotency: str | None) -> ApprovalRecord:
        self.asked.append((approval_id, answerer, word, idempotency))
        if self.failure is not None:
            raise self.failure
        record, now = await self.inbox.get(EVERYTHING, approval_id), self.clock.now()
        state, version = record.state, record.version
        while (due := overdue(state, now)) is not None:
            state, version = took(state, due, now), version + 1
        said = answer(state, answerer, word, now, f"ans_{len(self.asked)}")
        if said.person not in state.answers:
            state, version = took(state, said, now), version + 1
            end = settled(state)
            if end is not None:
                state, version = took(state, end, now), version + 1
        written = ApprovalRecord(
            org_id=record.org_id,
            workspace=record.workspace,
            workflow_id=record.workflow_id,
            workflow=record.workflow,
            state=state,
            version=version,
        )
        await self.inbox.put([written])
        return written


@dataclass
class Audit:
    """The audit log: action, target, outcome, details."""

    entries: list[tuple[str, str, str, dict[str, str]]] = field(default_factory=list)
    failure: AragoraError | None = None

    async def note(self, visit: Any, action: str, actor: str, org_id: str, outcome: Any = "", **of: Any) -> None:
        if self.failure is not None:
            raise self.failure
        target, _ = of.pop("target"), of.pop("subject")
        self.entries.append((action, target, str(outcome), of))


@dataclass
class ApprovalSite:
    """The application, and what its routes call."""

    app: FastAPI
    inbox: ApprovalRequestStore
    runner: Runner
    audit: Audit

    def client(self, who: str) -> httpx2.AsyncClient:
        """Whoever says that this is their name (`PEOPLE`)."""
        transport = httpx2.ASGITransport(app=self.app, client=("203.0.113.9", 5555), raise_app_exceptions=False)
        headers = {"Authorization": f"Bearer {who}"}
        return httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1:8080", headers=headers)


@asynccontextmanager
async def approval_site(settings: Settings, clock: Clock) -> AsyncIterator[ApprovalSite]:
    """The routes over the inbox of the settings, whose tables are there."""
    inbox, audit = open_approvals(settings), Audit()
    runner = Runner(inbox, clock)
    feature = open_workflow_approvals(settings, commands=runner, audit=audit, clock=clock)
    named: Any = Known()
    try:
        yield ApprovalSite(create_app(DEFAULT_CONFIG, named, (feature,)), inbox, runner, audit)
    finally:
        await inbox.aclose()
        for close in feature.closers:
            await close()
