"""The embedded model as a provider: no key, no network; one generation at a time on the whole machine.

An answer is written in a separate thread. The agents of one machine are processes that share a few cores, and two
models that run at once take several times as long each: so the processes take turns, by a lock file.

A tiny model needs other ways of working than a large one:
- It writes a new answer and a critique as the examples show.
- For a revision it writes another answer, judges both, and keeps the better one: a model of this size cannot weigh
  an objection in words, but it can judge which of two answers is better more often than not.
- For a ballot it judges every answer by itself: asked for a label, it names its favourite letter.
- Of given options it takes the likeliest continuation of the question, and then argues for it. A revision goes over to
  an option that others hold where the judgement of the answers and the likelihood of the options together say so.
- To group answers it reads each by itself, in a word: asked whether two answers agree, it says so by chance.
"""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from math import exp, log
from pathlib import Path
from typing import Final, assert_never
from zlib import crc32

from aragora.agents.living import living
from aragora.agents.model import AgentSpec, CallRefused, Completion, ModelCall, ProviderFault
from aragora.agents.pricing import Tokens, metered
from aragora.agents.providers import embedded_prompts as prompts
from aragora.agents.providers import embedded_stances as stances
from aragora.agents.providers.embedded_model import (
    EmbeddedModel,
    EmbeddedModelError,
    Generated,
    Weighed,
    locked,
    weights,
)
from aragora.agents.providers.embedded_unseen import unseen
from aragora.agents.reading.options import option_of
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
            async with living(call.listener):  # it writes, or waits for the one that writes on this node
                made = await loop.run_in_executor(self._thread, self._answer, request, call)
        except (EmbeddedModelError, OSError, ValueError) as error:
            raise ProviderFault(f"the embedded model failed: {error}") from error
        usage = metered(self.name, self._model_name, Tokens(made.input_tokens, made.output_tokens))
        return Completion(made.text, usage, remarks=unseen(request))

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
            case AskKind.GROUP:
                text = self._grouping()
            case _:
                assert_never(kind)
        return Generated(text, self._input, self._output)

    def _proposal(self) -> str:
        return self._argued(self._best_option())

    def _argued(self, option: str) -> str:
        """A new answer, for `option` where there is one."""
        if not option:
            prompt = prompts.answer_prompt(self._request, self._persona)
            return self._write(prompt, prompts.grammar(AskKind.PROPOSE, self._brief.question), prompts.ANSWER_SLOT)
        prompt, beginning = prompts.argued_prompt(self._request, self._persona, option)
        rest = self._write(prompt, prompts.argument_grammar(self._brief.question), prompts.ANSWER_SLOT)
        return prompts.with_option(beginning + rest, option)

    def _revision(self) -> str:
        own, options = self._brief.own, self._brief.options
        held = self._option_in(own)
        if not own or (options and not held):
            return self._proposal()
        rival = self._rival(held)
        fresh = self._argued(rival)
        lead = log(self._likely[rival] / self._likely[held]) if rival else 0.0
        return fresh if self._merit(_answer_in(fresh)) + lead > self._merit(own) else self._kept(own, held)

    def _synthesis(self) -> str:
        texts = {candidate.label: candidate.text for candidate in self._brief.candidates}
        if not texts:
            return self._proposal()
        text = texts.get(self._brief.leading) or max(texts.values(), key=self._merit)
        option = self._option_in(text) or self._best_option()
        return self._kept(prompts.without_option(text, option), option)

    def _kept(self, answer: str, option: str) -> str:
        """`answer` unchanged, with evidence for it."""
        prompt, beginning = prompts.kept_prompt(self._request, self._persona, answer)
        rest = self._write(prompt, prompts.rest_grammar(self._brief.question), prompts.ANSWER_SLOT)
        return prompts.with_option(beginning + rest, option)

    @cached_property
    def _likely(self) -> dict[str, float]:
        """How likely each of the brief's options is as the answer."""
        prompt = prompts.option_prompt(self._brief, self._persona)
        likely: dict[str, float] = {}
        for option in self._brief.options:
            text = prompts.quoted_option(option)
            likely[option] = self._counted(self._model.weigh_text(prompt, text, prompts.VOTE_SLOT))[text]
        return likely

    def _best_option(self) -> str:
        """The likeliest option; empty where the question gives none."""
        return max(self._likely, key=lambda option: self._likely[option], default="")

    def _rival(self, held: str) -> str:
        """The likeliest of the options that others hold against `held`; the likeliest of all where there is none."""
        others = {self._option_in(candidate.text) for candidate in self._brief.candidates} - {"", held}
        return max(sorted(others), key=lambda option: self._likely[option], default="") or self._best_option()

    def _option_in(self, answer: str) -> str:
        """The option that `answer` begins with; empty where that is not certain."""
        return option_of(answer[: prompts.ANSWER_CHARS], self._brief.options) or ""

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
        likely = self._counted(self._model.weigh(prompt, ("Yes", "No"), prompts.VOTE_SLOT))
        return log(likely["Yes"] / likely["No"])

    def _grouping(self) -> str:
        question = self._brief.question
        texts = {candidate.label: candidate.text for candidate in self._brief.candidates}
        kind = stances.kind_of(question, tuple(texts.values()))
        sides = {label: stances.side_in_words(kind, question, text) for label, text in texts.items()}
        without = self._in_short(kind, stances.NO_CONCLUSION) if not all(sides.values()) else {}
        read = {
            label: stances.Stance(side)
            if side
            else stances.stance(kind, texts[label], self._in_short(kind, texts[label]), without)
            for label, side in sides.items()
        }
        groups = stances.groups_of(read)
        return json.dumps({"groups": groups, "reason": stances.reason_for(groups, read)}, ensure_ascii=False)

    def _in_short(self, kind: stances.Kind, answer: str) -> dict[str, float]:
        """The words in which the model would sum up `answer`, by likelihood."""
        prompt = stances.stance_prompt(kind, self._brief.question, answer)
        return self._counted(self._model.next_words(prompt, prompts.VOTE_SLOT))

    def _counted(self, weighed: Weighed) -> dict[str, float]:
        self._input += weighed.input_tokens
        self._output += weighed.output_tokens
        return weighed.shares

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
