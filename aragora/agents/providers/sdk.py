"""What all providers over an SDK share: a client that is built late, and failures as the few errors of the agents.

Texts from outside are cut and cleaned: providers often repeat the key that was wrong, and errors go on to events,
logs and other people, who must not learn it.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final, Generic, TypeVar

from aragora.agents import border
from aragora.agents.model import (
    CallRefused,
    ModelCall,
    ProviderError,
    ProviderFault,
    ProviderOverloaded,
    ProviderRateLimited,
    ProviderRejected,
    ProviderTimedOut,
)
from aragora.agents.providers.received import Received
from aragora.debate.model import Usage
from aragora.observability.redaction import REDACTED, Redactor
from aragora.resilience.backoff import parse_retry_after

Client = TypeVar("Client")
_MAX_DETAIL_CHARS: Final = 200
_MAX_READ_CHARS: Final = 10_000  # of a detail: what comes after is not even looked through
_MAX_STATUS: Final = 599
_BARE_KEY: Final = re.compile(r"\b(?=[A-Za-z]{0,64}[0-9])(?=[0-9]{0,64}[A-Za-z])[A-Za-z0-9]{32,}\b")
_redactor: Final = Redactor()
_BY_STATUS: Final[dict[int, type[ProviderError]]] = {
    400: CallRefused,
    408: ProviderTimedOut,
    413: CallRefused,
    422: CallRefused,
    429: ProviderRateLimited,
    503: ProviderOverloaded,
    504: ProviderTimedOut,
    529: ProviderOverloaded,
}
_ADVICE: Final[dict[int, str]] = {
    401: "the key was not accepted; check it",
    402: "the account has no credit",
    403: "the key does not allow this call",
    404: "there is no such model or address; check the model's name",
}


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


def by_status(
    provider: str,
    status: int,
    detail: str = "",
    headers: Mapping[str, str] | None = None,
    usage: Usage | None = None,
) -> ProviderError:
    """The error of an HTTP status; 500 where `status` is none. `detail` is what the provider said; it is left out where
    it may hold a key."""
    status = status if 0 < status <= _MAX_STATUS else 500
    kind = _BY_STATUS.get(status) or (ProviderFault if status >= 500 else ProviderRejected)
    text = _ADVICE.get(status) or clean(detail)
    return kind(
        f"{provider} answered {status}" + (f": {text}" if text else ""), retry_after_s=_wait(headers), usage=usage
    )


def cut_stream(provider: str, usage: Usage | None = None) -> ProviderFault:
    """The stream ended before the answer did."""
    return ProviderFault(f"the answer of {provider} was cut off", usage=usage)


@asynccontextmanager
async def in_time(provider: str, call: ModelCall, received: Received) -> AsyncIterator[None]:
    """Bounds a whole call: SDKs bound each wait alone. Raises ProviderTimedOut with what the call has cost; where
    nothing came back, the prompt may have been billed all the same, and counts."""
    try:
        async with asyncio.timeout(call.timeout_s):
            yield
    except TimeoutError:
        raise timed_out(provider, call.timeout_s, received.spent()) from None


def unreachable(provider: str, cause: BaseException, usage: Usage | None = None) -> ProviderError:
    """No connection, or a broken one; a call that has no UTF-8 is itself at fault. The text names only the kind of the
    cause."""
    if isinstance(cause, UnicodeEncodeError):
        return CallRefused(f"the prompt for {provider} holds half of a character", usage=usage)
    return ProviderFault(f"{provider} could not be reached ({type(cause).__name__})", usage=usage)


def timed_out(provider: str, timeout_s: float, usage: Usage | None = None) -> ProviderTimedOut:
    return ProviderTimedOut(f"{provider} gave no answer within {timeout_s:.1f} s", usage=usage)


def declined(provider: str, usage: Usage | None = None) -> CallRefused:
    """The model, or a filter in front of it, will not answer this question."""
    return CallRefused(f"{provider} declined to answer", usage=usage)


def parts(of: object, name: str) -> tuple[Any, ...]:
    """The list that `of` has under `name`; empty where there is none. SDKs hand on what came, whatever it was."""
    found = getattr(of, name, None)
    return tuple(found) if isinstance(found, list | tuple) else ()


def clean(detail: str) -> str:
    """`detail` as one short line without anything that looks like a key."""
    told = _redactor.text(border.text(detail, _MAX_READ_CHARS))
    line = " ".join(_BARE_KEY.sub(REDACTED, told).split())
    return line if len(line) <= _MAX_DETAIL_CHARS else line[: _MAX_DETAIL_CHARS - 1] + "…"


def _wait(headers: Mapping[str, str] | None) -> float | None:
    if not headers:
        return None
    millis = headers.get("retry-after-ms")
    wait_ms = parse_retry_after(millis, time.time()) if millis and millis.isdecimal() else None
    if wait_ms is not None:
        return wait_ms / 1000
    return parse_retry_after(headers.get("retry-after"), time.time())
