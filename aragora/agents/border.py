"""The border to the providers: numbers and texts as they come, made such that all of Aragora can work with them.

Rules
- A count is a whole number from 0 to its bound in `aragora.limits`; a fraction is rounded. Anything else (text, a list,
  NaN, a negative or an absurd number) is not counted: None. It is not clamped, since the bound is no better guess.
- A text has neither halves of characters (lone surrogates), which have no UTF-8, nor control characters besides line
  breaks and tabs: PostgreSQL refuses NUL, and a terminal obeys escapes. It is cut at its bound.
- Nothing here raises: a bad number never loses the answer it came with. `fit` does this for every field of a reply.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

from aragora import limits
from aragora.debate.model import (
    Abstention,
    AgentAnswer,
    AgentFailure,
    Ballot,
    Content,
    Critique,
    Fallback,
    Grouping,
    Proposal,
    Reply,
    Usage,
)
from aragora.texts import CONTROLS, HALVES

HALF: Final = "\N{REPLACEMENT CHARACTER}"
_CUT: Final = "…"
_UNCLEAN: Final = re.compile(f"[{CONTROLS}\r{HALVES}]")
_HALVES: Final = re.compile(f"[{HALVES}]")
_CONTROLS: Final = re.compile(f"[{CONTROLS}]")
_UNSURE: Final = 0.5  # a confidence or severity that is none


def tokens(value: object, most: int = limits.CALL_MAX_TOKENS) -> int | None:
    """The number of tokens, of one call unless `most` says otherwise; None where `value` is no believable one."""
    counted = _number(value, most)
    return None if counted is None else round(counted)


def billed_usd(value: object, most: float = limits.CALL_MAX_USD) -> float | None:
    """What was billed in USD, for one call unless `most` says otherwise; None where `value` is no believable amount."""
    billed = _number(value, most)
    return None if billed is None else float(billed)


def wait_s(value: object) -> float | None:
    """Seconds that a provider asks to wait, at most `limits.RETRY_AFTER_MAX_S`; None where `value` is no time."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0:  # NaN is not
        return None
    return float(min(value, limits.RETRY_AFTER_MAX_S))


def text(value: str, most: int) -> str:
    """`value` without what cannot be stored or shown, at most `most` characters long."""
    if len(value) > most:
        value = value[: most - 1] + _CUT
    if value.isprintable() or _UNCLEAN.search(value) is None:
        return value
    whole = value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")  # halves that meet are one
    return _CONTROLS.sub("", _HALVES.sub(HALF, whole).replace("\r\n", "\n").replace("\r", "\n"))


def fit(reply: Reply) -> Reply:
    """`reply` with every number and text within its bounds; the ids that Aragora gave itself are left alone."""
    if (
        isinstance(reply, AgentAnswer)
        and reply.fallback is None
        and not reply.remarks
        and _is_fit(reply.content)
        and _counts_fit(reply.usage)
    ):
        return reply  # as nearly all are: to make it anew costs four times as much as to look
    fallback = None if reply.fallback is None else _fallback(reply.fallback)
    if isinstance(reply, AgentFailure):
        return replace(
            reply,
            code=_name(reply.code),
            message=text(reply.message, limits.FAILURE_MAX_CHARS),
            usage=None if reply.usage is None else _usage(reply.usage),
            fallback=fallback,
        )
    return replace(
        reply,
        content=_content(reply.content),
        usage=_usage(reply.usage),
        fallback=fallback,
        remarks=_notes(reply.remarks),
    )


