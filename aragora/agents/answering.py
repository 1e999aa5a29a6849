"""How an agent answers one ask: prompt, breaker, provider, repair, retry, fallback; always a reply, always in time.

Rules:
    - Nothing is raised, except cancellation: a failure is an `AgentFailure`, which also says what was paid.
    - The whole answer takes at most `request.timeout_s`. With a fallback, the agent's own provider gets the first
      `OWN_SHARE` of that time, so that time is left for the fallback.
    - After a transient error the fallback is asked, if there is one; otherwise the call is retried, as long as the
      time, the number of attempts and the retry budget allow. Where a Retry-After does not fit into the time, there
      is no retry.
    - An answer that is not what was asked for is asked for once more, at most once for each provider: a malformed one
      is shown to the model with what is wrong, one that was cut at its limit gets more room. It says nothing about the
      provider's health, so it neither trips the breaker nor leads to the fallback. What was paid for is not paid for
      again: a retry repeats the last call, not those before it.
    - What came before a stream broke off counts, with a remark, where it reads as the whole object that was asked for.
    - A model that declines in its own words abstains.
    - A model is shown what its context has room for, and the reply says what it did not see. A prompt that was too long
      is made once more with less: that is the one repair.
    - No call but the first is made that could pass `request.reserved_usd`. Then the ask fails as `budget` where that
      call was to mend an answer, and with the provider's own cause where the provider had failed.
    - What a call has cost that was withdrawn or out of time is counted too, as far as the provider will bill it.
    - What a provider sent is brought into bounds (`aragora.agents.border`) before the reply leaves: whoever gets it can
      encode, store and add up every field.
    - A failure of our own (an `AragoraError`) is never told as one of the provider.
"""

from __future__ import annotations

import asyncio
import logging
import random
import secrets
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Final

import structlog

from aragora.agents import border
from aragora.agents.answer_format import Understood
from aragora.agents.attempts import MARGIN_SHARE, MIN_CALL_S, Attempt, asked, complete, no_retry, unexpected
from aragora.agents.calls import Calls
from aragora.agents.frames import KEY_BYTES, mark_of
from aragora.agents.gate import Gate
from aragora.agents.model import (
    NOBODY,
    AgentSpec,
    AnswerUnusable,
    ContextTooLong,
    Listener,
    Provider,
    ProviderError,
    ProviderTimedOut,
)
from aragora.agents.pricing import Ledger, is_listed, prices_as_of
from aragora.clock import Clock
from aragora.debate.model import (
    AgentAnswer,
    AgentFailure,
    AgentRequest,
    Fallback,
    Reply,
)
from aragora.errors import AragoraError
from aragora.observability.line_budget import LineBudgets
from aragora.resilience.backoff import Backoff, RetryBudget

