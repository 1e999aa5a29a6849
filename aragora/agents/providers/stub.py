"""A provider without a model, for load tests and fault tests: about 400 characters of valid JSON after a delay.

The answer is a pure function of the ask, so only the log shows whether an ask came twice: every ask that is
served appends its id as a line, in one write, so that several processes may write to the same file.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
from hashlib import blake2b
from pathlib import Path
from typing import Final

from aragora.agents.model import Completion, ModelCall, ProviderRejected
from aragora.debate.model import AgentRequest, AskKind, Usage

_SYLLABLES: Final = ("ba", "do", "fe", "gi", "ho", "ka", "lu", "me", "ni", "po", "ra", "se", "ti", "vu", "wa", "zo")
_WORDS: Final = tuple(f"{first}{second}n" for first in _SYLLABLES for second in _SYLLABLES)
_OUTPUT_TOKENS: Final = 100
_NUMBER_OF_AGENT: Final = re.compile(r"\d+$")


class StubProvider:
    """Answers after `latency_s`; logs ask ids to `log` if given."""

    renders_itself = True

    def __init__(self, model: str, latency_s: float = 0.0, log: Path | None = None) -> None:
        self.name = "stub"
        self._latency_s = latency_s
        self._usage = Usage("stub", model, 0, _OUTPUT_TOKENS)
        self._log = log
        self._log_fd: int | None = None

    async def complete(self, call: ModelCall) -> Completion:
        """Raises ProviderRejected where the call carries no request to answer."""
        if call.request is None:
            raise ProviderRejected("the stub answers debate requests only")
        if self._log is not None:
            self._append(call.request.ask.ask_id)
        if self._latency_s > 0:
            await asyncio.sleep(self._latency_s)
        return Completion(_answer(call.request), self._usage)

    async def aclose(self) -> None:
        if self._log_fd is not None:
            os.close(self._log_fd)
            self._log_fd = None

    def _append(self, ask_id: str) -> None:
        if self._log_fd is None:
            assert self._log is not None
            self._log_fd = os.open(self._log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        os.write(self._log_fd, f"{ask_id}\n".encode())


def _answer(request: AgentRequest) -> str:
    """JSON by the answer schema of the ask. Proposals differ in their words, so that debates do not converge."""
    digest = blake2b(request.ask.ask_id.encode()).digest()
    kind = request.ask.kind
    share = 0.5 + digest[0] / 512
    if kind in (AskKind.VOTE, AskKind.JUDGE, AskKind.RANK):
        return _ballot(request, digest, share)
    words = [_WORDS[byte] for byte in digest]
    if kind is AskKind.CRITIQUE:
        first, second = " ".join(words[:30]), " ".join(words[30:60])
        return f'{{"issues":["{first}."],"suggestions":["{second}."],"severity":{share - 0.25}}}'
    if kind is AskKind.GROUP:
        alone = json.dumps([[candidate.label] for candidate in request.brief.candidates])
        return f'{{"groups":{alone},"reason":"{" ".join(words)}."}}'
    conclusion, reasons, evidence = " ".join(words[:14]), " ".join(words[14:54]), " ".join(words[54:])
    option = _option(request)
    return f'{{{option}"answer":"{conclusion}. {reasons}.","evidence":["{evidence}."],"confidence":{share}}}'


def _option(request: AgentRequest) -> str:
    """The field of the option that the agent's number stands for, so that `stub-1` and `stub-2` always differ; empty
    where there are no options."""
    options = request.brief.options
    if not options:
        return ""
    number = _NUMBER_OF_AGENT.search(request.ask.agent)
    return f'"option":{json.dumps(options[(int(number[0]) - 1 if number else 0) % len(options)])},'


def _ballot(request: AgentRequest, digest: bytes, share: float) -> str:
    """All stubs prefer the same answer, the first by its text and not by its label, so that a vote decides."""
    order = [candidate.label for candidate in sorted(request.brief.candidates, key=lambda candidate: candidate.text)]
    reason = " ".join([_WORDS[byte] for byte in digest[:50]])
    if request.ask.kind is AskKind.RANK:
        ranking = '","'.join(order)
        return f'{{"reason":"{reason}.","ranking":["{ranking}"],"confidence":{share}}}'
    return f'{{"reason":"{reason}.","choice":"{order[0] if order else ""}","confidence":{share}}}'
