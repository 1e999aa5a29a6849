"""An application over ports in memory, behind the authenticator of production."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import httpx2
import pytest
from worlds.memory_server import Boards, Served, World, served_for_test


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def boards() -> Boards:
    return Boards()


@pytest.fixture
def serve(world: World, boards: Boards, tmp_path: Path) -> Callable[..., Served]:
    """Makes a server of the test's own configuration, e.g. `serve(environment="production", api_token="secret")`."""
    return partial(served_for_test, tmp_path, world, boards)


@pytest.fixture
def client(serve: Callable[..., Served]) -> httpx2.AsyncClient:
    """The local operator of a development server on loopback."""
    return serve().client()
