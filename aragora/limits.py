"""The limits of what people may send, each once: the schemas, the WebSocket messages and the debate machine read them.

Both ends of a range are allowed. What lies beyond is refused with 422 `invalid_input`; a body with 413 `too_large`, a
WebSocket message by closing with 1009, and one vote or suggestion too many for a debate with 409.
"""

from __future__ import annotations

from typing import Final

QUESTION_MAX_CHARS: Final = 20_000
CONTEXT_MAX_CHARS: Final = 100_000
SUGGESTION_MAX_CHARS: Final = 2_000
NAME_MAX_CHARS: Final = 64  # of an agent, a protocol, a domain of knowledge
DEBATE_ID_MAX_CHARS: Final = 128
IDEMPOTENCY_KEY_MAX_CHARS: Final = 255

AGENTS_MIN: Final = 2
AGENTS_MAX: Final = 20
ROUNDS_MIN: Final = 1
ROUNDS_MAX: Final = 20
BUDGET_MAX_USD: Final = 1_000_000  # the least is anything above 0
INTENSITY_MIN: Final = 1
INTENSITY_MAX: Final = 10  # a vote of a person at this intensity weighs as much as that of an average agent

SUGGESTIONS_MAX: Final = 100  # in one debate
VOTERS_MAX: Final = 10_000  # people who vote in one debate

INVITATIONS_MAX: Final = 100  # open ones of one organisation

BODY_MAX_BYTES: Final = 1_000_000  # unless ARAGORA_MAX_BODY_BYTES says otherwise
WS_MESSAGE_MAX_BYTES: Final = 65_536  # unless ARAGORA_WS_MAX_MESSAGE_SIZE says otherwise
