"""What passes between an agent and a language model: the call, the completion, and the provider's errors.

`Provider` is the port that every provider implements. Each error class has one code of `aragora.agents.causes`, and
says whether it is transient, trips the circuit breaker or leads to the fallback: an agent decides by the class alone.
It is one long file because the classes are read together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, Protocol

from aragora import limits
from aragora.agents import border, causes
from aragora.debate.model import MALFORMED_ANSWER, AgentRequest, Usage


@dataclass(frozen=True, slots=True)
class Turn:
    """One message of the conversation with the model; role is `user` or `assistant`."""

    role: str
    text: str


class Meter:
    """What a call has cost so far, for whoever made it and ends it before it is over: the provider gives `read` when it
    sends the call."""

    __slots__ = ("_read",)

    def __init__(self) -> None:
        self._read: Callable[[], Usage | None] = _nothing

    def runs(self, read: Callable[[], Usage | None]) -> None:
        """From now on `read` tells what the call has cost."""
        self._read = read

    def usage(self) -> Usage | None:
        """What the call has cost; None where it was not sent."""
        return self._read()


class Listener(Protocol):
    """Follows the calls that are made for one ask. It is told of every piece: it must be quick, and never raises."""

    def begins(self) -> None:
        """A call begins, and with it the text anew."""
        ...

    def hears(self, piece: str) -> None:
        """The model has written this."""
        ...

    def lives(self) -> None:
        """The call goes on: something came that is no text of the answer, or it waits for its turn."""
        ...


class NobodyListens:
    """Where nobody follows a call."""

    def begins(self) -> None:
        return

    def hears(self, piece: str) -> None:  # noqa: ARG002
        return

    def lives(self) -> None:
        return


NOBODY: Final = NobodyListens()


@dataclass(frozen=True, slots=True)
class ModelCall:
    """One call of a model. `schema` is the JSON schema of the wanted answer. `timeout_s` bounds the whole call.

    `request` is the source of the prompt, for providers (the embedded model) that render their own. `listener` follows
    the call while it is made.
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
    meter: Meter = field(default_factory=Meter, compare=False, repr=False)
    listener: Listener = field(default=NOBODY, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Completion:
    """The model's text (JSON by the schema, unless it is malformed) and what it cost. `refusal`: the model declined in
    its own words, and there is no text. `remarks` say what a reader of the record must know about how it came."""

    text: str
    usage: Usage
    refusal: str = ""
    remarks: tuple[str, ...] = ()


class ProviderError(Exception):
    """A call of a model failed. `code` goes into events and logs; the text never holds a secret.

    `told` says what happened, in the provider's own words where it gave some; `message` adds our remedy. `heard` is the
    text that came before the failure: it may be a whole answer. Texts and wait may come from the provider: all are
    brought into their bounds here, for every kind of failure.
    """

    code: ClassVar[str] = "provider_error"
    trips_breaker: ClassVar[bool] = True
    falls_back: ClassVar[bool] = True
    transient: ClassVar[bool] = False  # another try may help

    def __init__(
        self, told: str, *, retry_after_s: float | None = None, usage: Usage | None = None, heard: str = ""
    ) -> None:
        remedy = causes.remedy_of(self.code)
        self.told = border.text(told, limits.FAILURE_MAX_CHARS - len(remedy) - 2)
        stop = "" if self.told.endswith((".", "!", "?", "…")) else "."
        self.message = f"{self.told}{stop} {remedy}" if remedy else self.told
        super().__init__(self.message)
        self.retry_after_s = border.wait_s(retry_after_s)
        self.usage = usage
        self.heard = heard


class ProviderRateLimited(ProviderError):
    """HTTP 429."""

    code = causes.RATE_LIMITED
    transient = True


class ProviderOverloaded(ProviderError):
    """HTTP 529 or 503: the provider has no capacity now."""

    code = causes.OVERLOADED
    transient = True


class ProviderFault(ProviderError):
    """HTTP 5xx, or an error told in the midst of an answer."""

    code = causes.PROVIDER_FAULT
    transient = True


class ProviderUnreachable(ProviderFault):
    """No connection came about."""

    code = causes.UNREACHABLE


class StreamBroken(ProviderFault):
    """The provider was reached, but its answer ended too early or could not be read."""

    code = causes.BROKEN_STREAM


class OutOfMemory(ProviderFault):
    """The provider's machine is too small for the model."""

    code = causes.OUT_OF_MEMORY
    transient = False


class ProviderTimedOut(ProviderError):
    """No answer within the call's time."""

    code = causes.TIMEOUT


class ProviderRejected(ProviderError):
    """HTTP 4xx other than 429: the call is refused, for a cause that another try does not change."""

    code = causes.REJECTED
    falls_back = False


class LastingCause(ProviderRejected):
    """A cause that concerns every call, until a person acts: the agent is not asked for a while. That is no outage, so
    it does not count as one of the failures that open the breaker."""

    trips_breaker = False


class WrongKey(LastingCause):
    """HTTP 401: the provider does not know the key."""

    code = causes.WRONG_KEY


class NotAllowed(LastingCause):
    """HTTP 403: the key may not do this."""

    code = causes.NOT_ALLOWED


class NoCredit(LastingCause):
    """HTTP 402, or another status that says so. The fallback has an account of its own."""

    code = causes.NO_CREDIT
    falls_back = True


class UnknownModel(LastingCause):
    """HTTP 404, or another status that says so: the provider has no such model."""

    code = causes.UNKNOWN_MODEL


class WrongAddress(LastingCause):
    """What answers there is no API of a model."""

    code = causes.WRONG_ADDRESS


class CallRefused(ProviderRejected):
    """HTTP 400, 413, 422: this one call is wrong (size, content). It says nothing about the provider's health."""

    trips_breaker = False


class ContextTooLong(CallRefused):
    """The prompt has more tokens than the model can read: `context_tokens`, where the provider says the number."""

    code = causes.CONTEXT_TOO_LONG
    context_tokens: int | None = None


class RefusedByPolicy(CallRefused):
    """A filter of the provider stopped the question or the answer."""

    code = causes.REFUSED_BY_POLICY


class AnswerUnusable(ProviderError):
    """The model answered, but not what was asked for. It may be asked once more, in the words of `again`; where there
    are none, that does not help."""

    trips_breaker = False
    falls_back = False
    again: ClassVar[str] = "That is not the wanted form."


class AnswerMalformed(AnswerUnusable):
    """The model answered, but not in the wanted form, and one repair did not help."""

    code = MALFORMED_ANSWER


class AnswerEndless(AnswerMalformed):
    """The answer is longer than anything that could be one."""

    again = ""


class CutByLength(AnswerUnusable):
    """The answer ended at the limit of its tokens."""

    code = causes.CUT_BY_LENGTH
    again = "Your last answer was cut off because it was too long. Think briefly and be much shorter."


class NoAnswer(AnswerUnusable):
    """The model reasoned, or called a tool that it was not given, and said nothing."""

    code = causes.NO_ANSWER
    again = "You gave no answer."


class OutOfBudget(ProviderError):
    """Another call could pass what the ask may cost; it was not made."""

    code = causes.BUDGET
    trips_breaker = False
    falls_back = False


class BreakerOpen(ProviderError):
    """The agent's circuit breaker is open; the provider was not called."""

    code = "breaker_open"
    trips_breaker = False


def error_of(code: str) -> type[ProviderError]:
    """The class of the failures with this code."""
    return _BY_CODE.get(code, ProviderFault)


def _nothing() -> None:
    return None


_BY_CODE: Final = {
    kind.code: kind
    for kind in (
        ProviderRateLimited,
        ProviderOverloaded,
        ProviderFault,
        ProviderUnreachable,
        StreamBroken,
        OutOfMemory,
        ProviderTimedOut,
        WrongKey,
        NotAllowed,
        NoCredit,
        UnknownModel,
        WrongAddress,
        CallRefused,
        ContextTooLong,
        RefusedByPolicy,
    )
}


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
class DeclaredPrice:
    """What an agent costs by its declaration, in USD per million tokens: it counts instead of the price table."""

    input_usd: float
    output_usd: float


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
    address: str | None = None  # of a server of its own; None: its provider's
    key_variable: str | None = None  # the environment variable with a key of its own; None: its provider's key
    insists_on_temperature: bool = False  # sent also where the provider usually gets none
    context_tokens: int | None = None  # the longest prompt that its model takes; None: not known
    price: DeclaredPrice | None = None
