"""What is asked of one provider for one ask: a call, its repair, its retries; the text that comes is read here.

The rules stand in `aragora.agents.answering`. What a call has cost goes into the ledger of the ask, however it ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Final, Self

from aragora.agents import border
from aragora.agents.answer_format import AnswerInvalid, Understood, parse_answer
from aragora.agents.calls import Calls
from aragora.agents.model import (
    AnswerMalformed,
    AnswerUnusable,
    CallRefused,
    Completion,
    ContextTooLong,
    CutByLength,
    Meter,
    ModelCall,
    OutOfBudget,
    Provider,
    ProviderError,
    ProviderFault,
    ProviderTimedOut,
    Turn,
)
from aragora.agents.pricing import Ledger
from aragora.debate.model import Abstention, AgentRequest, AskKind, Usage
from aragora.errors import AragoraError
from aragora.limits import BYTES_PER_TOKEN, NOTE_MAX_CHARS

MARGIN_SHARE: Final = 0.02  # of the time, kept for the work after the last call
MIN_CALL_S: Final = 0.01  # with less time left no call is made
MAX_REPAIRED_CHARS: Final = 8_000  # of a malformed answer that is shown to its model
_LEAST_REPAIRED_CHARS: Final = 200  # however small the model's context is
_IN_JSON: Final = "Answer with the JSON object alone."


@dataclass(frozen=True, slots=True)
class Attempt:
    """What a provider is asked for one ask, what the ask has cost so far, and by when the provider must have answered.

    `until_s` is in seconds after the ask arrived. `remarks` say what of the material is not in the call.
    """

    request: AgentRequest
    call: ModelCall
    ledger: Ledger
    until_s: float
    calls: Calls
    remarks: tuple[str, ...] = ()

    def left_s(self) -> float:
        """Seconds left for this attempt; negative where its time is over."""
        return self.until_s - self.ledger.elapsed_s()

    def require_time(self) -> None:
        """Raises ProviderTimedOut where too little time is left to make a call."""
        if self.left_s() < MIN_CALL_S:
            raise ProviderTimedOut("no time is left for another call")

    def affordable(self, cause: ProviderError) -> Self:
        """This attempt after the failure `cause`, its answer no longer than the reserve of the ask pays for. Where
        too little of it is left (the first call alone may pass it), raises OutOfBudget if the call was to mend an
        answer, and else the `cause`, which says that no other call was made."""
        reserved_usd = self.request.reserved_usd
        if reserved_usd is None or self.ledger.calls == 0:
            return self
        call = self.calls.affordable(self.call, reserved_usd - self.ledger.cost_usd)
        if call is None:
            spent = f"{self.ledger.cost_usd:.4f} of the {reserved_usd:.4f} USD that it may cost"
            kind = OutOfBudget if isinstance(cause, AnswerUnusable | ContextTooLong) else type(cause)
            raise kind(f"{cause.told}; no other call was made, since {spent} are spent")
        return replace(self, call=call)

    def mended(self, error: AnswerUnusable | ContextTooLong) -> Self | None:
        """The attempt that asks once more, for a better answer than the one that `error` tells of, or with less
        material; None where that would not help."""
        if isinstance(error, ContextTooLong):
            made = self.calls.smaller(self.call, error)
            return None if made is None else replace(self, call=made.call, remarks=made.remarks)
        return self._again(error) if error.again else None

    def _again(self, error: AnswerUnusable) -> Self:
        call = replace(self.call, idempotency_key=f"{self.call.idempotency_key}:mend")
        if isinstance(error, AnswerMalformed):
            spare = self.calls.spare_tokens(call, of=MAX_REPAIRED_CHARS) - call.max_tokens
            most = max(_LEAST_REPAIRED_CHARS, min(MAX_REPAIRED_CHARS, BYTES_PER_TOKEN * spare))
            heard = border.text(error.heard, most).strip() or "(nothing)"
            said = Turn("user", f"{error.again} {error.told} Answer again, with the JSON object alone.")
            return replace(self, call=replace(call, turns=(*call.turns, Turn("assistant", heard), said)))
        if isinstance(error, CutByLength):
            call = self.calls.with_more_room(call)
        *before, last = call.turns or (Turn("user", ""),)
        asked = Turn(last.role, f"{last.text}\n\n{error.again} {_IN_JSON}")
        return replace(self, call=replace(call, turns=(*before, asked)))


Ask = Callable[[Attempt], Awaitable[Understood]]
Pause = Callable[[int, ProviderError, Attempt], float | None]


async def asked(ask: Ask, attempt: Attempt, pause_s: Pause) -> Understood:
    """The answer as it was read, after at most one repair, and retries of a failed call as far as `pause_s` and the
    reserve of the ask allow them. Raises ProviderError."""
    number = 1
    first: AnswerUnusable | ContextTooLong | None = None
    attempt.require_time()
    while True:
        try:
            read = await ask(attempt)
        except (AnswerUnusable, ContextTooLong) as error:
            if first is not None:
                raise _twice(first, error) from None
            mended = attempt.mended(error)
            if mended is None or attempt.left_s() < MIN_CALL_S:
                raise
            first, attempt = error, mended.affordable(error)
        except ProviderError as error:
            if isinstance(first, AnswerUnusable) and isinstance(error, CallRefused):
                raise first from None  # more room, or a longer talk, is not allowed
            delay_s = pause_s(number, error, attempt)
            if delay_s is None:
                raise
            attempt = attempt.affordable(error)
            number += 1
            await asyncio.sleep(delay_s)
        else:
            before, after = attempt.remarks, _remarks(first, attempt)
            return replace(read, remarks=(*before, *read.remarks, *after)) if before or after else read


async def complete(provider: Provider, attempt: Attempt) -> Understood:
    """One call of a provider, in the time that is left, and its answer as it was read; its cost goes into the ledger.
    The provider ends the call by itself, since it alone knows what was paid; one that does not is ended a little
    later. Raises ProviderError, and AnswerMalformed where the answer does not read."""
    left_s = max(attempt.left_s(), MIN_CALL_S)
    call = _timed(attempt, left_s)
    call.listener.begins()
    attempt.ledger.calls += 1
    try:
        async with asyncio.timeout(left_s + attempt.request.timeout_s * MARGIN_SHARE / 2):
            completion = await provider.complete(call)
    except TimeoutError:
        _pay(attempt.ledger, call.meter.usage())
        raise ProviderTimedOut(f"{provider.name} gave no answer within {left_s:.1f} s") from None
    except asyncio.CancelledError:
        _pay(attempt.ledger, call.meter.usage())
        raise
    except ProviderError as error:
        _pay(attempt.ledger, error.usage)
        whole = _whole(attempt.request, error)
        if whole is None:
            raise
        return whole
    except AragoraError:  # a failure of our own says nothing about the provider
        _pay(attempt.ledger, call.meter.usage())
        raise
    except Exception as error:  # noqa: BLE001  whatever an SDK raises: the breaker must learn it, the fallback may help
        _pay(attempt.ledger, call.meter.usage())
        raise unexpected(error, provider.name) from None
    attempt.ledger.add(completion.usage)
    return _read(attempt.request, completion)


def _timed(attempt: Attempt, left_s: float) -> ModelCall:
    """The call as it goes out now: with the time that is left, and a meter of its own."""
    call = attempt.call
    if attempt.ledger.calls == 0 and call.timeout_s - left_s < MIN_CALL_S:
        return call  # as nearly all are: made for this try a moment ago
    return replace(call, timeout_s=left_s, meter=Meter())


def _read(request: AgentRequest, completion: Completion) -> Understood:
    if completion.refusal and request.ask.kind is not AskKind.GROUP:
        return Understood(Abstention(border.text(completion.refusal, NOTE_MAX_CHARS)), completion.remarks)
    try:
        read = parse_answer(request, completion.text)
    except AnswerInvalid as invalid:
        raise AnswerMalformed(str(invalid), heard=completion.refusal or completion.text) from None
    return replace(read, remarks=(*read.remarks, *completion.remarks)) if completion.remarks else read


def _whole(request: AgentRequest, error: ProviderError) -> Understood | None:
    """What came before the failure, where it ends as an object does and reads as the whole answer; else None."""
    text = error.heard.strip().removesuffix("```").rstrip()
    if not text.endswith("}"):
        return None
    try:
        read = parse_answer(request, text)
    except AnswerInvalid:
        return None
    return replace(read, remarks=(*read.remarks, f"{error.told}; what had come was whole, and counts"))


def _twice(
    first: AnswerUnusable | ContextTooLong, second: AnswerUnusable | ContextTooLong
) -> AnswerUnusable | ContextTooLong:
    """What is told where the call that was to mend the first failure failed, too."""
    if isinstance(second, ContextTooLong):
        return second if isinstance(first, ContextTooLong) else first  # a longer talk did not fit
    if isinstance(first, ContextTooLong):
        return type(second)(f"{first.told}; asked once more with less material, {second.told}")
    if isinstance(second, AnswerMalformed):
        return type(second)(f"the answer stayed malformed after a repair: {second.told}")
    return type(second)(f"{first.told}; asked once more, {second.told}")


def _remarks(first: ProviderError | None, attempt: Attempt) -> tuple[str, ...]:
    """What the record must know of a repair: that an answer was to be shorter than the model would have it, or its
    material."""
    if isinstance(first, ContextTooLong):
        return (f"{first.told}; it was asked once more, with less material",)
    if not isinstance(first, CutByLength):
        return ()
    return (f"{first.told}; it was asked once more, to be shorter, with {attempt.call.max_tokens} tokens",)


def no_retry(_number: int, _error: ProviderError, _attempt: Attempt) -> None:
    """A fallback is asked once."""


def _pay(ledger: Ledger, usage: Usage | None) -> None:
    if usage is not None:
        ledger.add(usage)


def unexpected(error: Exception, provider: str) -> ProviderFault:
    """Names only the kind of `error`: its text and trace may hold a key."""
    return ProviderFault(f"unexpected {type(error).__name__} while asking {provider}")
