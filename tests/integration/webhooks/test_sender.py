"""The sender against receivers on loopback: what goes out, what counts as delivered, and where nothing goes."""

from __future__ import annotations

import asyncio

import pytest
from worlds.backends import SetClock
from worlds.waiting import eventually

from aragora.webhooks.model import Answer, Failure, Request
from aragora.webhooks.networks import Reason
from aragora.webhooks.resolver import Resolver
from tests.standins.names import Names
from tests.standins.receivers import Visit, answer, answering, closing_at_reuse, hanging, listening

from .conftest import Sending

BODY = b'{"delivery_id": "dlv_1", "text": "\\u00e4"}'
SIGNATURE = "sha256=0123456789abcdef"


def request(url: str, timeout_s: float = 30.0, **headers: str) -> Request:
    given = {"Content-Type": "application/json", "X-Webhook-Signature": SIGNATURE, **headers}
    return Request(url=url, body=BODY, headers=given, timeout_s=timeout_s)


async def test_a_2xx_delivers_the_bytes_as_they_were_given(sending: Sending) -> None:
    async with sending() as sender, listening(answering(answer(202, b"taken"))) as receiver:
        got = await sender.send(request(f"{receiver.url}/hook?a=b", **{"X-Own": "1", "accept-encoding": "gzip"}))
    assert got == Answer(None, got.duration_s, 202, "answered 202 (Accepted)", "taken", "127.0.0.1")
    assert got.duration_s > 0
    (received,) = receiver.received
    assert received.line == "POST /hook?a=b HTTP/1.1"
    assert received.body == BODY
    assert received.header("Content-Type") == "application/json"
    assert received.header("X-Webhook-Signature") == SIGNATURE
    assert received.header("X-Own") == "1"
    assert received.header("User-Agent") == "Aragora-Webhooks/1 (test)"
    assert [value for name, value in received.headers if name.lower() == "accept-encoding"] == ["identity"]
    assert received.header("Cookie") is None


@pytest.mark.parametrize("host", ["[::1]", "six.test"])
async def test_a_receiver_of_ipv6_is_reached(sending: Sending, names: Names, host: str) -> None:
    names.set("six.test", "::1")
    async with sending("::1") as sender, listening(answering(answer()), host="::1") as receiver:
        got = await sender.send(request(f"http://{host}:{receiver.port}/"))
    assert (got.failure, got.address) == (None, "::1")


async def test_a_connection_serves_several_requests_and_keeps_no_cookies(sending: Sending) -> None:
    async with sending() as sender, listening(answering(answer(headers={"Set-Cookie": "a=b"}))) as receiver:
        for _ in range(5):
            assert (await sender.send(request(receiver.url))).failure is None
    assert receiver.connections == 1
    assert all(received.header("Cookie") is None for received in receiver.received)


@pytest.mark.parametrize(
    ("code", "failure"),
    [
        *((code, None) for code in (200, 201, 204, 299)),
        *((code, Failure.REDIRECT) for code in (300, 301, 302, 303, 304, 307, 308)),
        *((code, Failure.STATUS) for code in (400, 401, 404, 410, 429, 499, 500, 503, 599)),
    ],
)
async def test_the_code_decides(sending: Sending, code: int, failure: Failure | None) -> None:
    async with sending() as sender, listening(answering(answer(code))) as receiver:
        got = await sender.send(request(receiver.url))
    assert (got.failure, got.code) == (failure, code)
    assert str(code) in got.told


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("to", ["private", "public"])
async def test_a_redirect_is_not_followed(sending: Sending, code: int, to: str) -> None:
    async with listening(answering(answer())) as other:
        where = {"private": "http://169.254.169.254/", "public": other.url}[to]
        async with (
            sending() as sender,
            listening(answering(answer(code, headers={"Location": where}))) as receiver,
        ):
            got = await sender.send(request(receiver.url))
    assert (got.failure, got.code) == (Failure.REDIRECT, code)
    assert "not followed" in got.told or "no redirect is followed" in got.told
    assert where not in got.told + got.text
    assert len(receiver.received) == 1
    assert other.connections == 0


@pytest.mark.parametrize(
    ("value", "least_s", "most_s"),
    [
        ("120", 120, 120),
        ("-5", 0, 0),
        ("2592000", 2_592_000, 2_592_000),
        ("Tue, 14 Nov 2023 22:14:20 GMT", 60, 60),
        ("Tue, 14 Nov 2000 22:14:20 GMT", 0, 0),
    ],
)
@pytest.mark.parametrize("code", [429, 503])
async def test_retry_after_is_read_by_the_clock(
    sending: Sending, code: int, value: str, least_s: float, most_s: float
) -> None:
    clock = SetClock()  # 2023-11-14 22:13:20
    async with (
        sending(clock=clock) as sender,
        listening(answering(answer(code, headers={"Retry-After": value}))) as receiver,
    ):
        got = await sender.send(request(receiver.url))
    assert got.retry_after_s is not None
    assert least_s <= got.retry_after_s <= most_s


