"""What passes between an agent and a language model: the call, the completion, and the provider's errors.

`Provider` is the port that every provider implements. Errors are few, so that an agent can decide by the class alone
what is transient, what trips the circuit breaker and what leads to the fallback.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from aragora import limits
from aragora.agents import border
from aragora.debate.model import MALFORMED_ANSWER, AgentRequest, Usage


@dataclass(frozen=True, slots=True)
class Turn:
    """One message of the conversation with the model; role is `user` or `assistant`."""

    role: str
    text: str


@dataclass(frozen=True, slots=True)
class ModelCall:
    """One call of a model. `schema` is the JSON schema of the wanted answer. `timeout_s` bounds the whole call.

    `request` is the source of the prompt, for providers (the embedded model) that render their own.
    """

    system: str
    turns: tuple[Turn, ...]
    schema: Mapping[str, Any]
    schema_name: str
    max_tokens: int
    temperature: float
    timeout_s: float
    idempotency_key: str
    request: AgentRequest | None = None


@dataclass(frozen=True, slots=True)
class Completion:
    """The model's text (JSON by the schema, unless it is malformed) and what it cost. `estimated`: the provider gave no
    believable count, so the tokens come from the length of the texts."""

    text: str
    usage: Usage
    estimated: bool = False


class ProviderError(Exception):
    """A call of a model failed. `code` goes into events and logs; the text never holds a secret.

    Text and wait may come from the provider: both are brought into their bounds here, for every kind of failure.
    """

    code: ClassVar[str] = "provider_error"
    trips_breaker: ClassVar[bool] = True
    falls_back: ClassVar[bool] = True

    def __init__(self, message: str, *, retry_after_s: float | None = None, usage: Usage | None = None) -> None:
        self.message = border.text(message, limits.FAILURE_MAX_CHARS)
        super().__init__(self.message)
        self.retry_after_s = border.wait_s(retry_after_s)
        self.usage = usage


class ProviderRateLimited(ProviderError):
    """HTTP 429."""

    code = "rate_limited"


class ProviderOverloaded(ProviderError):
    """HTTP 529 or 503: the provider has no capacity now."""

    code = "overloaded"


class ProviderFault(ProviderError):
    """HTTP 5xx, a refused or broken connection, a cut stream."""

    code = "provider_fault"


class ProviderTimedOut(ProviderError):
    """No answer within the call's time."""

    code = "timeout"


class ProviderRejected(ProviderError):
    """HTTP 4xx other than 429: the key or model is wrong, for every call. Another try does not help."""

    code = "rejected"
    falls_back = False


class CallRefused(ProviderRejected):
    """HTTP 400, 413, 422: this one call is wrong (size, content). It says nothing about the provider's health."""

    trips_breaker = False


class AnswerMalformed(ProviderError):
    """The model answered, but not in the wanted form, and one repair did not help."""

    code = MALFORMED_ANSWER
    trips_breaker = False
    falls_back = False


class BreakerOpen(ProviderError):
    """The agent's circuit breaker is open; the provider was not called."""

    code = "breaker_open"
    trips_breaker = False


class Provider(Protocol):
    """The port to a language model. One that `renders_itself` reads the call's request instead of its prompt."""

    name: str
    renders_itself: bool

    async def complete(self, call: ModelCall) -> Completion:
        """The model's answer to `call`. Raises a ProviderError subclass; never blocks the event loop."""
        ...

    async def aclose(self) -> None:
        """Release connections."""
        ...


@dataclass(frozen=True, slots=True)
class AgentSpec:
    """One agent of the catalog: its public name, its provider and model, and the model of its fallback."""

    name: str
    provider: str  # a name in aragora.config.providers, or local, embedded, stub
    model: str
    fallback_model: str | None = None  # OpenRouter's name of the same model family
    persona: str = ""
    temperature: float = 0.7
    max_tokens: int = 1024
    options: Mapping[str, str] | None = None  # e.g. the effort of a reasoning model
