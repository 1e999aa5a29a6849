"""How an agent answers one ask: prompt, breaker, provider, repair, retry, fallback; always a reply, always in time.

Rules:
    - Nothing is raised, except cancellation: a failure is an `AgentFailure` that tells what was paid all the same.
    - The whole answer takes at most `request.timeout_s`. With a fallback, the agent's own provider gets the first
      `OWN_SHARE` of that time, so that the fallback has a chance.
    - A transient error is followed by the fallback, if there is one; else by a retry, as far as the time, the
      attempts and the retry budget go. A Retry-After is honoured, or the retry is not made.
    - A malformed answer is shown to the model once more with what is wrong. It says nothing about the provider's
      health, so it neither trips the breaker nor calls for the fallback.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Final

import structlog

from aragora.agents.answers import AnswerInvalid, answer_schema, parse_answer
from aragora.agents.gate import Gate
from aragora.agents.ledger import Ledger
from aragora.agents.model import (
    AgentSpec,
    AnswerMalformed,
    Completion,
    ModelCall,
    Provider,
    ProviderError,
    ProviderFault,
    ProviderOverloaded,
    ProviderRateLimited,
    ProviderTimedOut,
    Turn,
)
from aragora.agents.prompts import render
from aragora.clock import Clock
from aragora.debate.model import (
    AgentAnswer,
    AgentFailure,
    AgentRequest,
    Ballot,
    Critique,
    Fallback,
    Proposal,
    Reply,
    Usage,
)
from aragora.resilience.backoff import Backoff, RetryBudget

OWN_SHARE: Final = 0.6  # of the time, for the agent's own provider where a fallback stands ready
MARGIN_SHARE: Final = 0.02  # of the time, kept for what follows the last call
MIN_CALL_S: Final = 0.01  # with less time left no call is made
MAX_MENDED_CHARS: Final = 8_000  # of a malformed answer that is shown to its model
_TRANSIENT: Final = (ProviderRateLimited, ProviderOverloaded, ProviderFault)

Content = Proposal | Critique | Ballot
_Complete = Callable[[ModelCall, Ledger, float], Awaitable[Completion]]


class Answering:
    """One agent: its spec, its provider, its fallback (None: there is none) and the gate of its breaker."""

    def __init__(
        self,
        spec: AgentSpec,
        provider: Provider,
        fallback: Provider | None,
        gate: Gate,
        clock: Clock,
        *,
        backoff: Backoff | None = None,
        budget: RetryBudget | None = None,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._spec = spec
        self._provider = provider
        self._fallback = fallback
        self._gate = gate
        self._clock = clock
        self._backoff = backoff or Backoff()
        self._budget = budget or RetryBudget()
        self._draw = draw
        self._prompted = fallback is not None or not provider.renders_itself
        self._log = structlog.get_logger("aragora.agents").bind(agent=spec.name)
        self._answered = f"agent={spec.name} answered"

    async def answer(self, request: AgentRequest) -> Reply:
        """The reply to `request` within its time. Never raises, except CancelledError when cancelled."""
        ledger = Ledger(self._spec, self._clock)
        try:
            async with asyncio.timeout(request.timeout_s):
                answer = await self._answer(request, ledger)
        except TimeoutError:
            return self._failure(request, ledger, ProviderTimedOut(f"no answer within {request.timeout_s:g} s"))
        except ProviderError as error:
            return self._failure(request, ledger, error)
        except Exception as error:  # noqa: BLE001  whatever breaks in an SDK must not break the debate
            kind = type(error).__name__  # only this: the text and the trace may hold a key
            return self._failure(
                request, ledger, ProviderFault(f"unexpected {kind} while asking {self._spec.provider}")
            )
        if isinstance(answer, AgentAnswer):
            self._log_answer(request, answer.usage)
        return answer

    async def aclose(self) -> None:
        """Release the connections of the providers."""
        await self._provider.aclose()
        if self._fallback is not None:
            await self._fallback.aclose()

    async def _answer(self, request: AgentRequest, ledger: Ledger) -> Reply:
        system, turns = render(request) if self._prompted else ("", ())
        schema_name, schema = answer_schema(request)
        spec = self._spec
        call = ModelCall(
            system=f"{spec.persona}\n\n{system}" if spec.persona else system,
            turns=turns,
            schema=schema,
            schema_name=schema_name,
            max_tokens=spec.max_tokens,
            temperature=spec.temperature,
            timeout_s=request.timeout_s,
            idempotency_key=request.ask.ask_id,
            request=request,
        )
        usable_s = request.timeout_s * (1.0 - MARGIN_SHARE)
        try:
            content = await self._own(call, request, ledger, usable_s * (OWN_SHARE if self._fallback else 1.0))
        except ProviderError as error:
            if self._fallback is None or not error.falls_back or usable_s - ledger.elapsed_s() < MIN_CALL_S:
                raise
            return await self._fall_back(self._fallback, call, request, ledger, error)
        return AgentAnswer(request.ask.ask_id, spec.name, content, ledger.usage())

    async def _own(self, call: ModelCall, request: AgentRequest, ledger: Ledger, until_s: float) -> Content:
        """The content from the agent's own provider, by `until_s` seconds after the start. Raises ProviderError."""
        self._budget.called()
        attempt = 1
        while True:
            try:
                return await _repaired(self._guarded, call, request, ledger, until_s)
            except _TRANSIENT as error:
                delay_s = self._backoff.delay_s(attempt, self._draw(), error.retry_after_s)
                if not self._may_retry(attempt, until_s - ledger.elapsed_s() - delay_s):
                    raise
            attempt += 1
            await asyncio.sleep(delay_s)

    def _may_retry(self, attempt: int, left_s: float) -> bool:
        return (
            self._fallback is None and attempt < self._backoff.attempts and left_s >= MIN_CALL_S and self._budget.take()
        )

    async def _guarded(self, call: ModelCall, ledger: Ledger, until_s: float) -> Completion:
        """One call of the own provider behind the breaker, which hears of every outcome."""
        await self._gate.permit()
        try:
            completion = await _complete(self._provider, call, ledger, until_s)
        except ProviderError as error:
            await self._gate.failed(error)
            raise
        await self._gate.succeeded()
        return completion

    async def _fall_back(
        self, fallback: Provider, call: ModelCall, request: AgentRequest, ledger: Ledger, cause: ProviderError
    ) -> Reply:
        began_s = ledger.elapsed_s()
        told = Fallback(self._spec.provider, fallback.name, self._spec.fallback_model or "", cause.code)
        self._log.info(
            f"agent={self._spec.name} falls back",
            debate_id=request.ask.debate_id,
            to=fallback.name,
            reason=cause.code,
            error=cause.message,
        )

        async def unguarded(call: ModelCall, ledger: Ledger, until_s: float) -> Completion:
            return await _complete(fallback, call, ledger, until_s)

        until_s = request.timeout_s * (1.0 - MARGIN_SHARE)
        try:
            content = await _repaired(unguarded, call, request, ledger, until_s)
        except ProviderError as error:
            told = replace(told, latency_s=ledger.elapsed_s() - began_s)
            both = type(cause)(f"{cause.message}; the fallback {fallback.name} failed too: {error.message}")
            return self._failure(request, ledger, both, told)
        told = replace(told, model=ledger.usage().model, latency_s=ledger.elapsed_s() - began_s)
        return AgentAnswer(request.ask.ask_id, self._spec.name, content, ledger.usage(), told)

    def _log_answer(self, request: AgentRequest, usage: Usage) -> None:
        self._log.debug(
            self._answered,
            debate_id=request.ask.debate_id,
            ask=request.ask.ask_id,
            latency_s=usage.latency_s,
            tokens=usage.input_tokens + usage.output_tokens,
        )

    def _failure(
        self, request: AgentRequest, ledger: Ledger, error: ProviderError, fallback: Fallback | None = None
    ) -> AgentFailure:
        name, usage = self._spec.name, ledger.usage()
        self._log.warning(
            f"agent={name} failed",
            debate_id=request.ask.debate_id,
            ask=request.ask.ask_id,
            code=error.code,
            error=error.message,
            latency_s=usage.latency_s,
            tokens=usage.input_tokens + usage.output_tokens,
        )
        return AgentFailure(request.ask.ask_id, name, error.code, error.message, ledger.paid(), fallback)


