"""The embedded model as a provider: no key, no network; one generation at a time on the whole machine.

An answer is written in a separate thread. The agents of one machine are processes that share a few cores, and two
models that run at once take several times as long each: so the processes take turns, by a lock file.

A tiny model needs other ways of working than a large one:
- It writes a new answer and a critique as the examples show.
- For a revision it writes another answer, judges both, and keeps the better one: a model of this size cannot weigh
  an objection in words, but it can judge which of two answers is better more often than not.
- For a ballot it judges every answer by itself: asked for a label, it names its favourite letter.
"""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from math import exp, log
from pathlib import Path
from typing import Final, assert_never
from zlib import crc32

from aragora.agents.model import AgentSpec, CallRefused, Completion, ModelCall, ProviderFault
from aragora.agents.pricing import metered
from aragora.agents.providers import embedded_prompts as prompts
from aragora.agents.providers.embedded_model import EmbeddedModel, EmbeddedModelError, Generated, locked, weights
from aragora.debate.model import AgentRequest, AskKind

_SHARPNESS: Final = 4.0  # scales differences of the verdicts to a confidence
_REASON_TOKENS: Final = 48
_ATTEMPTS: Final = 3  # to get a text that is not a repetition
_WILDER: Final = 0.25  # added to the temperature with every further attempt


class EmbeddedProvider:
    """Loads the model at the first ask. The weights go into `directory` where the user has no writable cache."""

    renders_itself = True

    def __init__(self, spec: AgentSpec, directory: Path) -> None:
        self.name = "embedded"
        self._model_name = spec.model
        self._persona = (spec.options or {}).get("persona", "analyst")
        self._directory = directory
        self._model: EmbeddedModel | None = None
        self._lock_file: Path | None = None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="embedded-model")

    async def complete(self, call: ModelCall) -> Completion:
        request = call.request
        if request is None:
            raise CallRefused("the embedded model answers debate requests only")
        loop = asyncio.get_running_loop()
        try:
            made = await loop.run_in_executor(self._thread, self._answer, request, call)
        except (EmbeddedModelError, OSError, ValueError) as error:
            raise ProviderFault(f"the embedded model failed: {error}") from error
        usage = metered(self.name, self._model_name, made.input_tokens, made.output_tokens)
        return Completion(made.text, usage)

    async def aclose(self) -> None:
        """Release the model; an answer that is being written is finished first, in its thread."""
        self._thread.submit(self._forget)
        self._thread.shutdown(wait=False)

    def _forget(self) -> None:
        self._model = None

    def _answer(self, request: AgentRequest, call: ModelCall) -> Generated:
        if self._model is None or self._lock_file is None:
            path = weights(self._directory)
            self._lock_file = path.with_name("generation.lock")
            self._model = EmbeddedModel(path)
        with locked(self._lock_file):
            return _Draft(self._model, self._persona, request, call).answer()


class _Draft:
    """One answer while it is written; counts the tokens of everything that the model is asked."""

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
        """JSON by the answer schema of the ask, and the tokens it took."""
        kind = self._request.ask.kind
        match kind:
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
            case _:
                assert_never(kind)
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
        """`answer` unchanged, with evidence for it."""
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
        ballot = {"reason": reason.strip(), "choice": best, "ranking": order}
        return json.dumps(ballot | {"confidence": round(1.0 / spread, 2) if spread else 0.0}, ensure_ascii=False)

    def _merit(self, answer: str) -> float:
        """How much better `answer` fits the question than it fits no question at all (a difference of log odds)."""
        to_question, to_nothing = prompts.verdict_prompts(self._brief, answer, self._persona)
        return self._log_odds(to_question) - self._log_odds(to_nothing)

    def _log_odds(self, prompt: str) -> float:
        likely, tokens = self._model.weigh(prompt, ("Yes", "No"), prompts.VOTE_SLOT)
        self._input += tokens
        return log(likely["Yes"] / likely["No"])

    def _write(self, prompt: str, grammar: str, slot: int, max_tokens: int | None = None) -> str:
        """What the model writes; where it only repeats the prompt, it tries again at a higher temperature."""
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
    """The text of the answer; the whole proposal where it was cut off."""
    try:
        return str(json.loads(proposal)["answer"])
    except ValueError:
        return proposal
