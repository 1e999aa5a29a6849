"""One ingress replica: nothing that has a chapter is left out."""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path
from typing import Any, cast

import pytest
import uvicorn
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware
from worlds.memory_server import Boards, World, served_for_test

from aragora.composition.launch import Launch
from aragora.composition.replica import WHOM_UVICORN_BELIEVES, build_ingress
from aragora.config.settings import Settings
from aragora.server import chapters
from aragora.server.chapter import Chapter


@pytest.fixture(autouse=True)
def whom_uvicorn_believes(monkeypatch: pytest.MonkeyPatch) -> None:
    """As people set it for other servers; a replica changes it for its whole process."""
    monkeypatch.setenv(WHOM_UVICORN_BELIEVES, "*")


def routes_of(app: Any) -> set[tuple[str, str]]:
    return {(method, route.path) for route in app.routes for method in getattr(route, "methods", None) or {"WEBSOCKET"}}


def test_every_chapter_is_served(tmp_path: Path) -> None:
    app = build_ingress(Launch(Settings(data_dir=tmp_path), started_at=0.0))
    modules = [
        importlib.import_module(f"{chapters.__name__}.{found.name}")
        for found in pkgutil.iter_modules(chapters.__path__)
    ]
    declared = {id(each): each for module in modules for each in vars(module).values() if isinstance(each, Chapter)}
    wanted = {
        (method, route.path) for chapter in declared.values() for route in chapter.routes for method in route.methods
    }
    assert wanted | {("WEBSOCKET", "/ws")} == routes_of(app)


def test_uvicorn_leaves_the_peer_of_a_connection_as_it_is(tmp_path: Path) -> None:
    build_ingress(Launch(Settings(data_dir=tmp_path), started_at=0.0))
    believed = uvicorn.Config(
        lambda: None, factory=True, log_config=None
    ).forwarded_allow_ips  # as Serve makes it, after this
    hosts = ProxyHeadersMiddleware(cast("Any", None), believed).trusted_hosts
    assert [host for host in ("127.0.0.1", "::1", "192.0.2.10", "") if host in hosts] == []


def test_the_server_of_the_tests_has_the_same_routes(tmp_path: Path) -> None:
    app = build_ingress(Launch(Settings(data_dir=tmp_path), started_at=0.0))
    assert routes_of(served_for_test(tmp_path, World(), Boards()).app) == routes_of(app)