OWN_SHARE: Final = 0.6  # of the time, for the agent's own provider where there is a fallback


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
        mark = partial(mark_of, secrets.token_bytes(KEY_BYTES))
        self._calls = Calls.own(spec, provider, mark)
        self._fallback_calls = None if fallback is None else Calls.fallback(spec, fallback, mark)
        self._log = structlog.get_logger("aragora.agents").bind(agent=spec.name)
        self._lines = LineBudgets()
        self._told_of_estimates = False
        self._told_of_prices = False

    async def answer(self, request: AgentRequest, listener: Listener = NOBODY) -> Reply:
        """The reply to `request` within its time; `listener` follows the calls that are made for it. Never raises,
        except CancelledError when cancelled."""
        ledger = Ledger(self._spec, self._clock)
        try:
            return border.fit(await self._reply(request, ledger, listener))
        except asyncio.CancelledError:
            self._log_withdrawn(request, ledger)
            raise

    async def _reply(self, request: AgentRequest, ledger: Ledger, listener: Listener) -> Reply:
        """The reply as it came."""
        try:
            async with asyncio.timeout(request.timeout_s):
                answer = await self._answer(request, ledger, listener)
        except TimeoutError:
            return self._failure(request, ledger, ProviderTimedOut(f"no answer within {request.timeout_s:g} s"))
        except (ProviderError, AragoraError) as error:
            return self._failure(request, ledger, error)
        except Exception as error:  # noqa: BLE001  no defect may break the debate
            return self._failure(request, ledger, unexpected(error, self._spec.provider))
        if isinstance(answer, AgentAnswer):
            self._log_answer(request, answer)
        return answer

    async def aclose(self) -> None:
        """Release the connections of the providers."""
        await self._provider.aclose()
        if self._fallback is not None:
            await self._fallback.aclose()

    async def _answer(self, request: AgentRequest, ledger: Ledger, listener: Listener) -> Reply:
        usable_s = request.timeout_s * (1.0 - MARGIN_SHARE)
        own_s = usable_s if self._fallback is None else usable_s * OWN_SHARE
        made = self._calls.of(request, listener, own_s)
        try:
            read = await self._ask_own(Attempt(request, made.call, ledger, own_s, self._calls, made.remarks))
        except ProviderError as error:
            calls, fallback = self._fallback_calls, self._fallback
            if fallback is None or calls is None or not error.falls_back:
                raise
            try:
                made = calls.of(request, listener, usable_s)
            except ContextTooLong:  # that is not why the agent failed
                raise error from None
            whole = Attempt(request, made.call, ledger, usable_s, calls, made.remarks)
            if whole.left_s() < MIN_CALL_S:
                raise
            return await self._ask_fallback(fallback, whole.affordable(error), error)
        return self._given(request, ledger, read)

    async def _ask_own(self, attempt: Attempt) -> Understood:
        """The answer from the agent's own provider. Raises ProviderError."""
        self._budget.called()
        return await asked(self._guarded, attempt, self._pause_s)

    def _pause_s(self, number: int, error: ProviderError, attempt: Attempt) -> float | None:
        """How long to wait before the call after the failed one of this number; None where there is to be none."""
        if not error.transient:
            return None
        delay_s = self._backoff.delay_s(number, self._draw(), error.retry_after_s)
        if not self._may_retry(number, attempt.left_s() - delay_s):
            return None
        self._tell("tries again", attempt.request, code=error.code, error=error.message, retry_in_s=round(delay_s, 3))
        return delay_s

    def _may_retry(self, number: int, left_s: float) -> bool:
        return (
            self._fallback is None and number < self._backoff.attempts and left_s >= MIN_CALL_S and self._budget.take()
        )

    async def _guarded(self, attempt: Attempt) -> Understood:
        """One call of the agent's own provider behind the breaker, which learns every outcome."""
        await self._gate.permit()
        try:
            read = await complete(self._provider, attempt)
        except AnswerUnusable:  # the provider answered
            await self._gate.succeeded()
            raise
        except ProviderError as error:
            await self._gate.failed(error)
            raise
        await self._gate.succeeded()
        return read

    async def _ask_fallback(self, fallback: Provider, attempt: Attempt, cause: ProviderError) -> Reply:
        request, ledger = attempt.request, attempt.ledger
        began_s = ledger.elapsed_s()
        record = Fallback(self._spec.provider, fallback.name, self._spec.fallback_model or "", cause.code)
        self._tell("falls back", request, to=fallback.name, reason=cause.code, error=cause.message)
        try:
            read = await asked(partial(complete, fallback), attempt, no_retry)
        except ProviderError as error:
            record = replace(record, latency_s=ledger.elapsed_s() - began_s)
            both = type(cause)(f"{cause.told}; the fallback {fallback.name} failed too: {error.told}")
            return self._failure(request, ledger, both, record)
        record = replace(record, model=ledger.usage().model, latency_s=ledger.elapsed_s() - began_s)
        return self._given(request, ledger, read, record)

    def _given(
        self, request: AgentRequest, ledger: Ledger, read: Understood, fallback: Fallback | None = None
    ) -> AgentAnswer:
        remarks = (*request.brief.left_out, *read.remarks)
        return AgentAnswer(request.ask.ask_id, self._spec.name, read.content, ledger.usage(), fallback, remarks)

    def _tell(self, what: str, request: AgentRequest, level: int = logging.INFO, **fields: object) -> None:
        """A line of what the agent does with an ask; in a flood of the same, of some of them."""
        more = self._line(what)
        if more is not None:
            event = f"agent={self._spec.name} {what}"
            self._log.log(level, event, debate_id=request.ask.debate_id, **fields, **more)

    def _line(self, what: str) -> dict[str, int] | None:
        """See `LineBudgets.take`."""
        return self._lines.take(what, self._clock.monotonic())

    def _log_withdrawn(self, request: AgentRequest, ledger: Ledger) -> None:
        usage = ledger.usage()
        self._tell(
            "withdrawn",
            request,
            ask=request.ask.kind,
            latency_s=round(usage.latency_s, 3),
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            estimated=usage.estimated,
            cost_usd=usage.cost_usd,
            model=usage.model,
        )

    def _log_answer(self, request: AgentRequest, answer: AgentAnswer) -> None:
        usage = answer.usage
        if usage.estimated and not self._told_of_estimates:
            self._told_of_estimates = True
            self._log.warning(
                f"agent={self._spec.name} has no believable token counts: tokens and cost are estimated",
                provider=usage.provider,
                model=usage.model,
            )
        if not self._told_of_prices and self._spec.price is None and not is_listed(usage):
            self._told_of_prices = True
            self._log.warning(
                f"agent={self._spec.name} has a model without a price of its own: where its provider does not say what "
                "it billed, it costs as the provider's most expensive one",
                provider=usage.provider,
                model=usage.model,
                prices_as_of=prices_as_of(),
            )
        more = self._line("answered")
        if more is None:
            return
        self._log.info(
            f"agent={self._spec.name} answered",
            debate_id=request.ask.debate_id,
            ask=request.ask.kind,
            latency_s=round(usage.latency_s, 3),
            tokens=usage.input_tokens + usage.output_tokens,
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            estimated=usage.estimated,
            cost_usd=usage.cost_usd,
            model=usage.model,
            fallback=answer.fallback is not None,
            **more,
        )

    def _failure(
        self,
        request: AgentRequest,
        ledger: Ledger,
        error: ProviderError | AragoraError,
        fallback: Fallback | None = None,
    ) -> AgentFailure:
        name, usage = self._spec.name, ledger.usage()
        self._tell(
            "failed",
            request,
            logging.WARNING,
            ask=request.ask.kind,
            code=error.code,
            error=error.message,
            latency_s=round(usage.latency_s, 3),
            tokens=usage.input_tokens + usage.output_tokens,
        )
        return AgentFailure(request.ask.ask_id, name, error.code, error.message, ledger.paid(), fallback)