@pytest.mark.parametrize("value", ["", "soon", "nan", "inf", "1e999", "\u00b2", "Tue, 99 Nov 2023"])
async def test_a_retry_after_that_means_nothing_is_left_out(sending: Sending, value: str) -> None:
    async with sending() as sender, listening(answering(answer(429, headers={"Retry-After": value}))) as receiver:
        assert (await sender.send(request(receiver.url))).retry_after_s is None


async def test_a_wall_clock_that_was_set_back_changes_no_duration(sending: Sending) -> None:
    clock = SetBack()
    async with sending(clock=clock) as sender, listening(answering(answer())) as receiver:
        got = await sender.send(request(receiver.url))
    assert got.failure is None
    assert got.duration_s == 1.0


class SetBack:
    """The wall clock goes back an hour with every look; a second passes between two looks at the other."""

    def __init__(self) -> None:
        self.wall, self.passed = 1_700_000_000.0, 0.0

    def now(self) -> float:
        self.wall -= 3_600
        return self.wall

    def monotonic(self) -> float:
        self.passed += 1.0
        return self.passed


# -- Where nothing goes ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "①②⑦.⓪.⓪.①", "0.0.0.0"]
)
async def test_an_address_in_the_url_is_judged_though_no_resolver_sees_it(sending: Sending, host: str) -> None:
    async with listening(answering(answer())) as receiver, sending("10.9.8.7") as sender:
        got = await sender.send(request(f"http://{host}:{receiver.port}/hook"))
    assert (got.failure, got.code, got.text, got.address) == (Failure.BLOCKED, None, "", None)
    assert receiver.connections == 0


@pytest.mark.parametrize("host", ["own.test", "single", "127.1", "0x7f.1", "2130706433", "user@hooks.test"])
async def test_what_the_guard_would_not_register_is_not_sent_to(sending: Sending, host: str) -> None:
    async with listening(answering(answer())) as receiver, sending() as sender:
        got = await sender.send(request(f"http://{host}:{receiver.port}/hook"))
    assert got.failure is Failure.BLOCKED
    assert receiver.connections == 0


async def test_a_name_that_turns_inside_after_its_registration_is_not_reached(
    sending: Sending, names: Names, resolver: Resolver
) -> None:
    """DNS rebinding: public when it was checked, internal when it is sent to."""
    async with listening(answering(answer())) as receiver, sending("10.9.8.7") as sender:
        url = f"http://rebound.test:{receiver.port}/hook"
        names.set("rebound.test", "8.8.8.8")
        await resolver.check(url)
        for inside in ("127.0.0.1", "169.254.169.254"):
            names.set("rebound.test", inside)
            got = await sender.send(request(url))
            assert got.failure is Failure.BLOCKED
    assert receiver.connections == 0
    assert names.asked_for("rebound.test") == 3  # once for the check, once for each connection


@pytest.mark.parametrize("addresses", [("127.0.0.1", "10.0.0.1"), ("10.0.0.1", "127.0.0.1"), ("127.0.0.1", "fd12::1")])
async def test_an_answer_that_mixes_allowed_and_internal_addresses_is_refused_as_a_whole(
    sending: Sending, names: Names, addresses: tuple[str, ...]
) -> None:
    names.set("mixed.test", *addresses)
    async with listening(answering(answer())) as receiver, sending("127.0.0.1") as sender:
        got = await sender.send(request(f"http://mixed.test:{receiver.port}/hook"))
        assert got.failure is Failure.BLOCKED
        names.set("plain.test", "127.0.0.1")
        assert (await sender.send(request(f"http://plain.test:{receiver.port}/hook"))).failure is None
    assert receiver.connections == 1


async def test_everything_blocked_looks_alike(sending: Sending, names: Names) -> None:
    """Whether something listens there, and what, is not told."""
    names.set("inside.test", "127.0.0.1")
    async with listening(answering(answer(500, b"a secret of ours"))) as receiver, sending("10.9.8.7") as sender:
        answers = [
            await sender.send(request(url))
            for url in (
                receiver.url,
                "http://127.0.0.1:9/",
                "http://169.254.169.254/latest/",
                "http://[::1]:8080/",
                f"http://inside.test:{receiver.port}/",
                "http://inside.test:8080/",
            )
        ]
    assert {(got.failure, got.told, got.text, got.code, got.address) for got in answers} == {
        (Failure.BLOCKED, answers[0].told, "", None, None)
    }
    assert receiver.connections == 0