async def _repaired(
    complete: _Complete, call: ModelCall, request: AgentRequest, ledger: Ledger, until_s: float
) -> Content:
    """The parsed content, after at most one repair. Raises AnswerMalformed or what the provider raises."""
    _require_time(ledger, until_s)
    completion = await complete(call, ledger, until_s)
    try:
        return parse_answer(request, completion.text)
    except AnswerInvalid as invalid:
        mend = _mend(call, completion.text, str(invalid))
    _require_time(ledger, until_s)
    completion = await complete(mend, ledger, until_s)
    try:
        return parse_answer(request, completion.text)
    except AnswerInvalid as invalid:
        raise AnswerMalformed(f"the answer stayed malformed after a repair: {invalid}") from None


async def _complete(provider: Provider, call: ModelCall, ledger: Ledger, until_s: float) -> Completion:
    """One call of a provider, in the time that is left; what it cost goes into the ledger."""
    left_s = max(until_s - ledger.elapsed_s(), MIN_CALL_S)
    try:
        async with asyncio.timeout(left_s):
            completion = await provider.complete(replace(call, timeout_s=left_s))
    except TimeoutError:
        raise ProviderTimedOut(f"{provider.name} gave no answer within {left_s:.1f} s") from None
    except ProviderError as error:
        if error.usage is not None:
            ledger.add(error.usage)
        raise
    ledger.add(completion.usage)
    return completion


def _require_time(ledger: Ledger, until_s: float) -> None:
    """Raises ProviderTimedOut where too little time is left to make a call."""
    if until_s - ledger.elapsed_s() < MIN_CALL_S:
        raise ProviderTimedOut("no time is left for another call")


def _mend(call: ModelCall, text: str, problem: str) -> ModelCall:
    """The call that shows the model its malformed answer and asks for a better one."""
    turns = (
        *call.turns,
        Turn("assistant", text[:MAX_MENDED_CHARS].strip() or "(nothing)"),
        Turn("user", f"That is not the wanted form. {problem} Answer again, with the JSON object alone."),
    )
    return replace(call, turns=turns, idempotency_key=f"{call.idempotency_key}:mend")
