"""`aragora webhooks listen`, with real sockets: what it shows of each delivery, and how it ends."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from worlds.waiting import WAIT_S

from aragora.cli.main import main
from aragora.webhooks.signing import new_private_key, new_secret, public_key, signed_headers
from aragora.webhooks.verification import TYPE, new_challenge

SECRET = new_secret(bytes(range(32)))
OTHER = new_secret(bytes(range(1, 33)))
CHALLENGE = new_challenge(bytes(range(32)))
BODY = b'{"delivery_id": "dlv_1", "type": "debate_end", "data": {"answer": "na\\u00efve"}}'


@dataclass
class Listening:
    """The command, running, and what it has printed."""

    process: asyncio.subprocess.Process
    url: str
    remarks: list[str]

    async def post(self, body: bytes = BODY, headers: dict[str, str] | None = None, method: str = "POST") -> int:
        async with (
            aiohttp.ClientSession() as session,
            session.request(method, self.url, data=body, headers=headers) as answer,
        ):
            return answer.status

    async def challenged(
        self, by: str | None, challenge: object = CHALLENGE, sent_at: float | None = None
    ) -> tuple[int, str, str]:
        """The answer to a challenge that is signed by this secret: code, body, type of the body."""
        body = json.dumps({"type": TYPE, "data": {"webhook_id": "wh_1", "challenge": challenge}}).encode()
        headers = signed(*() if by is None else (by,), sent_at=sent_at, body=body)
        async with aiohttp.ClientSession() as session, session.post(self.url, data=body, headers=headers) as answer:
            return answer.status, await answer.text(), answer.headers.get("Content-Type", "")

    async def line(self) -> str:
        assert self.process.stdout is not None
        return (await self.process.stdout.readline()).decode()

    async def document(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(await self.line())
        return found

    async def stopped(self, number: int = signal.SIGINT) -> tuple[str, str]:
        """What else it prints, on standard output and on standard error, when it is stopped; its code is 0."""
        self.process.send_signal(number)
        out, remarks = await self.process.communicate()
        assert self.process.returncode == 0
        return out.decode(), remarks.decode()


@asynccontextmanager
async def running(*arguments: str, secret: str | None = SECRET, **variables: str) -> AsyncIterator[Listening]:
    environment = {name: value for name, value in os.environ.items() if name != "WEBHOOK_SECRET"}
    environment |= {"COLUMNS": "80", **variables} | ({} if secret is None else {"WEBHOOK_SECRET": secret})
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "aragora.cli", "webhooks", "listen", "--port", "0", *arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment,
    )
    assert process.stderr is not None
    try:
        async with asyncio.timeout(WAIT_S):
            first = (await process.stderr.readline()).decode()
            url = re.search(r"http://\S+", first)
            assert url is not None, first + (await process.stderr.read()).decode()
            yield Listening(process, url[0], [(await process.stderr.readline()).decode()])
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def signed(
    *secrets: str, sent_at: float | None = None, attempt: int = 1, event: str = "evt_1", body: bytes = BODY
) -> dict[str, str]:
    at = time.time() if sent_at is None else sent_at
    return signed_headers(
        body,
        message_id=event,
        delivery_id="dlv_1",
        event_type="debate_end",
        attempt=attempt,
        timestamp=int(at),
        secrets=secrets,
    )


async def test_a_delivery_is_shown_in_one_block_with_both_signatures() -> None:
    async with running() as listening:
        assert "ARAGORA_WEBHOOK_ALLOWED_NETWORKS=127.0.0.1/32" in listening.remarks[0]
        assert await listening.post(headers=signed(SECRET, attempt=3)) == 200
        shown, told = await listening.stopped()
    heading, *lines = shown.splitlines()
    assert re.fullmatch(r"\d\d:\d\d:\d\d  debate_end", heading)
    assert lines[:4] == [
        "  event                evt_1",
        "  delivery             dlv_1, attempt 3",
        "  webhook-signature    valid",
        "  X-Webhook-Signature  valid",
    ]
    assert re.fullmatch(r"  sent                 \d+ s ago", lines[4])
    assert lines[5:] == [f"  body                 {len(BODY)} bytes", "  answered             200"]
    assert told.strip() == "Received 1 request: 1 genuine, 0 not."
    assert SECRET not in shown + told


async def test_wrong_missing_and_old_are_each_told() -> None:
    async with running("--json") as listening:
        await listening.post(headers=signed(OTHER))
        assert await _verdicts(listening) == ("wrong", "wrong", False)
        await listening.post(headers=signed())
        assert await _verdicts(listening) == ("missing", "missing", False)
        await listening.post(headers=signed(OTHER, SECRET))  # while the secret is changed, the old one
        assert await _verdicts(listening) == ("valid", "wrong", True)
        await listening.post(body=BODY + b" ", headers=signed(SECRET))
        assert await _verdicts(listening) == ("wrong", "wrong", False)
        await listening.post(headers=signed(SECRET, sent_at=time.time() - 400))
        late = await listening.document()
        assert (late["webhook_signature"], late["genuine"]) == ("valid", False)
        assert late["age_s"] >= 400
        _, told = await listening.stopped()
    assert "Received 5 requests: 1 genuine, 4 not; 4 with a webhook-id that had come before." in told


async def test_the_block_says_what_is_wrong() -> None:
    async with running() as listening:
        await listening.post(headers=signed(OTHER, SECRET, sent_at=time.time() - 400))
        await listening.post(headers=signed(SECRET))
        await listening.post(body=b"not json", headers={"X-Webhook-Event": "debate_end"})
        shown, _ = await listening.stopped()
    assert "X-Webhook-Signature  wrong: by another secret, as while one is changed\n" in shown
    assert re.search(r"sent +40\d s ago: over 5 minutes from now\n", shown)
    assert "repeated             this webhook-id for the 2nd time\n" in shown
    assert "body                 8 bytes, no JSON\n" in shown
    assert "no webhook-id\n" in shown
    assert "no webhook-timestamp\n" in shown
    assert max(map(len, shown.splitlines())) <= 80


async def test_a_webhook_id_that_comes_again_is_counted_whatever_its_attempt() -> None:
    async with running("--json", "--status", "503") as listening:
        for attempt in (1, 2, 3):
            assert await listening.post(headers=signed(SECRET, attempt=attempt)) == 503
        await listening.post(headers=signed(SECRET, event="evt_2"))
        told = [await listening.document() for _ in range(4)]
        await listening.stopped(signal.SIGTERM)
    assert [(one["message_id"], one["attempt"], one["times"]) for one in told] == [
        ("evt_1", "1", 1),
        ("evt_1", "2", 2),
        ("evt_1", "3", 3),
        ("evt_2", "1", 1),
    ]
    assert {one["answered"] for one in told} == {503}


async def test_without_a_secret_it_says_that_nothing_is_checked() -> None:
    async with running(secret=None) as listening:
        assert "127.0.0.1/32" in listening.remarks[0]
        await listening.post(headers=signed(SECRET))
        shown, told = await listening.stopped()
    assert "webhook-signature    not checked\n" in shown
    assert "No signature is checked" in told
    assert "Received 1 request.\n" in told


KEY = new_private_key(bytes(range(32)))


@pytest.mark.parametrize(
    ("secret", "known"), [(SECRET, SECRET), ("your-secret-key", "your-secret-key"), (KEY, KEY), (KEY, public_key(KEY))]
)
async def test_the_secret_or_the_public_key_may_be_in_a_file(secret: str, known: str, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(f"{known}\n")
    async with running("--json", "--secret-file", str(tmp_path / "secret"), secret=OTHER) as listening:
        await listening.post(headers=signed(secret))
        assert (await listening.document())["genuine"]
        await listening.stopped()


@pytest.mark.parametrize(("known", "by"), [(SECRET, SECRET), (public_key(KEY), KEY), (None, OTHER), (None, None)])
async def test_a_challenge_is_sent_back(known: str | None, by: str | None) -> None:
    async with running("--json", secret=known) as listening:
        sent_back = await listening.challenged(by)
        assert sent_back == (200, f"{CHALLENGE}", "text/plain; charset=utf-8")
        told = await listening.document()
        assert (told["type"], told["challenge"], told["challenge_sent_back"]) == (TYPE, CHALLENGE, True)
        await listening.post(headers=signed(*() if by is None else (by,)))
        told = await listening.document()
        assert (told["challenge"], told["challenge_sent_back"]) == (None, False)
        await listening.stopped()


async def test_a_challenge_that_is_not_genuine_or_no_challenge_or_answered_by_a_failure_is_not_sent_back() -> None:
    async with running() as listening:
        for by, challenge, sent_at in (
            (OTHER, CHALLENGE, time.time()),
            (None, CHALLENGE, time.time()),
            (SECRET, CHALLENGE, time.time() - 400),
            (SECRET, "<script>", time.time()),
            (SECRET, "a" * 129, time.time()),
            (SECRET, ["a"], time.time()),
        ):
            assert (await listening.challenged(by, challenge, sent_at))[:2] == (200, "")
        await listening.challenged(SECRET)
        shown, _ = await listening.stopped()
    assert shown.count("challenge            not sent back\n") == 3
    assert shown.count("challenge            sent back\n") == 1
    async with running("--status", "503") as listening:
        assert (await listening.challenged(SECRET))[:2] == (503, "")
        await listening.stopped()


async def test_what_was_sent_is_shown_where_that_is_wished_and_cannot_steer_the_terminal() -> None:
    async with running("--body", secret=None) as listening:
        await listening.post(
            body=b'{"type": "a\\u001b[31mb"}\x1b[2J\x07 \xff', headers={"X-Webhook-Delivery-Id": "[bold]"}
        )
        shown, _ = await listening.stopped()
    assert "\x1b" not in shown
    assert "\x07" not in shown
    assert "[bold]" in shown
    assert '{"type"' in shown


async def test_requests_of_other_methods_too_large_ones_and_noise_show_nothing_and_harm_nothing() -> None:
    async with running() as listening:
        assert await listening.post(method="GET", body=b"") == 405
        assert await listening.post(body=b"x" * (2 * 1_048_576 + 1)) == 413
        host, _, port = listening.url.removeprefix("http://").rstrip("/").rpartition(":")
        _, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"\x16\x03\x01 no http\r\n\r\n")
        await writer.drain()
        writer.close()
        deep = b"[" * 100_000
        assert await listening.post(body=deep) == 200
        shown, told = await listening.stopped()
    assert shown.count("answered") == 1
    assert "Traceback" not in told
    assert "Received 1 request: 0 genuine, 1 not." in told


async def test_it_ends_when_its_reader_is_gone() -> None:
    async with running() as listening:
        listening.process._transport.get_pipe_transport(1).close()  # type: ignore[attr-defined]
        with suppress(aiohttp.ServerDisconnectedError):  # it may end before it has answered
            await listening.post(headers=signed(SECRET))
        assert await listening.process.wait() == 1
        assert listening.process.stderr is not None
        assert b"Traceback" not in await listening.process.stderr.read()


async def test_a_port_that_is_taken_is_told_in_one_line(
    type_command: Callable[..., Awaitable[int]], capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert await type_command("webhooks", "listen", "--port", str(port)) == 2
    assert capsys.readouterr().err == (
        f"aragora: Port {port} is in use: stop what uses it, or choose another with --port (0: a free one).\n"
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "holds no secret"),
        ("one\ntwo\n", "holds no secret"),
        ("whsec_tooshort", "The secret has"),
        ("x" * 5_000, "holds no secret"),
    ],
)
def test_a_file_without_a_secret_is_refused_and_not_repeated(
    text: str, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "secret").write_text(text)
    assert main(["webhooks", "listen", "--secret-file", str(tmp_path / "secret")]) == 2
    error = capsys.readouterr().err
    assert told in error
    assert not text or text not in error


def test_a_file_that_is_not_there_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["webhooks", "listen", "--secret-file", str(tmp_path / "none")]) == 2
    assert "No such file" in capsys.readouterr().err


async def _verdicts(listening: Listening) -> tuple[str, str, bool]:
    told = await listening.document()
    return told["webhook_signature"], told["x_webhook_signature"], told["genuine"]
