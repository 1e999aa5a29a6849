"""The routes of workflows over a real store, called by people whose tokens are their names."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2
from fastapi import FastAPI
from worlds.knowledge_server import Audit, Named
from worlds.memory_server import DEFAULT_CONFIG

from aragora.clock import Clock
from aragora.composition.workflows import open_workflows
from aragora.config.settings import Settings
from aragora.server.app import create_app


@dataclass
class Executions:
    """Workflows of which something runs."""

    ids: set[str] = field(default_factory=set)

    async def running_of(self, workflow_id: str) -> bool:
        return workflow_id in self.ids


@dataclass
class WorkflowSite:
    """The application, and what its routes call."""

    app: FastAPI
    audit: Audit
    running: Executions

    def client(self, who: str) -> httpx2.AsyncClient:
        """Whoever says that this is their name (`worlds.knowledge_server.PEOPLE`)."""
        transport = httpx2.ASGITransport(app=self.app, client=("203.0.113.9", 5555), raise_app_exceptions=False)
        headers = {"Authorization": f"Bearer {who}"}
        return httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1:8080", headers=headers)


@asynccontextmanager
async def workflow_site(settings: Settings, clock: Clock) -> AsyncIterator[WorkflowSite]:
    """The routes of workflows over the store of the settings, whose tables are there."""
    audit, running = Audit(), Executions()
    feature = open_workflows(settings, audit, clock, running=running)
    named: Any = Named()
    async with AsyncExitStack() as closing:
        for close in feature.closers:
            closing.push_async_callback(close)
        yield WorkflowSite(create_app(DEFAULT_CONFIG, named, (feature,)), audit, running)
