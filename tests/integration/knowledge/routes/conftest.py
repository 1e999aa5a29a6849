"""The routes of knowledge over both databases, and the people who call them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeAlias

import httpx2
import pytest
from worlds.backends import SetClock
from worlds.knowledge_server import Site, knowledge_site

from aragora.config.settings import Settings

Add: TypeAlias = Callable[..., Awaitable[dict[str, Any]]]


@pytest.fixture
async def site(settings: Settings, clock: SetClock) -> AsyncIterator[Site]:
    async with knowledge_site(settings, clock) as opened:
        yield opened


@pytest.fixture
async def client(site: Site) -> AsyncIterator[httpx2.AsyncClient]:
    """Ann, an owner of acme."""
    async with site.client("ann") as client:
        yield client


@pytest.fixture
def add(client: httpx2.AsyncClient) -> Add:
    """Adds an item as Ann, and returns the answer."""

    async def added(content: str = "The cache holds 3 replicas.", **fields: Any) -> dict[str, Any]:
        answer = await client.post("/api/knowledge/items", json={"content": content, **fields})
        assert answer.status_code in (200, 201), answer.text
        found: dict[str, Any] = answer.json()
        return found

    return added
