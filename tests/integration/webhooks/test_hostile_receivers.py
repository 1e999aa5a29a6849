"""Receivers that answer without an end, without haste, without sense or with malice."""

from __future__ import annotations

import asyncio
import gzip
import time
import tracemalloc
import zlib

import pytest
from worlds.waiting import WAIT_S, eventually

from aragora import texts
from aragora.observability.redaction import REDACTED
from aragora.webhooks.answers import ENCODED, KEPT_BYTES
from aragora.webhooks.model import Failure, Request
from aragora.webhooks.sender import Limits
from tests.standins.receivers import (
    Behaviour,
    Visit,
    answer,
    answering,
    closing_after,
    endless,
    hanging,
    listening,
    trickling,
)

from .conftest import Sending

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
MEBIBYTE = 1 << 20
BOMB = gzip.compress(b"a" * 20 * MEBIBYTE)


def request(url: str, timeout_s: float = 30.0, **headers: str) -> Request:
    return Request(url=url, body=b"{}", headers=headers, timeout_s=timeout_s)


@pytest.mark.parametrize(
    "behave",
    [
        endless(OK + b"\r\n", b"x" * 65_536),
        endless(OK + b"Content-Length: 99999999999\r\n\r\n", b"x" * 65_536),
        endless(CHUNKED, b"10000\r\n" + b"x" * 65_536 + b"\r\n"),
        endless(CHUNKED, b"1\r\nx\r\n" * 1_000),
    ],
    ids=["until the end", "length", "large chunks", "small chunks"],
)
async def test_a_body_without_an_end_is_read_to_a_bound_and_the_connection_closed(
    sending: Sending, behave: Behaviour
) -> None:
    limits = Limits(body_s=600.0)  # as long as pytest lets a test run: whoever waits for the end fails
    async with sending(limits=limits) as sender, listening(behave) as receiver:
        await sender.send(request(receiver.url, timeout_s=600.0))  # what is made once is made now
        tracemalloc.start()
        try:
            began = time.monotonic()
            got = await sender.send(request(receiver.url, timeout_s=600.0))
            took_s = time.monotonic() - began
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        await eventually(lambda: receiver.ended == 2)
    assert (got.failure, got.code) == (None, 200)
    assert got.text == "x" * KEPT_BYTES
    assert peak < MEBIBYTE
    assert took_s < limits.body_s / 2  # nothing waited for its end


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "x-gzip", "deflate", "br", "zstd", "gzip, gzip", "unknown"])
async def test_a_compressed_answer_is_never_inflated(sending: Sending, encoding: str) -> None:
    body = {"deflate": zlib.compress(b"a" * 20 * MEBIBYTE)}.get(encoding, BOMB)
    bomb = answer(200, body, {"Content-Encoding": encoding})
    async with sending() as sender, listening(answering(bomb)) as receiver:
        await sender.send(request(receiver.url))
        tracemalloc.start()
        try:
            got = await sender.send(request(receiver.url))
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert (got.failure, got.text) == (None, ENCODED)
    assert peak < MEBIBYTE


