"""The one client of Aragora's HTTP and WebSocket API, for the command line, the tests and other programs.

Every call has a timeout. Calls that may be repeated safely (reads, and opening a debate, which carries an idempotency
key) are retried after a refused or broken connection and after 502, 503 and 504, a bounded number of times with
jitter. A broken WebSocket is opened again after the last seq seen, so a follower misses nothing and sees nothing twice.
All failures are `aragora.errors.AragoraError`s; the token appears in none of them.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, NoReturn, Self

import aiohttp
import msgspec

from aragora import encoding, errors
from aragora.debate.forecast import Forecast
from aragora.debate.journal import END
from aragora.ids import BEGINNING_MIN_DIGITS, beginning_of_id, is_whole, new_id
from aragora.resilience.backoff import Backoff, parse_retry_after
from aragora.scope import EVERY_WORKSPACE

RETRY: Final = Backoff(base_s=0.2, cap_s=5.0, attempts=4)
RECONNECT: Final = Backoff(base_s=0.2, cap_s=5.0, attempts=8)  # consecutive attempts without a new event
HEARTBEAT_S: Final = 20.0  # a peer that misses two heartbeats is gone
MAX_MESSAGE_BYTES: Final = 16 * 1024 * 1024
FOUND_MAX: Final = 20  # debates that are counted where an id is ambiguous
CHOICE_MAX: Final = 5  # of which so many are shown
ASKED_MAX_CHARS: Final = 200  # of their questions
HOW_TO_NAME: Final = f"See 'aragora debates'; of an id, its first {BEGINNING_MIN_DIGITS} digits or more are enough."
TOKEN: Final = "token"  # noqa: S105  the type of what agents are writing
REPEATABLE_STATUS: Final = frozenset({502, 503, 504})

ERRORS: Final[dict[int, type[errors.AragoraError]]] = {
    400: errors.InvalidInput,
    401: errors.Unauthenticated,
    403: errors.Forbidden,
    404: errors.NotFound,
    409: errors.Conflict,
    413: errors.TooLarge,
    422: errors.InvalidInput,
    429: errors.RateLimited,
    502: errors.Unavailable,
    503: errors.Unavailable,
    504: errors.Unavailable,
}


class ServerUnreachable(errors.Unavailable):
    """Nothing answers at the URL; start a server, or name another URL."""

    default_code = "server_unreachable"


class NotAragora(errors.Misconfigured):
    """Something else answers at the URL; name the address of an Aragora server."""

    default_code = "not_aragora"


class StreamBroken(errors.Unavailable):
    """The event stream broke more often than the client may reconnect; follow again after the last seq."""

    default_code = "stream_broken"


class AmbiguousId(errors.InvalidInput):
    """Several ids begin as the given one does; give more of it."""

    default_code = "ambiguous_id"


@dataclass(frozen=True, slots=True)
class OpenedDebate:
    """The server's answer to a new question."""

    debate_id: str
    status: str
    ws_url: str
    forecast: Forecast | None = None


@dataclass(frozen=True, slots=True)
class Envelope:
    """One event as the WebSocket carries it; `payload` is the whole message for `aragora.debate.journal.event_of`."""

    type: str
    seq: int
    payload: str


class _Head(msgspec.Struct):
    type: str
    seq: int = 0
    loop_id: str = ""
    data: msgspec.Raw = msgspec.Raw(b"{}")


class _ErrorData(msgspec.Struct):
    code: str = ""
    message: str = ""


class _SocketLost(Exception):
    """The connection ended before the debate did."""


