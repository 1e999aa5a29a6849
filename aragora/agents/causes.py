"""Why a call of a model failed: every cause has one code, one remedy, and one place that finds it out of what was told.

    code_of(status, words)   the code of an error that a provider told, by its HTTP status and by its own words
    remedy_of(code)          what a person can do about it; empty where there is nothing to do

Rules
- A status alone says little: providers tell an empty account with 400, 402, 403 or 429, an unknown model with 400 or
  404, and too long a prompt with 400, 413 or 500. So the words count first, where they are unmistakable.
- A 429 that asks for a wait, or names the rate, is a limit of the rate, whatever it says of plans and billing
  (Google's, OpenAI's and Groq's do).
- `LASTING` are the causes that no further call changes: a person has to act first.
"""

from __future__ import annotations

import re
from typing import Final

WRONG_KEY: Final = "wrong_key"
NOT_ALLOWED: Final = "not_allowed"
NO_CREDIT: Final = "no_credit"
UNKNOWN_MODEL: Final = "unknown_model"
WRONG_ADDRESS: Final = "wrong_address"
RATE_LIMITED: Final = "rate_limited"
OVERLOADED: Final = "overloaded"
OUT_OF_MEMORY: Final = "out_of_memory"
TIMEOUT: Final = "timeout"
UNREACHABLE: Final = "unreachable"
BROKEN_STREAM: Final = "broken_stream"
PROVIDER_FAULT: Final = "provider_fault"
CONTEXT_TOO_LONG: Final = "context_too_long"
REFUSED_BY_POLICY: Final = "refused_by_policy"
REJECTED: Final = "rejected"
CUT_BY_LENGTH: Final = "cut_by_length"
NO_ANSWER: Final = "no_answer"
BUDGET: Final = "budget"

LASTING: Final = frozenset({WRONG_KEY, NOT_ALLOWED, NO_CREDIT, UNKNOWN_MODEL, WRONG_ADDRESS})

_REMEDIES: Final = {
    WRONG_KEY: "Check the provider's key in the settings, and start the server again.",
    NOT_ALLOWED: "Ask the provider what this key, account or region may use, or choose another model.",
    NO_CREDIT: "Add credit or raise the limit at the provider.",
    UNKNOWN_MODEL: "Choose a model that the provider offers, or load it there.",
    WRONG_ADDRESS: "Check the provider's address in the settings: it must be that of its API (often it ends in /v1).",
    RATE_LIMITED: "Ask for a higher limit at the provider, or set OPENROUTER_API_KEY for a fallback.",
    OVERLOADED: "Try again later, or set OPENROUTER_API_KEY for a fallback.",
    OUT_OF_MEMORY: "Load a smaller model or context there, or free memory.",
    TIMEOUT: "Choose a faster model, or try again later.",
    UNREACHABLE: "Check that the provider's server runs, its address in the settings, and the network.",
    BROKEN_STREAM: "Try again; if it stays, look into the log of the provider or of the proxy before it.",
    PROVIDER_FAULT: "Try again later; if it stays, look into the provider's status page or log.",
    CONTEXT_TOO_LONG: "Give less context or fewer agents, or choose a model with a larger context.",
    REFUSED_BY_POLICY: "Word the question differently, or choose another model.",
    REJECTED: "Choose another model, or mend what the provider names.",
    CUT_BY_LENGTH: "Choose a model that reasons less or writes shorter.",
    BUDGET: "Give the debate a larger budget, or its agents cheaper models or a smaller max_tokens.",
    NO_ANSWER: "Choose another model; this one may reason without an end or insist on tools.",
}


def remedy_of(code: str) -> str:
    """What a person can do about a failure with this code, as one sentence; empty where there is nothing to do."""
    return _REMEDIES.get(code, "")


def code_of(status: int, words: str, *, waits: bool = False) -> str:
    """The cause of an error with this HTTP status and these words of the provider, codes and types among them.
    `waits`: it was told when to come again."""
    told = words[:_MAX_READ_CHARS]
    for code, statuses, pattern in _BY_WORDS:
        if status in statuses and pattern.search(told) and not (code == NO_CREDIT and _is_of_rate(status, told, waits)):
            return code
    if status == _NOT_FOUND and _NO_ROUTE.match(told):
        return WRONG_ADDRESS
    return _BY_STATUS.get(status) or (PROVIDER_FAULT if status >= _SERVER_ERRORS else REJECTED)


def _is_of_rate(status: int, told: str, waits: bool) -> bool:
    return status == _TOO_MANY and (waits or _RATE.search(told) is not None)