@pytest.mark.parametrize(
    ("head", "drop"),
    [
        (b"", b"H"),
        (b"HTTP/1.1 200 ", b"O"),
        (OK, b"X-A: b\r\n"),
        (OK + b"X-A: ", b"b"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    ],
    ids=["status line", "reason", "headers", "header", "100-continue"],
)
async def test_a_head_that_trickles_ends_in_time(sending: Sending, head: bytes, drop: bytes) -> None:
    async with sending() as sender, listening(trickling(head, drop)) as receiver:
        began = time.monotonic()
        got = await sender.send(request(receiver.url, timeout_s=0.4))
        took_s = time.monotonic() - began
        await eventually(lambda: receiver.ended == 1)
    assert got.failure in (Failure.TIMEOUT, Failure.PROTOCOL)
    assert got.code is None
    assert took_s < WAIT_S


@pytest.mark.parametrize("head", [OK + b"\r\n", CHUNKED], ids=["until the end", "chunked"])
@pytest.mark.parametrize(
    ("timeout_s", "limits"), [(2.0, Limits()), (600.0, Limits(body_s=1.0))], ids=["of the request", "of the body"]
)
async def test_a_body_that_trickles_ends_in_time_and_was_delivered_all_the_same(
    sending: Sending, head: bytes, timeout_s: float, limits: Limits
) -> None:
    async with sending(limits=limits) as sender, listening(trickling(head, b"1\r\nx\r\n")) as receiver:
        got = await sender.send(request(receiver.url, timeout_s=timeout_s))
        await eventually(lambda: receiver.ended == 1)
    assert (got.failure, got.code) == (None, 200)
    assert "x" in got.text


async def test_receivers_that_trickle_leave_the_others_alone(sending: Sending) -> None:
    async with (
        sending() as sender,
        listening(trickling(OK, b"X-A: b\r\n")) as slow,
        listening(answering(answer())) as healthy,
    ):
        waiting = [asyncio.ensure_future(sender.send(request(slow.url))) for _ in range(50)]
        await eventually(lambda: slow.connections == 50)
        assert (await sender.send(request(healthy.url))).failure is None
        for each in waiting:
            each.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


@pytest.mark.parametrize(
    "data",
    [
        OK + b"X-A: " + b"b" * MEBIBYTE + b"\r\n\r\n",
        OK + b"".join(b"X-%d: b\r\n" % number for number in range(10_000)) + b"\r\n",
        b"HTTP/1.1 200 " + b"O" * MEBIBYTE + b"\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 40_000,
        b"HTTP/1.1 1000 Too Much\r\n\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1\r\n\r\n",
        b"HTTP/9.9 200 OK\r\n\r\n",
        b"<html>I am of HTTP/0.9</html>",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"220 mail.example.com ESMTP\r\n",
        b"+PONG\r\n",
        b"\x00" * 1_000,
        b"\xff\xfe\xfd",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        OK + b"Content-Length: x\r\n\r\n",
        OK + b"Content-Length: -1\r\n\r\n",
        OK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
        OK + b"Bad Header: x\r\n\r\n",
        OK + b"X: a\x00b\r\n\r\n",
    ],
    ids=range(20),
)
async def test_what_is_no_answer_of_http_is_told_as_such(sending: Sending, data: bytes) -> None:
    async with sending() as sender, listening(closing_after(data)) as receiver:
        got = await sender.send(request(receiver.url))
        await eventually(lambda: receiver.ended == 1)
    assert got.failure in (Failure.PROTOCOL, Failure.CONNECT)
    assert got.code is None
    assert got.told
    assert "\n" not in got.told


async def test_interim_answers_without_an_end_are_bounded(sending: Sending) -> None:
    async with sending() as sender, listening(endless(b"", b"HTTP/1.1 102 Processing\r\n\r\n" * 100)) as receiver:
        got = await sender.send(request(receiver.url))
        await eventually(lambda: receiver.ended == 1)
    assert got.failure is Failure.PROTOCOL
    assert receiver.sent_bytes < 16 * MEBIBYTE  # with what the sockets hold


async def test_a_few_interim_answers_are_passed_over(sending: Sending) -> None:
    async with (
        sending() as sender,
        listening(answering(b"HTTP/1.1 102 Processing\r\n\r\n" * 3 + answer(201))) as receiver,
    ):
        assert (await sender.send(request(receiver.url))).code == 201


async def test_a_change_of_protocol_that_nobody_asked_for_does_not_deliver(sending: Sending) -> None:
    data = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nbytes"
    async with sending() as sender, listening(closing_after(data)) as receiver:
        got = await sender.send(request(receiver.url))
    assert (got.failure, got.code) == (Failure.PROTOCOL, 101)


async def test_a_204_with_a_body_delivers_and_its_body_is_not_taken_for_the_next_answer(sending: Sending) -> None:
    data = b"HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged"
    async with sending() as sender, listening(answering(data)) as receiver:
        first, second = [await sender.send(request(receiver.url)) for _ in range(2)]
    assert (first.code, second.code) == (204, 204)
    assert len(receiver.received) == 2


@pytest.mark.parametrize("code", [200, 500])
async def test_a_body_that_breaks_off_changes_nothing(sending: Sending, code: int) -> None:
    data = f"HTTP/1.1 {code} Told\r\nContent-Length: 100\r\n\r\nhalf".encode()
    async with sending() as sender, listening(closing_after(data)) as receiver:
        got = await sender.send(request(receiver.url))
    assert (got.code, got.text) == (code, "half")
    assert got.failure is (None if code == 200 else Failure.STATUS)


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        (b"a\x00b\x1b[31mc\x7f\xc2\x9bd", "a\ufffdb\ufffd[31mc\ufffd\ufffdd"),
        (b"caf\xe9", "caf\ufffd"),
        (b"\xed\xa0\x80", "\ufffd\ufffd\ufffd"),  # half of a surrogate pair
        ("a\tb\r\nc\u00e4\U0001f600".encode(), "a\tb\r\nc\u00e4\U0001f600"),
        (b"\xff\xfea\x00b\x00", "\ufffd\ufffda\ufffdb\ufffd"),  # UTF-16
        (b"", ""),
    ],
)
async def test_the_text_of_an_answer_can_be_stored(sending: Sending, body: bytes, shown: str) -> None:
    odd = answer(500, body, {"Content-Type": "text/plain; charset=rot13"})
    async with sending() as sender, listening(answering(odd)) as receiver:
        got = await sender.send(request(receiver.url))
    assert got.text == shown
    texts.prose(got.text)


