"""The routes of the control plane over a real store, called by people whose tokens are their names."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx2
from fastapi import FastAPI
from worlds.knowledge_server import Named
from worlds.memory_server import DEFAULT_CONFIG

from aragora.clock import Clock
from aragora.composition.control_plane import open_control_plane
from aragora.config.settings import Settings
from aragora.server.app import create_app
from aragora.server.chapters.control_plane import ControlPlanePorts

TASKS = "/api/control-plane/tasks"
AGENTS = "/api/control-plane/agents"
RECOMMENDATIONS = "/api/control-plane/recommendations"


@dataclass
class ControlSite:
    """The application, and what its routes call."""

    app: FastAPI
    ports: ControlPlanePorts

    def client(self, who: str) -> httpx2.AsyncClient:
        """Whoever says that this is their name (`worlds.knowledge_server.PEOPLE`)."""
        transport = httpx2.ASGITransport(app=self.app, client=("203.0.113.9", 5555), raise_app_exceptions=False)
        headers = {"Authorization": f"Bearer {who}"}
        return httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1:8080", headers=headers)


@asynccontextmanager
async def control_site(settings: Settings, clock: Clock) -> AsyncIterator[ControlSite]:
    """The routes of the control plane over the store of the settings, whose tables are there."""
    feature = open_control_plane(settings, clock)
    named: Any = Named()
    async with AsyncExitStack() as closing:
        for close in feature.closers:
            closing.push_async_callback(close)
        yield ControlSite(create_app(DEFAULT_CONFIG, named, (feature,)), feature.ports)


async def sent(client: httpx2.AsyncClient, path: str, status: int, body: Mapping[str, Any] | None = None) -> Any:
    """What a POST is answered."""
    answer = await client.post(path, json=body)
    assert answer.status_code == status, answer.text
    return answer.json()


def code_of(answer: httpx2.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]
