"""A server for the length of one command: it comes up, it is stopped, and it is never left running."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from worlds.waiting import WAIT_S, eventually

from aragora.cli import local_server as module
from aragora.cli.demo import demo_environment
from aragora.cli.local_server import local_server
from aragora.client import AragoraClient
from aragora.errors import Unavailable

StandIn = Callable[..., Path]
SERVER = """
import http.server, os, signal, subprocess, sys
print("server says hello", flush=True)
{behaviour}
class Ready(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers()
    def log_message(self, *_): ...
http.server.HTTPServer(("127.0.0.1", int(sys.argv[sys.argv.index("--http-port") + 1])), Ready).serve_forever()
"""


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    """Put a small script in the place of `python -m aragora.server`."""
    python = sys.executable

    def install(behaviour: str = "") -> Path:
        script = tmp_path / "server.py"
        script.write_text(SERVER.format(behaviour=behaviour))
        launcher = tmp_path / "python"
        launcher.write_text(f'#!/bin/sh\nexec "{python}" "{script}" "$@"\n')
        launcher.chmod(0o755)
        monkeypatch.setattr(module.sys, "executable", str(launcher))
        return tmp_path / "server.log"

    return install


def children() -> list[psutil.Process]:
    return [child for child in psutil.Process().children(recursive=True) if child.status() != psutil.STATUS_ZOMBIE]


async def test_it_takes_work_inside_the_block_and_is_gone_after_it(stand_in: StandIn) -> None:
    before = len(children())
    async with local_server(stand_in(), os.environ) as url, AragoraClient(url) as client:
        assert await client.ready()
        assert len(children()) == before + 1
    assert len(children()) == before


async def test_a_server_that_does_not_start_shows_the_end_of_its_log(stand_in: StandIn) -> None:
    with pytest.raises(Unavailable, match=r"code 2(?s:.*)server says hello(?s:.*)port 8080 is in use"):
        async with local_server(stand_in("sys.exit(print('port 8080 is in use') or 2)"), os.environ):
            pytest.fail("the block must not run")


async def test_a_server_that_never_becomes_ready_is_stopped(stand_in: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "START_DEADLINE_S", 0.5)
    with pytest.raises(Unavailable, match="not ready after"):
        async with local_server(stand_in("signal.pause()"), os.environ):
            pytest.fail("the block must not run")


async def test_a_server_that_does_not_stop_is_killed_with_all_it_started(
    stand_in: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "STOP_DEADLINE_S", 0.5)
    stubborn = "signal.signal(signal.SIGTERM, signal.SIG_IGN); subprocess.Popen(['sleep', '300'])"
    before = len(children())
    async with local_server(stand_in(stubborn), os.environ):
        assert len(children()) == before + 2
    await eventually(lambda: len(children()) == before)


async def test_an_interrupted_command_stops_its_server(stand_in: StandIn) -> None:
    before = len(children())
    running = asyncio.Event()

    async def work() -> None:
        async with local_server(stand_in(), os.environ):
            running.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await asyncio.wait_for(running.wait(), WAIT_S)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert len(children()) == before


async def test_what_an_ended_server_left_behind_is_ended_too(stand_in: StandIn) -> None:
    before = len(children())
    async with local_server(stand_in("subprocess.Popen(['sleep', '300'])"), os.environ):
        assert len(children()) == before + 2
    await eventually(lambda: len(children()) == before)


def test_the_demo_is_cut_off_from_other_stores_and_secrets_but_keeps_providers() -> None:
    kept = demo_environment(
        {
            "PATH": "/bin",
            "OPENAI_API_KEY": "k",
            "ARAGORA_OPENAI_BASE_URL": "http://proxy",
            "ARAGORA_LOCAL_BASE_URL": "http://ollama",
            "ARAGORA_ENV": "production",
            "ARAGORA_DATA_DIR": "/data",
            "DATABASE_URL": "postgresql://prod",
            "RAY_ADDRESS": "head:6379",
            "ARAGORA_REDIS_URL": "redis://prod",
        }
    )
    assert set(kept) == {"PATH", "OPENAI_API_KEY", "ARAGORA_OPENAI_BASE_URL", "ARAGORA_LOCAL_BASE_URL"}
