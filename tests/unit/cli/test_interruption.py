"""Ctrl-C and a closed pipe end a command at once, with the right code and no traceback."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import Any

import pytest
from worlds.waiting import WAIT_S


async def typed(*arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "aragora.cli", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "COLUMNS": "200", "PYTHONUNBUFFERED": "1"},
    )


@pytest.mark.parametrize("signals", [1, 2])
async def test_ctrl_c_ends_the_watching_and_says_where_the_debate_is(server: Any, signals: int) -> None:
    server.events = server.events[:3]
    process = await typed("ask", "Monolith?", "--url", server.url)
    assert process.stdout is not None
    async with asyncio.timeout(WAIT_S):
        while b"ada proposes" not in await process.stdout.readline():
            assert not process.stdout.at_eof()
        for _ in range(signals):
            process.send_signal(signal.SIGINT)
        _, problem = await process.communicate()
    assert process.returncode in ({130} if signals == 1 else {130, -signal.SIGINT})
    assert b"Traceback" not in problem
    if signals == 1:
        assert problem == b"aragora: not watching deb_1 any more; see 'aragora show deb_1'\n"


async def test_a_reader_that_has_seen_enough_ends_the_command_quietly(server: Any) -> None:
    process = await typed("replay", "deb_1", "--json", "--url", server.url)
    assert process.stdout is not None
    assert process.stderr is not None
    process._transport.get_pipe_transport(1).close()  # type: ignore[attr-defined]
    async with asyncio.timeout(WAIT_S):
        assert await process.stderr.read() == b""
        assert await process.wait() == 1


async def test_output_that_has_no_room_is_told_in_one_line_and_no_success() -> None:
    full = await asyncio.to_thread(open, "/dev/full", "wb")
    with full:
        for arguments in (("--version",), ("agents", "--available", "--json"), ("agents", "--available")):
            process = await asyncio.create_subprocess_exec(
                sys.executable, *("-m", "aragora.cli", *arguments), stdout=full, stderr=asyncio.subprocess.PIPE
            )
            _, problem = await asyncio.wait_for(process.communicate(), WAIT_S)
            assert process.returncode == 1
            assert problem.decode() == (
                "Something could not be written (No space left on device): free some space, or write elsewhere.\n"
            )


@pytest.mark.parametrize(
    ("typed", "code"), [("verify - <&-", 2), ("agents --available >&-", 0), ("show x 2>&-", 2), ("verify - <&- >&-", 2)]
)
async def test_a_closed_stream_is_no_fault_of_the_command(typed: str, code: int) -> None:
    shell = f"exec {sys.executable} -m aragora.cli {typed}"
    process = await asyncio.create_subprocess_shell(
        shell, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    _, problem = await asyncio.wait_for(process.communicate(), WAIT_S)
    assert process.returncode == code
    assert b"Traceback" not in problem


async def test_input_that_is_no_text_is_refused_and_no_traceback() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, *("-m", "aragora.cli", "users", "create", "a@example.com", "--password-stdin"),
        stdin=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONIOENCODING": "utf-8:strict", "ARAGORA_DATA_DIR": "/nonexistent/aragora"},
    )  # fmt: skip
    _, problem = await asyncio.wait_for(process.communicate(b"secret\xff\n"), WAIT_S)
    assert process.returncode == 2
    assert b"Traceback" not in problem
    assert b"secret" not in problem