async def test_why_the_guard_refused_is_told_to_the_operator_alone(sending: Sending, names: Names) -> None:
    names.set("inside.test", "10.9.8.8")
    async with sending("10.9.8.7") as sender:
        answers = [
            await sender.send(request(url))
            for url in ("http://169.254.169.254/token-abc?key=def", "http://inside.test/", "http://10.9.8.7:6379/")
        ]
    assert [got.refused_for for got in answers] == [Reason.METADATA, Reason.PRIVATE, Reason.URL]
    assert len({got.told for got in answers}) == 1


@pytest.mark.parametrize("name", ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"])
async def test_a_proxy_of_the_environment_is_not_used(
    sending: Sending, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    async with listening(answering(answer())) as proxy, listening(answering(answer())) as receiver:
        for spelling in (name, name.lower()):
            monkeypatch.setenv(spelling, proxy.url)
        monkeypatch.delenv("NO_PROXY", raising=False)
        async with sending() as sender:
            assert (await sender.send(request(receiver.url))).failure is None
            inside = f"http://127.0.0.2:{receiver.port}/"
            assert (await sender.send(request(inside))).failure is Failure.BLOCKED
    assert proxy.connections == 0
    assert receiver.connections == 1


async def test_the_proxy_of_the_installation_carries_requests_to_public_targets_only(
    sending: Sending, names: Names
) -> None:
    names.set("hooks.test", "8.8.8.8")
    names.set("inside.test", "10.0.0.1")
    async with (
        listening(answering(answer(200, b"by proxy"))) as proxy,
        sending("10.9.8.7", proxy=proxy.url) as sender,  # the proxy stands on loopback: it may
    ):
        got = await sender.send(request("http://hooks.test/hook"))
        assert (got.failure, got.text, got.address) == (None, "by proxy", None)
        for inside in ("http://inside.test/", "http://127.0.0.1/", "http://[::1]/"):
            assert (await sender.send(request(inside))).failure is Failure.BLOCKED
        assert (await sender.send(request("http://nobody.test/"))).failure is Failure.NAME
    assert [received.line for received in proxy.received] == ["POST http://hooks.test/hook HTTP/1.1"]


async def test_a_proxy_that_refuses_or_is_away_is_told_as_such(sending: Sending, names: Names) -> None:
    names.set("hooks.test", "8.8.8.8")
    async with listening(answering(answer(403))) as proxy, sending(proxy=proxy.url) as sender:
        got = await sender.send(request("https://hooks.test/hook"))
        assert (got.failure, got.told) == (Failure.CONNECT, "the proxy of this installation did not connect")
    async with sending(proxy=proxy.url) as sender:
        got = await sender.send(request("https://hooks.test/hook"))
        assert (got.failure, got.told) == (Failure.CONNECT, "the proxy of this installation cannot be reached")


# -- Connections -------------------------------------------------------------------------------------------------------


async def test_a_name_without_an_address_is_told(sending: Sending) -> None:
    async with sending() as sender:
        got = await sender.send(request("http://nobody.test/"))
    assert (got.failure, got.told) == (Failure.NAME, "the host has no address")


async def test_a_refused_connection_is_told(sending: Sending) -> None:
    async with listening(answering(answer())) as receiver:
        gone = receiver.url
    async with sending() as sender:
        got = await sender.send(request(gone))
    assert (got.failure, got.told) == (Failure.CONNECT, "the receiver refused the connection")


@pytest.mark.parametrize("reset", [False, True])
async def test_an_idle_connection_that_ends_under_its_request_is_replaced_at_once(
    sending: Sending, reset: bool
) -> None:
    async with sending() as sender, listening(closing_at_reuse(reset=reset)) as receiver:
        answers = [await sender.send(request(receiver.url)) for _ in range(3)]
    assert [got.failure for got in answers] == [None, None, None]
    assert receiver.connections >= 2
    assert len(receiver.received) == 3  # the one that found the end was read by nobody, and came once


async def test_the_second_try_takes_no_other_idle_connection(sending: Sending) -> None:
    """A receiver that starts again ends all of them at once."""
    together = 8
    gate = asyncio.Barrier(together)

    async def once(visit: Visit) -> None:
        await visit.request()
        if visit.number <= together:
            await gate.wait()  # so that each has a connection of its own
            await visit.send(answer())
            await visit.reader.readexactly(1)
            return
        await visit.send(answer())

    async with sending() as sender, listening(once) as receiver:
        answers = await asyncio.gather(*(sender.send(request(receiver.url)) for _ in range(together)))
        answers += [await sender.send(request(receiver.url)) for _ in range(together)]
    assert {got.failure for got in answers} == {None}
    assert receiver.connections == 2 * together


@pytest.mark.parametrize("last_words", [b"H", b"HTTP/1.1 2", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n"])
@pytest.mark.parametrize("reset", [False, True])
async def test_a_request_is_not_repeated_once_a_byte_of_its_answer_came(
    sending: Sending, last_words: bytes, reset: bool
) -> None:
    async with sending() as sender, listening(closing_at_reuse(last_words, reset=reset)) as receiver:
        assert (await sender.send(request(receiver.url))).failure is None
        got = await sender.send(request(receiver.url))
    assert got.failure in (Failure.CONNECT, Failure.PROTOCOL)
    assert receiver.connections == 1


async def test_a_new_connection_that_ends_without_an_answer_is_not_tried_again(sending: Sending) -> None:
    async def closing(visit: Visit) -> None:
        await visit.request()

    async with sending() as sender, listening(closing) as receiver:
        got = await sender.send(request(receiver.url))
    assert (got.failure, got.told) == (Failure.CONNECT, "the receiver closed the connection before it answered")
    assert receiver.connections == 1


async def test_the_second_try_is_the_last(sending: Sending) -> None:
    async def closing(visit: Visit) -> None:
        await visit.request()
        if visit.number == 1:
            await visit.send(answer())
            await visit.reader.readexactly(1)

    async with sending() as sender, listening(closing) as receiver:
        assert (await sender.send(request(receiver.url))).failure is None
        assert (await sender.send(request(receiver.url))).failure is Failure.CONNECT
    assert receiver.connections == 2


async def test_an_answer_that_came_before_its_request_is_not_taken_for_it(sending: Sending) -> None:
    """Two answers at once: the second would count as that of the next request, which nobody had read."""
    first_done, sent_both = asyncio.Event(), asyncio.Event()

    async def ahead(visit: Visit) -> None:
        await visit.request()
        await visit.send(answer(200))
        if visit.number == 1:
            await first_done.wait()
            await visit.send(answer(200, b"ahead"))
            sent_both.set()
            await visit.reader.read()
        await visit.request()

    async with sending() as sender, listening(ahead) as receiver, listening(answering(answer())) as other:
        assert (await sender.send(request(receiver.url))).failure is None
        first_done.set()
        await sent_both.wait()
        await sender.send(request(other.url))  # meanwhile the loop reads what came
        got = await sender.send(request(receiver.url))
    assert got.text == ""
    assert receiver.connections == 2
    assert len(receiver.received) == 2


async def test_a_receiver_that_hangs_ends_in_time_and_holds_no_other(sending: Sending) -> None:
    async with (
        sending() as sender,
        listening(hanging) as silent,
        listening(answering(answer())) as healthy,
    ):
        # Time enough for a busy machine to send a hundred requests: one that was not sent is told another way.
        waiting = [asyncio.ensure_future(sender.send(request(silent.url, timeout_s=3.0))) for _ in range(100)]
        await eventually(lambda: len(silent.received) == 100)
        assert (await sender.send(request(healthy.url))).failure is None
        answers = await asyncio.gather(*waiting)
        await eventually(lambda: silent.ended == 100)
    assert {got.failure for got in answers} == {Failure.TIMEOUT}
    assert answers[0].told == "no answer within 3 s"


async def test_two_hundred_names_without_an_answer_delay_no_healthy_receiver(sending: Sending, names: Names) -> None:
    names.set("hooks.test", "127.0.0.1")
    async with sending() as sender, listening(answering(answer()), name="hooks.test") as receiver:
        waiting = [asyncio.ensure_future(sender.send(request(f"http://silent-{n}.test/"))) for n in range(200)]
        await eventually(lambda: names.asked)  # all were handed over by then
        assert (await sender.send(request(receiver.url))).failure is None
        assert not any(each.done() for each in waiting)
        for each in waiting:
            each.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


async def test_a_cancelled_request_ends_its_connection(sending: Sending) -> None:
    async with sending() as sender, listening(hanging) as silent:
        task = asyncio.ensure_future(sender.send(request(silent.url)))
        await eventually(lambda: silent.received)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await eventually(lambda: silent.ended == 1)


async def test_a_closed_sender_leaves_no_connection(sending: Sending) -> None:
    async with listening(answering(answer())) as receiver:
        async with sending() as sender:
            await sender.send(request(receiver.url))
        await eventually(lambda: receiver.ended == 1)
