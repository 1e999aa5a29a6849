"""What an agent lets others know of an ask while it works on it: that it lives, and what it has written so far.

Rules
- Signs are no events: nothing is journaled, and each may be lost. An answer never is, and never waits for them.
- Whoever works for long gives a sign of life every `ALIVE_EVERY_S`, whether anybody follows or not. An ask that is
  answered sooner costs nothing.
- Only where somebody follows the debate (`show`) is the text read and sent: at most `DELTA_MAX_CHARS` every
  `DELTA_EVERY_S`, `SHOWN_MAX_CHARS` in all. Whoever begins to follow gets it from its beginning.
- Each sign says where its text belongs (`offset`, in characters). A call after a failed one (repair, retry, fallback)
  begins at 0 again, as the next `attempt`.
- Thoughts of a model are a sign of life, and never sent as text.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from aragora import encoding
from aragora.agents.growing_text import GrowingText
from aragora.debate.model import Ask
from aragora.limits import ANSWER_MAX_CHARS

ALIVE_EVERY_S: Final = 2.0
DELTA_EVERY_S: Final = 0.1
DELTA_MAX_CHARS: Final = 2_000
SHOWN_MAX_CHARS: Final = ANSWER_MAX_CHARS
TOKEN: Final = "token"  # noqa: S105  a type, no secret
"""The type of the message in which clients get a sign."""


@dataclass(frozen=True, slots=True)
class Sign:
    """The agent works on this ask, for the `attempt`-th time (1, 2, ...). It has written `text` at `offset`."""

    ask_id: str
    text: str
    offset: int
    attempt: int


class Later(Protocol):
    """Calls a function after some seconds, as `loop.call_later` does."""

    def __call__(self, delay_s: float, deed: Callable[[], None], /) -> object: ...


class Signs:
    """Those of one ask: a `Listener` of its calls. `send` takes a sign on its way and never waits."""

    __slots__ = (
        "_ask_id",
        "_attempt",
        "_due",
        "_later",
        "_monotonic",
        "_over",
        "_pieces",
        "_reader",
        "_send",
        "_sent",
        "_sent_at",
        "_shown",
        "_text",
    )

    def __init__(self, ask_id: str, monotonic: Callable[[], float], later: Later, send: Callable[[Sign], None]) -> None:
        self._ask_id = ask_id
        self._monotonic = monotonic
        self._later = later
        self._send = send
        self._sent_at = monotonic()
        self._attempt = 0
        self._shown = False
        self._over = False
        self._due = False  # a sign with text will be sent
        self._begin()

    def show(self) -> None:
        """Somebody follows: send the text, from its beginning."""
        self._shown = True
        self._sent = 0
        self._flush_soon()

    def over(self) -> None:
        """The ask is answered: nothing more is sent."""
        self._over = True
        self._begin()

    def begins(self) -> None:
        self._attempt += 1
        if self._attempt > 1:
            self._begin()
            self._tell("")

    def hears(self, piece: str) -> None:
        if len(self._text) < SHOWN_MAX_CHARS:
            self._pieces.append(piece)
        if self._shown:
            self._flush_soon()
        else:
            self.lives()

    def lives(self) -> None:
        if self._monotonic() - self._sent_at >= ALIVE_EVERY_S and not self._over:
            self._tell("")

    def _begin(self) -> None:
        self._pieces: list[str] = []  # not read yet
        self._reader: GrowingText | None = None
        self._text = ""
        self._sent = 0  # characters of the text

    def _flush_soon(self) -> None:
        if not self._due and not self._over:
            self._due = True
            self._later(DELTA_EVERY_S, self._flush)

    def _flush(self) -> None:
        self._due = False
        if self._over:
            return
        if self._pieces:
            pieces, self._pieces = "".join(self._pieces), []
            self._reader = self._reader or GrowingText()
            self._text = (self._text + self._reader.feed(pieces))[:SHOWN_MAX_CHARS]
        if self._sent < len(self._text):
            self._tell(self._text[self._sent : self._sent + DELTA_MAX_CHARS])
            if self._sent < len(self._text):
                self._flush_soon()
        else:
            self.lives()

    def _tell(self, text: str) -> None:
        offset, self._sent = self._sent, self._sent + len(text)
        self._sent_at = self._monotonic()
        self._send(Sign(self._ask_id, text, offset, max(1, self._attempt)))


def message_of(ask: Ask, sign: Sign, at: float) -> str:
    """The message of a sign for clients, in the envelope of all events; seq 0, since it is none of the journal's."""
    data = {
        "ask_id": sign.ask_id,
        "agent": ask.agent,
        "kind": ask.kind,
        "text": sign.text,
        "offset": sign.offset,
        "attempt": sign.attempt,
    }
    head = {"type": TOKEN, "data": data, "timestamp": at, "seq": 0, "loop_id": ask.debate_id}
    return encoding.encode_text(head | {"round": ask.round, "agent": ask.agent})
