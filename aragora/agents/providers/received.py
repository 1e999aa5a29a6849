"""What one call of a provider has brought so far: its text, its counts as they were told, and how it ended.

Nothing that a provider tells is believed as it comes (`aragora.agents.border`). Where a count is missing or is no
number of tokens, it is estimated from the length of the texts, rather too high than too low, and the usage says so: a
budget that stops too early is a nuisance, one that is overrun is a bill.

How an answer ends (`completion`): whole, if it has a reason to end or the provider said that it is done; else it is a
failure with its own cause, which carries the text, since that may be a whole answer nevertheless.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final, TypeVar

from aragora import limits
from aragora.agents import border
from aragora.agents.model import (
    AnswerEndless,
    Completion,
    ContextTooLong,
    CutByLength,
    ModelCall,
    NoAnswer,
    ProviderOverloaded,
    RefusedByPolicy,
    StreamBroken,
)
from aragora.agents.pricing import Tokens, metered
from aragora.agents.providers.events import joined
from aragora.agents.providers.unread import unread
from aragora.debate.model import Usage

T = TypeVar("T")

_LIMITS: Final = frozenset({"length", "max_tokens", "max_output_tokens", "model_length", "MAX_TOKENS"})
_FILTERS: Final = frozenset(
    {"content_filter", "refusal", "sensitive", "SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII"}
)
_TOOLS: Final = frozenset({"MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS"})
_ENDS: Final = frozenset({"stop", "STOP", "end_turn", "eos", "other"})  # these say nothing about an answer without text
_REASON_CHARS: Final = 40
_FULL: Final = "model_context_window_exceeded"
_BUSY: Final = "insufficient_system_resource"
_CUT: Final = frozenset({"error", "abort", "aborted", "cancelled"})


class Received:
    """For one call of `model`, which may become known only when the call is made."""

    def __init__(self, provider: str, model: str, call: ModelCall) -> None:
        self.model = model
        self._finish = ""  # the provider's reason to end
        self._blocked = ""  # why a filter stopped the question
        self.done = False  # the provider said that nothing more comes
        self.refused: tuple[int, str] | None = None  # status and words of the error that it told last
        self._provider = provider
        self._call = call
        self._parts: list[str] = []
        self._chars = 0
        self._thought_bytes = 0
        self._refusal: list[str] = []
        self._in_tools: list[str] = []
        self._called_tools = False
        self._input: int | None = None
        self._output: int | None = None
        self._cached: int | None = None
        self._written: int | None = None
        self._billed_usd: float | None = None
        self._began = False
        self._sent = False
        self._remarks: list[str] = []

    def sending(self) -> None:
        """The call is sent now: from here on it may be billed."""
        self._sent = True

    def lives(self) -> None:
        """Something came from the provider, be it only a comment that keeps the connection alive."""
        self._call.listener.lives()

    @property
    def began(self) -> bool:
        """Whether the provider has sent any part of an answer."""
        return self._began

    def hear(self, piece: object) -> None:
        """The next piece of the text; what is no text is passed over. Raises AnswerEndless where all is too long."""
        if isinstance(piece, str) and piece:
            self._fits(piece)
            self._parts.append(piece)
            self._call.listener.hears(piece)

    def overhear(self, piece: object) -> None:
        """The next piece of its reasoning, which is no answer, but is billed."""
        if isinstance(piece, str) and piece:
            self._began = True
            self._thought_bytes += len(piece.encode(errors="replace"))

    def declined(self, piece: object) -> None:
        """The next piece of the words in which the model declines. Raises AnswerEndless where all is too long."""
        if isinstance(piece, str) and piece:
            self._fits(piece)
            self._refusal.append(piece)

    def called_tool(self, arguments: object) -> None:
        """The model calls a tool, which it was not given, with the next piece of its arguments: some put the answer
        there. Raises AnswerEndless where all is too long."""
        self._called_tools = True
        if isinstance(arguments, str) and arguments:
            self._fits(arguments)
            self._in_tools.append(arguments)

    def count(
        self,
        *,
        input_tokens: object = None,
        output_tokens: object = None,
        cached_tokens: object = None,
        written_tokens: object = None,
        billed_usd: object = None,
    ) -> None:
        """The counts as the provider tells them; each told one takes the place of the one before. Of the input,
        `cached_tokens` came from the provider's cache and `written_tokens` went into it."""
        self._began = True
        self._cached = _latest(border.tokens(cached_tokens), self._cached)
        self._written = _latest(border.tokens(written_tokens), self._written)
        self._input = _latest(border.tokens(input_tokens), self._input)
        self._output = _latest(border.tokens(output_tokens), self._output)
        self._billed_usd = _latest(border.billed_usd(billed_usd), self._billed_usd)

    def ends(self, reason: object) -> None:
        """The provider's reason to end, where it tells one; one that is no text is one of its own."""
        if reason:
            self._finish = reason if isinstance(reason, str) else "other"

    def blocked(self, reason: str) -> None:
        """A filter of the provider stopped the question, and no answer was begun."""
        self._began = True
        self._blocked = reason

    def remark(self, text: str) -> None:
        """What a reader of the record must know about how the answer came."""
        self._remarks.append(text)

    def text(self) -> str:
        """The text so far, without halves of characters."""
        return joined(self._parts)

    def usage(self) -> Usage | None:
        """What the call has cost so far; None where the provider has sent nothing yet."""
        return self._usage() if self._began else None

    def spent(self) -> Usage | None:
        """What a call that did not come to its end has cost, though nothing may have come back; None where it was not
        sent. A count that was told at its beginning may be smaller than what came since."""
        return self._usage(at_least=self._estimated_output()) if self._sent else None

    def completion(self) -> Completion:
        """The whole answer. Raises ProviderError where there is none."""
        text, finish, provider = self.text(), self._finish, self._provider
        if self._blocked or finish in _FILTERS:
            what = f"question ({self._blocked})" if self._blocked else f"answer ({finish})"
            raise RefusedByPolicy(f"{provider} declined to answer: a filter stopped the {what}", usage=self.usage())
        if finish in _LIMITS:
            raise CutByLength(self._limit(text), usage=self.usage(), heard=text)
        if finish == _FULL:
            told = f"the answer of {provider} did not fit into the context of the model"
            raise ContextTooLong(told, usage=self.usage(), heard=text)
        if finish == _BUSY:
            raise ProviderOverloaded(f"{provider} had no capacity to end its answer", usage=self.spent(), heard=text)
        if finish in _CUT or not (finish or self.done):
            raise self.cut()
        refusal = joined(self._refusal).strip()
        if refusal and not text.strip():
            return Completion("", self._usage(), refusal=refusal, remarks=tuple(self._remarks))
        if not text.strip() and self._in_tools:
            text = joined(self._in_tools)
            self.remark(f"{provider} put its answer into the call of a tool")
        if not text.strip():
            raise NoAnswer(self._nothing(), usage=self.usage())
        usage = self._usage()
        if cut := self._unread():
            self.remark(cut)
        return Completion(text, usage, remarks=tuple(self._remarks))

    def cut(self) -> StreamBroken:
        """The failure of a stream that ended before its answer did."""
        if not self._began:
            return StreamBroken(f"the stream of {self._provider} ended before the answer began", usage=self.spent())
        told = f"the stream of {self._provider} ended before the answer did"
        return StreamBroken(told, usage=self.spent(), heard=self.text())

    def _fits(self, piece: str) -> None:
        self._began = True
        self._chars += len(piece)
        if self._chars > limits.COMPLETION_MAX_CHARS:
            raise AnswerEndless(
                f"the answer of {self._provider} is longer than {limits.COMPLETION_MAX_CHARS} characters",
                usage=self.spent(),
            )

    def _limit(self, text: str) -> str:
        most = self._call.max_tokens
        told = f"{self._provider} ended its answer at the limit of {most} tokens"
        if text.strip() or not (self._thought_bytes or self._output):
            return told
        return f"{told}: all {self._output or most} tokens went into reasoning"

    def _nothing(self) -> str:
        if self._called_tools or self._finish in _TOOLS:
            return f"{self._provider} gave no answer, but called a tool that it was not given"
        if self._thought_bytes:
            return f"{self._provider} gave no answer, only reasoning"
        why = f" (it ended with {self._finish[:_REASON_CHARS]})" if self._finish and self._finish not in _ENDS else ""
        return f"{self._provider} gave no answer: its text is empty{why}"

    def _usage(self, at_least: int = 0) -> Usage:
        answered = self._estimated_output()
        tokens = Tokens(
            self._estimated_input() if self._input is None else self._input,
            answered if self._output is None else max(self._output, at_least),
            0 if self._input is None else self._cached or 0,
            self._written or 0,
        )
        usage = metered(self._provider, self.model, tokens, self._billed_usd)
        guessed = self._input is None or self._output is None or self._output < at_least
        return replace(usage, estimated=True) if guessed else usage

    def _unread(self) -> str:
        """The remark on a prompt that was read in part. Some leave out of their count what came from their cache."""
        if self._input is None:
            return ""
        counted = self._input + (self._cached or 0) + (self._written or 0)
        return unread(self._provider, self._call, counted)

    def _estimated_input(self) -> int:
        asked = (self._call.system, *(turn.text for turn in self._call.turns))
        return _estimated(sum(len(text.encode(errors="replace")) for text in asked))

    def _estimated_output(self) -> int:
        pieces = (*self._parts, *self._refusal, *self._in_tools)
        return _estimated(sum(len(piece.encode(errors="replace")) for piece in pieces) + self._thought_bytes)


def _latest(told: T | None, before: T | None) -> T | None:
    return before if told is None else told


def _estimated(size_bytes: int) -> int:
    """Tokens of texts of this size, rounded up."""
    return min(-(-size_bytes // limits.BYTES_PER_TOKEN), limits.CALL_MAX_TOKENS)
