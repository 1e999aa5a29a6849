"""How the embedded model answers one ask, in ways a tiny model can manage. Everything here blocks.

- A new answer and a critique are written as the examples show.
- A revision writes another answer, judges both, and keeps the better one: a model of this size cannot weigh an
  objection in words, but it tells a better answer from a worse one more often than not.
- A ballot judges every answer by itself: asked for a label outright, the model answers with its favourite letter.
"""

from __future__ import annotations

import json
from math import exp, log
from typing import Final
from zlib import crc32

from aragora.agents.model import ModelCall
from aragora.agents.providers import embedded_prompts as prompts
from aragora.agents.providers.embedded_model import EmbeddedModel, Generated
from aragora.debate.model import AgentRequest, AskKind

_SHARPNESS: Final = 4.0  # turns differences of the verdicts into a confidence
_REASON_TOKENS: Final = 48
_ATTEMPTS: Final = 3  # at a text that is not a repetition
_WILDER: Final = 0.25  # added to the temperature with every further attempt


class Turn:
    """One answer in the making; counts the tokens of everything it asks of the model."""

    def __init__(self, model: EmbeddedModel, persona: str, request: AgentRequest, call: ModelCall) -> None:
        self._model = model
        self._persona = persona
        self._request = request
        self._brief = request.brief
        self._call = call
        self._seed = crc32(call.idempotency_key.encode())
        self._input = 0
        self._output = 0

    def answer(self) -> Generated:
        """JSON by the answer schema of the ask, and the tokens of the whole turn."""
        match self._request.ask.kind:
            case AskKind.PROPOSE:
                text = self._proposal()
            case AskKind.REVISE | AskKind.CHALLENGE:
                text = self._revision()
            case AskKind.SYNTHESIZE:
                text = self._synthesis()
            case AskKind.CRITIQUE:
                text = self._critique()
            case AskKind.VOTE | AskKind.JUDGE | AskKind.RANK:
                text = self._ballot()
        return Generated(text, self._input, self._output)

    def _proposal(self) -> str:
        prompt = prompts.answer_prompt(self._request, self._persona)
        return self._write(prompt, prompts.grammar(AskKind.PROPOSE, self._brief.question), prompts.ANSWER_SLOT)

    def _revision(self) -> str:
        fresh, own = self._proposal(), self._brief.own
        if not own or self._merit(_answer_in(fresh)) > self._merit(own):
            return fresh
        return self._kept(own)

    def _synthesis(self) -> str:
        texts = [candidate.text for candidate in self._brief.candidates]
        return self._kept(max(texts, key=self._merit)) if texts else self._proposal()

    def _kept(self, answer: str) -> str:
        """`answer` as it stands, with evidence for it."""
        prompt, beginning = prompts.kept_prompt(self._request, self._persona, answer)
        return beginning + self._write(prompt, prompts.rest_grammar(self._brief.question), prompts.ANSWER_SLOT)

    def _critique(self) -> str:
        prompt = prompts.critique_prompt(self._request)
        return self._write(prompt, prompts.grammar(AskKind.CRITIQUE, self._brief.question), prompts.CRITIQUE_SLOT)

    def _ballot(self) -> str:
        texts = {candidate.label: candidate.text for candidate in self._brief.candidates}
        merits = {label: self._merit(text) for label, text in texts.items()}
        order = sorted(merits, key=lambda label: -merits[label])
        best = order[0] if order else ""
        prompt = prompts.reason_prompt(self._brief, texts.get(best, ""))
        reason = self._write(
            prompt, prompts.reason_grammar(self._brief.question), prompts.CRITIQUE_SLOT, _REASON_TOKENS
        )
        spread = sum(exp(_SHARPNESS * (merit - merits[best])) for merit in merits.values())
        told = {"reason": reason.strip(), "choice": best, "ranking": order}
        return json.dumps(told | {"confidence": round(1.0 / spread, 2) if spread else 0.0}, ensure_ascii=False)

    def _merit(self, answer: str) -> float:
        """How much better `answer` fits the question than it fits no question at all (a difference of log odds)."""
        to_question, to_nothing = prompts.verdict_prompts(self._brief, answer, self._persona)
        return self._log_odds(to_question) - self._log_odds(to_nothing)

    def _log_odds(self, prompt: str) -> float:
        likely, tokens = self._model.weigh(prompt, ("Yes", "No"), prompts.VOTE_SLOT)
        self._input += tokens
        return log(likely["Yes"] / likely["No"])

    def _write(self, prompt: str, grammar: str, slot: int, max_tokens: int | None = None) -> str:
        """What the model writes; again, and less tamely, where it only repeats what the prompt says."""
        for attempt in range(_ATTEMPTS):
            made = self._model.write(
                prompt,
                grammar,
                slot,
                temperature=self._call.temperature + _WILDER * attempt,
                max_tokens=max_tokens or self._call.max_tokens,
                seed=self._seed + attempt,
            )
            self._input += made.input_tokens
            self._output += made.output_tokens
            if not prompts.repeats(prompt, made.text):
                break
        return made.text


def _answer_in(proposal: str) -> str:
    """The text of the answer; the proposal as it is where it was cut off."""
    try:
        return str(json.loads(proposal)["answer"])
    except ValueError:
        return proposal