class AragoraClient:
    """A session with one server; use it as an async context manager."""

    def __init__(self, url: str, *, token: str | None = None, timeout_s: float = 30.0) -> None:
        self.url = url.rstrip("/")
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._session = aiohttp.ClientSession(headers=headers, timeout=aiohttp.ClientTimeout(total=timeout_s))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def get(self, path: str, **query: str | int | None) -> Any:
        """The JSON answer to GET `path`; None values are left out of the query."""
        params = {name: str(value) for name, value in query.items() if value is not None}
        return self._document(await self._send("GET", path, params=params))

    async def page(self, path: str, rows: str, **query: str | int | None) -> dict[str, Any]:
        """The JSON answer to GET `path`, which has a list of objects named `rows`. Raises NotAragora where it has none:
        anything may listen at a URL, and answer with JSON."""
        page = await self.get(path, **query)
        listed = page.get(rows) if isinstance(page, dict) else None
        if not isinstance(listed, list) or not all(isinstance(row, dict) for row in listed):
            raise self._not_aragora()
        return dict(page)

    async def document(self, path: str) -> bytes:
        """The answer to GET `path` as it was sent."""
        return await self._send("GET", path)

    async def post(
        self, path: str, body: object, *, idempotency_key: str | None = None, cache_control: str | None = None
    ) -> Any:
        """The JSON answer to POST `path`. Repeated after a broken connection only with an idempotency key."""
        headers = {"Content-Type": "application/json"}
        if idempotency_key:
            headers["Idempotency-Key"] = idempotency_key
        if cache_control:
            headers["Cache-Control"] = cache_control
        raw = await self._send(
            "POST", path, data=encoding.encode(body), headers=headers, repeatable=idempotency_key is not None
        )
        return self._document(raw)

    async def patch(self, path: str, body: object, *, if_match: str) -> Any:
        """The JSON answer to PATCH `path` of what stands at the version `if_match`; sent once. Raises Conflict where it
        does not stand there any more."""
        headers = {"Content-Type": "application/json", "If-Match": if_match}
        raw = await self._send("PATCH", path, data=encoding.encode(body), headers=headers, repeatable=False)
        return self._document(raw)

    async def delete(self, path: str, *, if_match: str | None = None) -> None:
        """DELETE `path`, once: after a broken connection nobody knows whether a repeat would find it gone. With
        `if_match` only what stands at that version."""
        headers = {} if if_match is None else {"If-Match": if_match}
        await self._send("DELETE", path, headers=headers, repeatable=False)

    async def open_debate(self, question: str, **settings: object) -> OpenedDebate:
        """Open a debate on `question`.

        `settings` are the optional fields of POST /api/debates; None leaves one to the server.
        """
        body = {"question": question} | {name: value for name, value in settings.items() if value is not None}
        answer = await self.post("/api/debates", body, idempotency_key=new_id("ask"))
        try:
            return encoding.from_plain(answer, OpenedDebate)
        except msgspec.ValidationError:
            raise self._not_aragora() from None

    async def estimate(self, question: str, **settings: object) -> dict[str, Any]:
        """What a debate on `question` would take: the answer of POST /api/debates/estimate. Nothing is opened."""
        body = {"question": question} | {name: value for name, value in settings.items() if value is not None}
        plan: dict[str, Any] = await self.post("/api/debates/estimate", body)
        return plan

    async def debate(self, named: str) -> dict[str, Any]:
        """The debate with the id `named`, or the one whose id begins so.

        Raises NotFound, and AmbiguousId where several begin so.
        """
        try:
            debate: dict[str, Any] = await self.get(f"/api/debates/{await self._whole_id(named)}")
        except errors.NotFound as unknown:
            if unknown.code != errors.NotFound.default_code:  # not the answer of an Aragora server
                raise
            raise errors.NotFound(f"{unknown.message} {HOW_TO_NAME}", code=unknown.code) from None
        if not isinstance(debate, dict) or "debate_id" not in debate:
            raise self._not_aragora()
        return debate

    async def alive(self) -> bool:
        """Whether an Aragora server answers at the URL within 2 seconds; asked once."""
        try:
            async with self._session.get(f"{self.url}/api/health", timeout=aiohttp.ClientTimeout(total=2)) as answer:
                health = encoding.decode(await answer.read())
        except (aiohttp.ClientError, TimeoutError, msgspec.DecodeError, ValueError):
            return False
        return isinstance(health, Mapping) and {"status", "version"} <= health.keys()

    async def ready(self) -> bool:
        """Whether the server takes work now; asked once, within 2 seconds."""
        try:
            async with self._session.get(
                f"{self.url}/api/health/ready", timeout=aiohttp.ClientTimeout(total=2)
            ) as answer:
                return answer.status == 200
        except (aiohttp.ClientError, TimeoutError):
            return False

    async def follow(
        self, debate_id: str, *, after_seq: int = 0, ws_url: str | None = None, deltas: bool = False
    ) -> AsyncIterator[Envelope]:
        """Every event of the debate after `after_seq`, once and in order, up to and including its end. With `deltas`
        also what agents are writing, as it comes: of the type `token`, with seq 0, and some of it may be missing.

        Raises NotFound, Unauthenticated and other refusals of the server, and StreamBroken where reconnecting does not
        help.
        """
        seen, failures = after_seq, 0
        while True:
            try:
                async for envelope in self._stream(ws_url or f"{self.url}/ws", debate_id, seen, deltas=deltas):
                    seen, failures = envelope.seq or seen, 0
                    yield envelope
                    if envelope.type == END:
                        return
            except (aiohttp.ClientError, TimeoutError, msgspec.MsgspecError, _SocketLost) as lost:
                failures += 1
                if failures >= RECONNECT.attempts:
                    raise StreamBroken(
                        f"The event stream of {debate_id} broke {failures} times in a row after seq {seen} ({lost}). "
                        f"The debate goes on: aragora replay {debate_id} --follow"
                    ) from lost
                await _pause(RECONNECT, failures)

    async def journal(self, debate_id: str, *, after_seq: int = 0) -> AsyncIterator[Envelope]:
        """Every event of the debate that is stored now, after `after_seq`, in order."""
        seen = after_seq
        while events := await self._events(debate_id, seen):
            for event in events:
                yield event
            seen = events[-1].seq

    async def _whole_id(self, named: str) -> str:
        """The id that `named` is, or begins. What can be neither is the server's to refuse."""
        beginning = beginning_of_id("deb", named)
        if beginning is None or is_whole(beginning):
            return beginning or named
        page = await self.get("/api/debates", prefix=beginning, limit=FOUND_MAX + 1, workspace=EVERY_WORKSPACE)
        try:
            found = {str(debate["debate_id"]): str(debate["question"]) for debate in page["debates"]}
        except (KeyError, TypeError):
            raise self._not_aragora() from None
        # A server that does not know `prefix` yet answers with its newest debates.
        found = {debate_id: question for debate_id, question in found.items() if debate_id.startswith(beginning)}
        match list(found):
            case []:
                raise errors.NotFound(f"No debate's id begins with {beginning}.")
            case [debate_id]:
                return debate_id
            case _:
                raise AmbiguousId(_choice(beginning, found))

    async def _events(self, debate_id: str, after_seq: int) -> list[Envelope]:
        page = await self.get(f"/api/debates/{debate_id}/events", after=after_seq)
        try:
            return [Envelope(event["type"], event["seq"], encoding.encode_text(event)) for event in page["events"]]
        except (KeyError, TypeError):
            raise self._not_aragora() from None

    def _document(self, raw: bytes) -> Any:
        try:
            return encoding.decode(raw)
        except ValueError:
            raise self._not_aragora() from None

    def _not_aragora(self) -> NotAragora:
        return NotAragora(f"What answers at {self.url} is no Aragora server: name one with --url.")

    async def _stream(self, url: str, debate_id: str, after_seq: int, *, deltas: bool) -> AsyncIterator[Envelope]:
        """The events of one connection. Ends with the debate, or raises _SocketLost."""
        try:
            socket = await self._session.ws_connect(url, heartbeat=HEARTBEAT_S, max_msg_size=MAX_MESSAGE_BYTES)
        except aiohttp.WSServerHandshakeError as refused:
            if refused.status in ERRORS and refused.status not in REPEATABLE_STATUS:
                raise ERRORS[refused.status](f"The server refused the event stream: {refused.message}") from refused
            raise
        async with socket:
            wanted: dict[str, object] = {"type": "subscribe", "debate_id": debate_id, "after_seq": after_seq}
            await socket.send_json(wanted | {"deltas": True} if deltas else wanted)
            expected = after_seq + 1
            async for message in socket:
                if message.type is not aiohttp.WSMsgType.TEXT:
                    break
                head = encoding.decode_as(message.data, _Head)
                if head.type == "error":
                    _refuse(encoding.decode_as(head.data, _ErrorData))
                if head.loop_id == debate_id and head.type == TOKEN:
                    yield Envelope(head.type, head.seq, message.data)
                    continue
                if head.loop_id != debate_id or head.seq < expected:
                    continue
                if head.seq > expected:
                    raise _SocketLost(f"seq {expected} was skipped")
                expected += 1
                yield Envelope(head.type, head.seq, message.data)
                if head.type == END:
                    return
            raise _SocketLost(f"closed with code {socket.close_code}")

    async def _send(self, method: str, path: str, *, repeatable: bool = True, **options: Any) -> bytes:
        attempt = 0
        while True:
            attempt += 1
            try:
                async with self._session.request(method, f"{self.url}{path}", **options) as answer:
                    raw = await answer.read()
                    if answer.status < 400:
                        return raw
                    failure = _error_of(answer.status, answer.headers.get("Retry-After"), raw)
                    again = answer.status in REPEATABLE_STATUS
            except (aiohttp.ClientError, TimeoutError) as lost:
                failure = ServerUnreachable(
                    f"No answer from {self.url} ({_reason(lost)}). "
                    "Start a server with 'aragora serve', or name one with --url."
                )
                again = True
            if not (again and repeatable and attempt < RETRY.attempts):
                raise failure
            await _pause(RETRY, attempt, failure.retry_after_s)