@pytest.mark.parametrize("body", [b"\x00" * 100_000, "\u00e4".encode() * 50_000, "x\U0001f600".encode() * 20_000])
async def test_a_huge_text_is_cut_between_characters(sending: Sending, body: bytes) -> None:
    async with sending() as sender, listening(answering(answer(500, body))) as receiver:
        got = await sender.send(request(receiver.url))
    assert KEPT_BYTES - 4 < len(got.text.encode()) <= KEPT_BYTES
    assert "\ufffd" not in got.text.replace("\ufffd" * 10, "") or body.startswith(b"\x00")
    texts.prose(got.text)


async def test_what_a_receiver_sends_back_of_its_request_is_not_shown(sending: Sending) -> None:
    async def echoing(visit: Visit) -> None:
        received = await visit.request()
        head = "\n".join([received.line, *(f"{name}: {value}" for name, value in received.headers)])
        await visit.send(answer(404, f"Cannot POST {received.line.split()[1]}\nhttp://{head}\ntok-in-query-ä".encode()))

    sent = {
        "Authorization": "Bearer abcdefgh12345678",
        "X-Own": "own-secret-value",
        "X-Webhook-Signature": "sha256=ff" * 4,
    }
    async with sending() as sender, listening(echoing) as receiver:
        got = await sender.send(request(f"{receiver.url}/hooks/T0PSECRETT0KEN?key=tok-in-query-%C3%A4", **sent))
    assert got.code == 404
    assert REDACTED in got.text
    for secret in ("T0PSECRETT0KEN", "tok-in-query", "abcdefgh12345678", "own-secret-value", "sha256=ff"):
        assert secret not in got.text + got.told + repr(got)


async def test_a_receiver_that_answers_before_it_has_read_counts(sending: Sending) -> None:
    async def early(visit: Visit) -> None:
        await visit.send(answer(413, b"too much"))
        await visit.reader.read(1)

    async with sending() as sender, listening(early) as receiver:
        got = await sender.send(Request(url=receiver.url, body=b"x" * MEBIBYTE, headers={}, timeout_s=WAIT_S))
    assert (got.failure, got.code) == (Failure.STATUS, 413) or got.failure is Failure.CONNECT


async def test_nothing_of_a_hanging_receiver_stays_after_its_time(sending: Sending) -> None:
    async with sending() as sender, listening(hanging) as receiver:
        got = await sender.send(request(receiver.url, timeout_s=1.0))
        await eventually(lambda: receiver.ended == 1)
    assert got.failure is Failure.TIMEOUT
