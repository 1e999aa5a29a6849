"""What all providers over an SDK share: a client that is built late, and failures told with their true cause.

`Failures` turns whatever an SDK raises into one of the errors of `aragora.agents.model`: the provider's own words are
kept, and "could not be reached" is said only where it was not. Texts from outside are cut and cleaned: providers often
repeat the key that was wrong, and errors go on to events, logs and other people, who must not learn it.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any, Final, Generic, TypeVar

from aragora.agents import border, causes
from aragora.agents.contexts import context_tokens_told
from aragora.agents.model import (
    CallRefused,
    ContextTooLong,
    ModelCall,
    ProviderError,
    ProviderRejected,
    ProviderTimedOut,
    ProviderUnreachable,
    StreamBroken,
    WrongAddress,
    error_of,
)
from aragora.agents.providers.received import Received
from aragora.agents.providers.told import Told, told_in
from aragora.observability.redaction import REDACTED, Redactor
from aragora.resilience.backoff import parse_retry_after

Client = TypeVar("Client")
CONNECT_S: Final = 10.0
_DRAIN_S: Final = 0.1
_MAX_DETAIL_CHARS: Final = 200
_MAX_READ_CHARS: Final = 10_000  # of a detail: what comes after is not even looked through
_MAX_STATUS: Final = 599
_FIRST_ERROR: Final = 400
_CALLS_OWN_FAULT: Final = frozenset({400, 413, 422})
_NO_STATUS: Final = 500  # for an error that names none
_REFUSED: Final = 400
_RATE_LIMITED: Final = 429
_RATE: Final = re.compile(r"(?i)\brate[ _-]?limit|too many requests")
_NO_API: Final = frozenset({400, 404, 405, 410, 421})  # with a web page: besides these, a gateway may have its reasons
_BARE_KEY: Final = re.compile(r"\b(?=[A-Za-z]{0,64}[0-9])(?=[0-9]{0,64}[A-Za-z])[A-Za-z0-9]{32,}\b")
_redactor: Final = Redactor()
# Errors of several HTTP libraries, which are imported late or not at all: so they are known by their names.
_NOT_CONNECTED: Final = frozenset(
    {
        "ConnectError",
        "ConnectTimeout",
        "PoolTimeout",
        "ProxyError",
        "UnsupportedProtocol",
        "LocalProtocolError",
        "InvalidURL",
        "ClientConnectorError",
        "ConnectionTimeoutError",
        "ConnectionRefusedError",
        "gaierror",
    }
)
_TOO_LATE: Final = frozenset({"TimeoutException", "TimeoutError", "APITimeoutError"})
_UNREADABLE: Final = frozenset({"JSONDecodeError", "UnknownApiResponseError", "UnicodeDecodeError", "TooLarge"})


class LazyClient(Generic[Client]):
    """A client that `build` makes when it is first needed: in a thread, since importing an SDK takes up to seconds, and
    once, unless it fails."""

    def __init__(self, build: Callable[[], Client]) -> None:
        self._build = build
        self._lock = asyncio.Lock()
        self.built: Client | None = None

    async def get(self) -> Client:
        """The client. Raises what `build` raises."""
        if self.built is None:
            async with self._lock:
                if self.built is None:
                    self.built = await asyncio.to_thread(self._build)
        return self.built


class Failures:
    """The failures of one provider; its `key` is taken out of what it says."""

    def __init__(self, provider: str, key: str) -> None:
        self._provider = provider
        self._redactor = Redactor((key,))

    def answered(
        self,
        status: int,
        body: object,
        received: Received,
        headers: Mapping[str, str] | None = None,
        wait_s: float | None = None,
    ) -> ProviderError:
        """An error answer, or an error in an answer with status 200."""
        told = told_in(body)
        status = status if 0 < status <= _MAX_STATUS else _NO_STATUS
        if told.is_page and (status < _FIRST_ERROR or status in _NO_API):
            text = f"the address of {self._provider} answers with a web page, not with an API"
            return WrongAddress(f"{text} ({status})" if status >= _FIRST_ERROR else text)
        wait_s = _wait(headers) if wait_s is None else wait_s
        known = status if status >= _FIRST_ERROR else told.status or _status_by(told.all)
        received.refused = (known, told.all)
        code = causes.code_of(known, told.all, waits=wait_s is not None)
        kind = error_of(code)
        if kind is CallRefused and known not in _CALLS_OWN_FAULT:
            kind = ProviderRejected
        text = self._text(status, told, code, received)
        failure = kind(text, retry_after_s=wait_s, usage=received.usage())
        if isinstance(failure, ContextTooLong):  # the text may be cut before its number, or the number stand beside it
            failure.context_tokens = context_tokens_told(f"{told.marks} {told.words}")
        return failure

    def broken(self, error: BaseException, received: Received, call: ModelCall) -> ProviderError:
        """What went wrong between the provider and us: no connection, a broken one, something that cannot be read."""
        provider, chain = self._provider, list(_chain(error))
        names = {kind.__name__ for cause in chain for kind in type(cause).__mro__}
        if any(isinstance(cause, UnicodeEncodeError) for cause in chain):
            return CallRefused(f"the prompt for {provider} holds half of a character", usage=received.usage())
        if names & _NOT_CONNECTED:
            return ProviderUnreachable(f"{provider} could not be reached ({type(chain[-1]).__name__})")
        if names & _TOO_LATE:
            return timed_out(provider, call, received)
        if names & _UNREADABLE or any(isinstance(cause, ValueError) for cause in chain):
            return self.unreadable("", received)
        when = "in the midst of its answer" if received.began else "before its answer began"
        told = f"the connection to {provider} broke {when} ({type(chain[-1]).__name__})"
        return StreamBroken(told, usage=received.spent(), heard=received.text())

    def unreadable(self, line: str, received: Received) -> StreamBroken:
        """A part of an answer that is no JSON."""
        told = f"{self._provider} sent a line that is not JSON" + (f": {self.clean(line)}" if line.strip() else "")
        return StreamBroken(told, usage=received.spent(), heard=received.text())

    def clean(self, detail: str) -> str:
        """`detail` as one short line without anything that looks like a key."""
        return clean(self._redactor.text(detail))

    def _text(self, status: int, told: Told, code: str, received: Received) -> str:
        words = "a web page instead of an answer" if told.is_page else self.clean(told.words or told.marks)
        if status >= _FIRST_ERROR:
            did = f"{self._provider} answered {status}"
        elif not words:
            did = f"{self._provider} sent something that is no answer"
        else:
            did = f"{self._provider} told an error" + (" in the midst of its answer" if received.began else "")
        if code == causes.UNKNOWN_MODEL and received.model and received.model not in words:
            did = f"{did} to a call of the model {received.model}"
        return f"{did}: {words}" if words else did


@asynccontextmanager
async def in_time(provider: str, call: ModelCall, received: Received) -> AsyncIterator[None]:
    """Bounds a whole call: SDKs bound each wait alone. Raises ProviderTimedOut with what the call has cost; where
    nothing came back, the prompt may have been billed all the same, and counts."""
    call.meter.runs(received.spent)
    try:
        async with asyncio.timeout(call.timeout_s):
            yield
    except TimeoutError:
        raise timed_out(provider, call, received) from None


def timed_out(provider: str, call: ModelCall, received: Received) -> ProviderTimedOut:
    """The call took too long; what came until then is paid."""
    what = "did not end its answer" if received.began else "gave no answer"
    told = f"{provider} {what} within {call.timeout_s:.1f} s"
    return ProviderTimedOut(told, usage=received.spent(), heard=received.text())


def answer_of(error: Any) -> tuple[int, object]:
    """The status and the body of an error answer of an SDK over httpx2; the body as it came, where it was read."""
    response = error.response
    return response.status_code, response.text if response.is_stream_consumed else error.body


async def drained(body: AsyncIterator[object]) -> None:
    """Read the rest of a body whose answer is whole, so that its connection can be used again; not for long."""
    with suppress(Exception):  # the answer is there, whatever becomes of the connection
        async with asyncio.timeout(_DRAIN_S):
            async for _ in body:
                continue


def parts(of: object, name: str) -> tuple[Any, ...]:
    """The list that `of` has under `name`; empty where there is none. Providers send whatever they like."""
    found = of.get(name) if isinstance(of, Mapping) else getattr(of, name, None)
    return tuple(found) if isinstance(found, list | tuple) else ()


def under(of: Any, *names: str) -> Any:
    """What stands in `of` under these names, one beneath the other; None where nothing does."""
    for name in names:
        of = of.get(name) if isinstance(of, (dict, Mapping)) else None  # mostly a dict, which is told faster
    return of


def written(value: object) -> object:
    """`value`; as JSON where it is an object: some servers read the JSON that a model wrote."""
    if not value or not isinstance(value, Mapping):
        return value
    try:
        return json.dumps(value, ensure_ascii=False)
    except (RecursionError, TypeError, ValueError):
        return None


def clean(detail: str) -> str:
    """`detail` as one short line without anything that looks like a key."""
    told = _redactor.text(border.text(detail, _MAX_READ_CHARS))
    line = " ".join(_BARE_KEY.sub(REDACTED, told).split())
    return line if len(line) <= _MAX_DETAIL_CHARS else line[: _MAX_DETAIL_CHARS - 1] + "…"


def _chain(error: BaseException) -> list[BaseException]:
    """The error and what caused it; the last is the root."""
    chain = [error]
    while (cause := chain[-1].__cause__) is not None and cause not in chain:
        chain.append(cause)
    return chain


def _status_by(words: str) -> int:
    """The status that would fit an error that came with none: that of a refusal or a limit where its words say so."""
    if causes.code_of(_NO_STATUS, words) != causes.PROVIDER_FAULT:
        return _NO_STATUS
    if _RATE.search(words[:_MAX_READ_CHARS]):
        return _RATE_LIMITED
    return _NO_STATUS if causes.code_of(_REFUSED, words) == causes.REJECTED else _REFUSED


def _wait(headers: Mapping[str, str] | None) -> float | None:
    if not headers:
        return None
    millis = headers.get("retry-after-ms")
    wait_ms = parse_retry_after(millis, time.time()) if millis and millis.isdecimal() else None
    if wait_ms is not None:
        return wait_ms / 1000
    return parse_retry_after(headers.get("retry-after"), time.time())