def _error_of(status: int, retry_after: str | None, raw: bytes) -> errors.AragoraError:
    """The error of an answer with status 400 or above, with the request id that finds it in the server's log."""
    code, message = f"http_{status}", f"The server answered {status}."
    try:
        body = encoding.decode(raw)
        code, message = str(body["error"]["code"]), str(body["error"]["message"])
        if body.get("request_id"):
            message = f"{message} (request {body['request_id']})"
    except (msgspec.DecodeError, UnicodeDecodeError, KeyError, TypeError, AttributeError):
        message = f"{message} It was no Aragora error; is this an Aragora server?"
    kind = ERRORS.get(status, errors.AragoraError)
    return kind(message, code=code, retry_after_s=parse_retry_after(retry_after, time.time()))


def _refuse(data: _ErrorData) -> NoReturn:
    """Raises the error that an `error` message on the WebSocket stands for."""
    kind = next((kind for kind in ERRORS.values() if kind.default_code == data.code), errors.InvalidInput)
    raise kind(data.message or f"The server refused the subscription ({data.code or 'no reason given'}).")


def _choice(beginning: str, found: Mapping[str, str]) -> str:
    """Which debates begin so, the newest first, and what they ask."""
    many = f"more than {FOUND_MAX}" if len(found) > FOUND_MAX else str(len(found))
    lines = [f"{many} debates have ids that begin with {beginning}. Give more of the id:"]
    for debate_id, question in list(found.items())[:CHOICE_MAX]:
        asked = " ".join(question.split())
        lines.append(f"  {debate_id}  {asked if len(asked) <= ASKED_MAX_CHARS else asked[: ASKED_MAX_CHARS - 1] + '…'}")
    if len(found) > CHOICE_MAX:
        lines.append("  ... 'aragora debates' lists them all.")
    return "\n".join(lines)


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__


async def _pause(backoff: Backoff, attempt: int, retry_after_s: float | None = None) -> None:
    capped = None if retry_after_s is None else min(retry_after_s, 2 * backoff.cap_s)
    await asyncio.sleep(backoff.delay_s(attempt, random.random(), capped))