_MAX_READ_CHARS: Final = 2_000
_NOT_FOUND: Final = 404
_TOO_MANY: Final = 429
_SERVER_ERRORS: Final = 500
_BY_STATUS: Final = {
    401: WRONG_KEY,
    402: NO_CREDIT,
    403: NOT_ALLOWED,
    404: UNKNOWN_MODEL,
    407: WRONG_ADDRESS,
    408: TIMEOUT,
    413: CONTEXT_TOO_LONG,
    429: RATE_LIMITED,
    451: REFUSED_BY_POLICY,
    503: OVERLOADED,
    504: TIMEOUT,
    529: OVERLOADED,
}
_NO_ROUTE: Final = re.compile(
    r"(?i)\W*(?:$|(?:404\W+)?(?:(?:page|path|route|url|resource|file)\W+)?not found\W*(?:not_found_error\W*)?$"
    r"|cannot post )"
)
_RATE: Final = re.compile(
    r"(?i)\brate[ _-]?limit|\b(?:requests|tokens) per (?:second|min|hour|day)|\b(?:try again|retry) in \d"
)
_ANY_REFUSAL: Final = frozenset({400, 403, 404, 413, 422, 451})
_ANY_FAULT: Final = frozenset(range(500, 600))


def _words(*alternatives: str) -> re.Pattern[str]:
    return re.compile("(?i)" + "|".join(alternatives))


_BY_WORDS: Final = (
    (
        OUT_OF_MEMORY,
        _ANY_FAULT | {400},
        _words(
            r"more system memory",
            r"out of memory",
            r"(?:insufficient|not enough) (?:\w+ )?memory",
            r"insufficient system resources",
            r"cudamalloc",
        ),
    ),
    (
        CONTEXT_TOO_LONG,
        _ANY_REFUSAL | _ANY_FAULT,
        _words(
            r"context[ _-]?(?:length|window|size)",
            r"context shift is disabled",
            r"maximum (?:context|(?:prompt|input|model) length)",
            r"max_new_tokens\W{0,2} must be",
            r"too many (?:input |prompt )?tokens",
            r"(?:prompt|input|request)\b.{0,40}\b(?:too (?:long|large)|longer than|greater than max_|exceeds?\b.{0,60}(?:tokens?|context))",
            r"token count .{0,40}exceeds",
            r"request_too_large",
        ),
    ),
    (
        WRONG_KEY,
        frozenset({400, 403}),
        _words(
            r"api_key_invalid",
            r"(?:incorrect|invalid|wrong|expired|revoked|bad) (?:x-)?api[ _-]?key",
            r"api[ _-]?key (?:is |was )?(?:not valid|invalid|incorrect|expired|revoked|reported as leaked)",
            r"unregistered callers",
        ),
    ),
    (
        NO_CREDIT,
        frozenset({400, 403, 429}),
        _words(
            r"insufficient[ _](?:quota|funds|balance|credits?)",
            r"\bbilling",
            r"credit balance",
            r"\b(?:any|no|more|out of|enough|remaining) credits?\b(?! were charged)",
            r"can only afford",
            r"payment required",
            r"\b(?:usage|spend(?:ing)?|key) limits?\b",
            r"budget (?:has been |was )?exceeded|\bbudget_exceeded",
            r"\barrearage\b",
        ),
    ),
    (
        REFUSED_BY_POLICY,
        _ANY_REFUSAL,
        _words(
            r"content[ _-]?(?:filter|policy|management)",
            r"responsible ?ai",
            r"safety (?:system|policy|filter|settings)",
            r"\bmoderation",
            r"usage polic",
            r"violat\w+ .{0,40}(?:polic|guideline)",
            r"data_inspection_failed",
            r"prohibited[ _](?:content|use)",
        ),
    ),
    (
        UNKNOWN_MODEL,
        frozenset({400, 403, 404, 422}),
        _words(
            r"model_not_found",
            r"\bmodels?\b.{0,100}(?:does not exist|doesn't exist|not exist|not found|is not available|not loaded)",
            r"(?:unknown|invalid|no such|unsupported) model\b",
            r"not a valid model",
            r"invalid_model",
            r"\bno models? (?:is |are )?(?:currently )?loaded",
            r"does not support (?:chat|generate)\b",
        ),
    ),
    (
        NOT_ALLOWED,
        frozenset({400, 404}),
        _words(
            r"(?:location|country|region|territory) (?:is )?not supported",
            r"(?:organization|account|project|team) (?:has been|is|was) (?:disabled|deactivated|suspended)",
            r"\bdata policy|\bguardrail restrictions",
        ),
    ),
    (
        WRONG_ADDRESS,
        _ANY_REFUSAL | _ANY_FAULT | {405},
        _words(r"unexpected endpoint or method", r"\bmethod not allowed"),
    ),
    (OVERLOADED, frozenset({500, 502, 520}), _words(r"overloaded", r"\b(?:at|no|over) capacity", r"server is busy")),
)
