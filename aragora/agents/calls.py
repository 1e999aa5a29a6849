"""From an ask to the call of a model: the prompt, what of the material it has room for, and what may be spent on it.

Rules
- A prompt has what the model takes, less what its answer may have (at most half of it), at a token for every three
  bytes. Where the material is more, `aragora.agents.fitting` chooses, and remarks say what was left out. Where even
  the question is more, no call is made.
- What a model takes follows from its agent's declaration or the table; else it is not known, and all is sent. A server
  that refuses a prompt as too long teaches it: by the number it tells, or by what was too much. That is kept for the
  next asks, and the refused one is made once more with less.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, Self

from aragora.agents.answer_format import answer_schema
from aragora.agents.contexts import context_tokens_of, context_tokens_told
from aragora.agents.fitting import fit
from aragora.agents.model import AgentSpec, ContextTooLong, Listener, ModelCall, Provider
from aragora.agents.pricing import Price, estimated_tokens, fallback_price, own_price
from aragora.agents.prompts import render
from aragora.config.providers import FALLBACK
from aragora.debate.model import AgentRequest, Brief

MOST_TOKENS: Final = 16_384  # of an answer that is asked for once more with more room
_LEAST_TOKENS: Final = 16  # of an answer
_TEMPLATE_TOKENS: Final = 64  # what a server puts around the messages
_FREE: Final = Price(0.0, 0.0, listed=True)
_LESS: Final = 3, 4  # of a prompt that was refused: its server may count more tokens than we do
_HALF: Final = 1, 2  # of one that was refused without a number


@dataclass(frozen=True, slots=True)
class Made:
    """A call, and what of the material is not in it."""

    call: ModelCall
    remarks: tuple[str, ...] = ()


class Calls:
    """The calls of one agent to one model. `mark` gives the mark of the frames of a debate."""

    def __init__(
        self,
        spec: AgentSpec,
        provider: Provider,
        price: Callable[[], Price],
        context_tokens: int | None,
        mark: Callable[[str], str],
    ) -> None:
        self._spec = spec
        self._provider = provider
        self._price = price
        self._context_tokens = context_tokens
        self._most_prompt_tokens: int | None = None  # learned of refusals that tell no number, or a wrong one
        self._mark = mark

    @classmethod
    def own(cls, spec: AgentSpec, provider: Provider, mark: Callable[[str], str]) -> Self:
        """Those to the agent's own provider. Of a server of its own, only the declaration says what its model takes."""
        known = spec.context_tokens
        if known is None and spec.address is None:
            known = context_tokens_of(spec.provider, spec.model)
        return cls(spec, provider, lambda: own_price(spec), known, mark)

    @classmethod
    def fallback(cls, spec: AgentSpec, provider: Provider, mark: Callable[[str], str]) -> Self:
        """Those to the agent's fallback."""
        known = context_tokens_of(FALLBACK, spec.fallback_model or "")
        return cls(spec, provider, lambda: fallback_price(spec) or _FREE, known, mark)

    def of(self, request: AgentRequest, listener: Listener, timeout_s: float) -> Made:
        """The first call for `request`, which may take `timeout_s` seconds. Raises ContextTooLong where not even its
        question fits."""
        schema_name, schema = answer_schema(request)
        spec = self._spec
        call = ModelCall(
            system=spec.persona,
            turns=(),
            schema=schema,
            schema_name=schema_name,
            max_tokens=spec.max_tokens,
            temperature=spec.temperature,
            timeout_s=timeout_s,
            idempotency_key=request.ask.ask_id,
            request=request,
            listener=listener,
        )
        return Made(call) if self._provider.renders_itself else self._fitted(call, request)

    def smaller(self, refused: ModelCall, error: ContextTooLong) -> Made | None:
        """The call with less material than the one that was `refused`, and less for the next ones; None where there
        can be no less: then nothing is learned, since the next ask may be another."""
        request = refused.request
        if request is None or self._provider.renders_itself:
            return None
        before = self._context_tokens, self._most_prompt_tokens
        made = self._less(refused, request, error)
        if made is None:
            self._context_tokens, self._most_prompt_tokens = before
        return made

    def with_more_room(self, call: ModelCall) -> ModelCall:
        """`call` with twice the tokens for its answer, as far as its model has them."""
        most = min(2 * call.max_tokens, MOST_TOKENS, self.spare_tokens(call, of=MOST_TOKENS))
        return replace(call, max_tokens=max(call.max_tokens, most))

    def spare_tokens(self, call: ModelCall, of: int) -> int:
        """How many tokens, at most `of`, the model has left beside the prompt of `call`; all where it is not known."""
        if self._context_tokens is None:
            return of
        return min(of, max(0, self._context_tokens - tokens_of(call)))

    def affordable(self, call: ModelCall, usd: float) -> ModelCall | None:
        """`call`, its answer no longer than `usd` pay for; None where that would be less than half of it."""
        price = self._price()
        prompt = tokens_of(call)
        if price.most_usd(prompt, call.max_tokens) <= usd:
            return call
        least = max(_LEAST_TOKENS, call.max_tokens // 2)
        if price.most_usd(prompt, least) > usd:
            return None
        left = usd - price.most_usd(prompt, 0)
        most = int(left / price.most_usd(0, 1)) - 1  # one less, for what floats lose
        return replace(call, max_tokens=max(least, most))

    def _less(self, refused: ModelCall, request: AgentRequest, error: ContextTooLong) -> Made | None:
        sent = tokens_of(refused)
        told = error.context_tokens or context_tokens_told(error.told)
        if told is not None:
            self._context_tokens = min(told, self._context_tokens or told)
        room = self._room()
        only_its_answer = room is not None and sent <= room and self._answer_tokens() < refused.max_tokens
        if not only_its_answer:
            share, of = _HALF if told is None else _LESS
            self._most_prompt_tokens = min(sent * share // of, self._most_prompt_tokens or sent)
        again = replace(refused, idempotency_key=f"{refused.idempotency_key}:fit")
        try:
            made = self._fitted(again, request)
        except ContextTooLong:
            return None
        less = tokens_of(made.call) < sent or made.call.max_tokens < refused.max_tokens
        return made if less else None

    def _fitted(self, call: ModelCall, request: AgentRequest) -> Made:
        def rendered(brief: Brief) -> ModelCall:
            system, turns = render(replace(request, brief=brief), self._mark(request.ask.debate_id))
            persona = self._spec.persona
            return replace(call, system=f"{persona}\n\n{system}" if persona else system, turns=turns)

        call = replace(call, max_tokens=self._answer_tokens())
        whole, room = rendered(request.brief), self._room()
        if room is None or tokens_of(whole) <= room:
            return Made(whole)
        fitted = fit(request.brief, room, lambda brief: tokens_of(rendered(brief)))
        if fitted is None:
            raise ContextTooLong(
                f"the question, its options and the conclusions to weigh are too long for {self._spec.name}: its prompt "
                f"may have about {max(room, 0):,} tokens"
            )
        return Made(rendered(fitted.brief), fitted.remarks)

    def _answer_tokens(self) -> int:
        most = self._spec.max_tokens
        return most if self._context_tokens is None else max(_LEAST_TOKENS, min(most, self._context_tokens // 2))

    def _room(self) -> int | None:
        """How many tokens a prompt may have; None where that is not known."""
        rooms = [self._most_prompt_tokens] if self._most_prompt_tokens is not None else []
        if self._context_tokens is not None:
            rooms.append(self._context_tokens - self._answer_tokens())
        return min(rooms) if rooms else None


def tokens_of(call: ModelCall) -> int:
    """About how many tokens the prompt of `call` has, its schema included: rather too many than too few."""
    texts = (call.system, *(turn.text for turn in call.turns), json.dumps(call.schema) if call.turns else "")
    return estimated_tokens(*texts) + (_TEMPLATE_TOKENS if call.turns else 0)
