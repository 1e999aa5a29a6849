"""What of a brief the embedded model is not shown, for the readers of the record. Pure.

Its prompts (`embedded_prompts`) have the beginnings of the question, of the answers and of the context; the context
only where it writes an answer, and never what was objected or suggested.
"""

from __future__ import annotations

from typing import Final

from aragora.agents.providers.embedded_prompts import ANSWER_CHARS, CONTEXT_CHARS, QUESTION_CHARS
from aragora.debate.model import AgentRequest, AskKind
from aragora.texts import counted

_WRITING: Final = frozenset({AskKind.PROPOSE, AskKind.REVISE, AskKind.CHALLENGE, AskKind.SYNTHESIZE})


def unseen(request: AgentRequest) -> tuple[str, ...]:
    """One remark of what is not shown; none where all is."""
    brief, kind = request.brief, request.ask.kind
    answers = [brief.own, *(candidate.text for candidate in brief.candidates)]
    cut = sum(len(text) > ANSWER_CHARS for text in answers)
    beginnings = [
        "of the question" if len(brief.question) > QUESTION_CHARS else "",
        f"of {counted(cut, 'answer')}" if cut and kind is not AskKind.GROUP else "",
        "of the context" if kind in _WRITING and len(brief.context) > CONTEXT_CHARS else "",
    ]
    nothing = [
        "of the context" if brief.context and kind not in _WRITING else "",
        f"of {counted(len(brief.critiques), 'objection')}" if brief.critiques else "",
        f"of {counted(len(brief.suggestions), 'suggestion')}" if brief.suggestions else "",
    ]
    told = [
        f"only the beginning {_and(beginnings)}" if any(beginnings) else "",
        f"nothing {_and(nothing)}" if any(nothing) else "",
    ]
    return (f"the embedded model saw {_and(told)}",) if any(told) else ()


def _and(parts: list[str]) -> str:
    return " and ".join(part for part in parts if part)
