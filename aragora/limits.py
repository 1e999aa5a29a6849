"""The limits of what comes from outside, each once: from people, read by the schemas, the WebSocket messages and the
debate machine; and from providers of language models, read by `aragora.agents.border`.

Both ends of a range are allowed. What people send beyond is refused with 422 `invalid_input`; a body with 413
`too_large`, a WebSocket message by closing with 1009, one vote or suggestion too many for a debate with 409. A body
that takes too long is refused with 408, what comes too fast or is too many at once with 429: over a WebSocket with an
error `rate_limited`, then by closing with 1008. What a provider says beyond is cut (a text) or not believed (a number).
"""

from __future__ import annotations

from typing import Final

BYTES_PER_TOKEN: Final = 3
"""Of UTF-8: English has more, other writings about as many. So an estimate has rather too many tokens."""

QUESTION_MAX_CHARS: Final = 20_000
CONTEXT_MAX_CHARS: Final = 100_000
SUGGESTION_MAX_CHARS: Final = 2_000
NAME_MAX_CHARS: Final = 128  # of an agent (PROVIDER:MODEL@PERSONA too), a protocol, a domain of knowledge
DEBATE_ID_MAX_CHARS: Final = 128
IDEMPOTENCY_KEY_MAX_CHARS: Final = 255

AGENTS_MIN: Final = 2
AGENTS_MAX: Final = 20
ROUNDS_MIN: Final = 1
ROUNDS_MAX: Final = 20
OPTIONS_MIN: Final = 2  # of a question that gives any
OPTIONS_MAX: Final = 20
OPTION_MAX_CHARS: Final = 200
BUDGET_MAX_USD: Final = 1_000_000  # the least is anything above 0
INTENSITY_MIN: Final = 1
INTENSITY_MAX: Final = 10  # a vote of a person at this intensity weighs as much as that of an average agent

SUGGESTIONS_MAX: Final = 100  # in one debate
SUGGESTIONS_PER_PERSON_MAX: Final = 20  # in one debate; one that was made before is not counted again
VOTERS_MAX: Final = 10_000  # people who vote in one debate
NEEDS_MAX: Final = 10  # people or roles that must sign one decision
SIGNATURES_MAX: Final = 100  # at the gate of one debate, changes of mind included
CORRECTIONS_MAX: Final = 20  # of the positions of one debate
OUTCOME_VERSIONS_MAX: Final = 100  # of what came of one debate
VOTES_PER_PERSON_MAX: Final = 20  # in one debate; a vote that changes nothing is not counted

INVITATIONS_MAX: Final = 100  # open ones of one organisation
WORKSPACES_MAX: Final = 1_000  # made in one organisation

# What people add to the Knowledge Mound
KNOWLEDGE_MAX_CHARS: Final = 8_000  # of one item
KNOWLEDGE_TOPICS_MAX: Final = 20  # of one item
KNOWLEDGE_TOPIC_MAX_CHARS: Final = 64
KNOWLEDGE_SUBJECT_MAX_CHARS: Final = 200  # of what an item is about, of what it says of that, and of the value it gives
KNOWLEDGE_ADDRESS_MAX_CHARS: Final = 500  # of a document; an index of PostgreSQL takes no longer ones
KNOWLEDGE_PASSAGE_MAX_CHARS: Final = 2_000
KNOWLEDGE_ITEMS_MAX: Final = 500  # of one request
INSIGHT_TARGETS_MAX: Final = 100  # workspaces that one insight is shared with
INSIGHTS_MAX: Final = 10_000  # shared by one workspace; forgotten ones do not count
MOMENT_MAX_S: Final = 1e11  # some 3,000 years from 1970, each way; a time in milliseconds is over it

BODY_MAX_BYTES: Final = 1_000_000  # unless ARAGORA_MAX_BODY_BYTES says otherwise
WS_MESSAGE_MAX_BYTES: Final = 65_536  # unless ARAGORA_WS_MAX_MESSAGE_SIZE says otherwise

# What a provider may say. The largest contexts and the dearest calls there are stay far below.
CALL_MAX_TOKENS: Final = 20_000_000  # each way
CALL_MAX_USD: Final = 10_000.0
CALLS_MAX: Final = 16  # for one reply: repairs, retries and the fallback stay below
REPLY_MAX_TOKENS: Final = CALL_MAX_TOKENS * CALLS_MAX  # a whole debate stays far below 2**53
REPLY_MAX_USD: Final = CALL_MAX_USD * CALLS_MAX
LATENCY_MAX_S: Final = 86_400.0
RETRY_AFTER_MAX_S: Final = 86_400.0
COMPLETION_MAX_CHARS: Final = 200_000  # as a model writes it, before its answer is read
ANSWER_MAX_CHARS: Final = 20_000
NOTE_MAX_CHARS: Final = 1_000  # a reason, or one piece of evidence, objection or suggestion
NOTES_MAX: Final = 10
FAILURE_MAX_CHARS: Final = 1_000
MODEL_NAME_MAX_CHARS: Final = 200

# How fast, and how many at once
BODY_DEADLINE_S: Final = 60.0  # for a whole body to arrive

CONNECTIONS_PER_USER: Final = 100  # of all transports, on one replica; ARAGORA_MAX_CONNECTIONS_PER_USER
CONNECTIONS_PER_ADDRESS: Final = 500  # ARAGORA_MAX_CONNECTIONS_PER_ADDRESS

COMMANDS_PER_S: Final = 20.0  # over one WebSocket, as many as the 1200 requests a minute of one caller
COMMANDS_AT_ONCE: Final = 200  # before that pace counts, and as many may wait to be done
COMMANDS_REFUSED_MAX: Final = 100  # and one more a second; then the WebSocket is closed

# What agents.toml may declare
AGENTS_FILE_MAX_BYTES: Final = 262_144
DECLARED_AGENTS_MAX: Final = 200
TEAMS_MAX: Final = 100
SYSTEM_MAX_CHARS: Final = 4_000  # of the text with which an agent is declared
ANSWER_MAX_TOKENS: Final = 1_000_000  # that an agent may be allowed for one answer; thoughts count
PRICE_MAX_USD: Final = 100_000  # for a million tokens

SPOT_AGENTS_MAX: Final = 200  # models named on the spot within an hour, at one ingress replica