def _is_fit(content: Content) -> bool:
    """Whether `_content` would change nothing."""
    match content:
        case Proposal():
            texts = (content.text, content.option)
            return 0.0 <= content.confidence <= 1.0 and _texts_fit(texts, limits.ANSWER_MAX_CHARS, content.evidence)
        case Critique():
            notes = content.issues + content.suggestions
            few = len(content.issues) <= limits.NOTES_MAX and len(content.suggestions) <= limits.NOTES_MAX
            return few and 0.0 <= content.severity <= 1.0 and _texts_fit((), 0, notes, 2 * limits.NOTES_MAX)
        case Ballot():
            names = (content.choice, *content.ranking)
            return 0.0 <= content.confidence <= 1.0 and _texts_fit(
                names, limits.MODEL_NAME_MAX_CHARS, (content.reason,)
            )
        case Grouping():
            names = tuple(name for group in content.groups for name in group)
            return _texts_fit(names, limits.MODEL_NAME_MAX_CHARS, (content.reason,))
        case Abstention():
            return _texts_fit((), 0, (content.reason,))


def _texts_fit(texts: tuple[str, ...], most: int, notes: tuple[str, ...], notes_most: int = limits.NOTES_MAX) -> bool:
    if len(notes) > notes_most or _UNCLEAN.search("\n".join(texts + notes)):
        return False
    return all(len(one) <= most for one in texts) and all(len(note) <= limits.NOTE_MAX_CHARS for note in notes)


def _counts_fit(usage: Usage) -> bool:
    """Whether `_usage` would change nothing."""
    return (
        type(usage.input_tokens) is type(usage.output_tokens) is int
        and type(usage.cost_usd) is float
        and 0 <= usage.input_tokens <= limits.REPLY_MAX_TOKENS
        and 0 <= usage.output_tokens <= limits.REPLY_MAX_TOKENS
        and 0.0 <= usage.cost_usd <= limits.REPLY_MAX_USD
        and 0.0 <= usage.latency_s <= limits.LATENCY_MAX_S
        and _texts_fit((usage.provider, usage.model), limits.MODEL_NAME_MAX_CHARS, ())
    )


def _content(content: Content) -> Content:
    match content:
        case Proposal():
            answer = text(content.text, limits.ANSWER_MAX_CHARS)
            option = text(content.option, limits.ANSWER_MAX_CHARS)
            return Proposal(answer, _share(content.confidence), _notes(content.evidence), option)
        case Critique():
            return Critique(_notes(content.issues), _notes(content.suggestions), _share(content.severity))
        case Ballot():
            reason, ranking = text(content.reason, limits.NOTE_MAX_CHARS), tuple(_name(one) for one in content.ranking)
            return Ballot(_name(content.choice), _share(content.confidence), reason, ranking)
        case Grouping():
            groups = tuple(tuple(_name(name) for name in group) for group in content.groups)
            return Grouping(groups, text(content.reason, limits.NOTE_MAX_CHARS))
        case Abstention():
            return Abstention(text(content.reason, limits.NOTE_MAX_CHARS))


def _usage(usage: Usage) -> Usage:
    latency_s = usage.latency_s if 0.0 <= usage.latency_s <= limits.LATENCY_MAX_S else 0.0
    return Usage(
        _name(usage.provider),
        _name(usage.model),
        tokens(usage.input_tokens, limits.REPLY_MAX_TOKENS) or 0,
        tokens(usage.output_tokens, limits.REPLY_MAX_TOKENS) or 0,
        billed_usd(usage.cost_usd, limits.REPLY_MAX_USD) or 0.0,
        latency_s,
        usage.estimated,
    )


def _fallback(fallback: Fallback) -> Fallback:
    return Fallback(
        _name(fallback.from_provider),
        _name(fallback.to_provider),
        _name(fallback.model),
        _name(fallback.reason),
        fallback.latency_s if 0.0 <= fallback.latency_s <= limits.LATENCY_MAX_S else 0.0,
    )


def _notes(notes: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(text(note, limits.NOTE_MAX_CHARS) for note in notes[: limits.NOTES_MAX])


def _name(name: str) -> str:
    return text(name, limits.MODEL_NAME_MAX_CHARS)


def _share(value: float) -> float:
    return value if 0.0 <= value <= 1.0 else _UNSURE


def _number(value: object, most: float) -> float | None:
    """`value` where it is a number from 0 to `most`; a comparison with NaN is never true."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if 0 <= value <= most else None
