"""What one call of a provider has brought so far: its text, its counts as they were told, and what both amount to.

Nothing that a provider tells is believed as it comes (`aragora.agents.border`). Where a count is missing or is no
number of tokens, it is estimated from the length of the texts, rather too high than too low, and the completion says
so: a budget that stops too early is a nuisance, one that is overrun is a bill.
"""

from __future__ import annotations

from typing import Final, TypeVar

from aragora import limits
from aragora.agents import border
from aragora.agents.model import AnswerMalformed, Completion, ModelCall
from aragora.agents.pricing import metered
from aragora.debate.model import Usage

T = TypeVar("T")

_BYTES_PER_TOKEN: Final = 3  # of UTF-8: English has more, other writings about as many


class Received:
    """For one call of `model`, which may become known only when the call is made."""

    def __init__(self, provider: str, model: str, call: ModelCall) -> None:
        self.model = model
        self._provider = provider
        self._call = call
        self._parts: list[str] = []
        self._chars = 0
        self._input: int | None = None
        self._output: int | None = None
        self._billed_usd: float | None = None
        self._began = False

    def hear(self, piece: object) -> None:
        """The next piece of the text; what is no text is passed over. Raises AnswerMalformed where all is too long."""
        if not isinstance(piece, str) or not piece:
            return
        self._began = True
        self._chars += len(piece)
        if self._chars > limits.COMPLETION_MAX_CHARS:
            raise AnswerMalformed(
                f"the answer of {self._provider} is longer than {limits.COMPLETION_MAX_CHARS} characters",
                usage=self.usage(),
            )
        self._parts.append(piece)

    def count(self, *, input_tokens: object = None, output_tokens: object = None, billed_usd: object = None) -> None:
        """The counts as the provider tells them; each told one takes the place of the one before."""
        self._began = True
        self._input = _latest(border.tokens(input_tokens), self._input)
        self._output = _latest(border.tokens(output_tokens), self._output)
        self._billed_usd = _latest(border.billed_usd(billed_usd), self._billed_usd)

    def usage(self) -> Usage | None:
        """What the call has cost so far; None where the provider has sent nothing yet."""
        return self._usage() if self._began else None

    def spent(self) -> Usage:
        """What a call that was sent has cost, though nothing may have come back."""
        return self._usage()

    def completion(self) -> Completion:
        """The whole answer."""
        estimated = self._input is None or self._output is None
        return Completion("".join(self._parts), self._usage(), estimated)

    def _usage(self) -> Usage:
        call = self._call
        asked = (call.system, *(turn.text for turn in call.turns))
        sent = _estimated(asked) if self._input is None else self._input
        answered = _estimated(self._parts) if self._output is None else self._output
        return metered(self._provider, self.model, sent, answered, self._billed_usd)


def _latest(told: T | None, before: T | None) -> T | None:
    return before if told is None else told


def _estimated(texts: tuple[str, ...] | list[str]) -> int:
    """Tokens of `texts`, rounded up."""
    size = sum(len(text.encode(errors="replace")) for text in texts)
    return min(-(-size // _BYTES_PER_TOKEN), limits.CALL_MAX_TOKENS)
