"""Whether a text is what a model copied from the schema or from the prompt, in the place of what it was to write there.

"<your answer>", "[Your answer here]", "string", "The answer. Its first sentence is the conclusion, the reasons follow."
Only a text that is nothing else is taken for one: "[The answer is 42]" and "string, since it holds letters" are
answers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from aragora.agents.reading.marks import EMPHASIS, QUOTES
from aragora.agents.reading.schemas import DESCRIPTIONS

_CHARS_MAX: Final = 120
_ENDS: Final = QUOTES + EMPHASIS + ".!…: \n"
_TYPES: Final = ("string", "string[]", "list of strings")
_IN_THE_PROMPT: Final = (
    "text whose first sentence is the conclusion and which then gives the reasons",
    "list of the facts or sources that decide",
    "list of what is wrong or missing",
    "list of how to mend it",
)
_COPIED: Final = frozenset(text.casefold().strip(_ENDS) for text in (*_TYPES, *DESCRIPTIONS, *_IN_THE_PROMPT))
_NOUNS: Final = (
    *("answer", "response", "reply", "text", "conclusion", "reason", "reasons", "reasoning", "explanation", "evidence"),
    *("fact", "facts", "source", "sources", "issue", "issues", "suggestion", "suggestions"),
    *("antwort", "begründung", "réponse", "respuesta", "risposta", "resposta"),
    *("antwoord", "odpowiedź", "svar", "ответ"),
)
_OWN: Final = (
    *("your", "dein", "deine", "ihr", "ihre", "votre", "ta", "tu", "su", "la tua", "la sua", "a sua", "sua"),
    *("jouw", "uw", "twoja", "ditt", "ваш", "твой"),
)
_HERE: Final = ("here", "goes here", "hier", "ici", "aquí", "qui", "aqui", "tutaj", "här", "здесь")
_KINDS: Final = ("full", "final", "detailed", "own", "complete", "short", "actual")
_DEEDS: Final = ("insert", "put", "write", "enter", "type", "give", "provide", "add")
_WITHOUT_SPACE: Final = r"(?:请?在?(?:此|这里)(?:输入|填写))?(?:你|您)的(?:答案|回答)|あなたの(?:答え|回答)"
_WITHOUT_SPACE_BEGIN: Final = frozenset("请在你您あ")


def _any(words: Iterable[str]) -> str:
    return f"(?:{'|'.join(words)})"


_ASKED_FOR: Final = re.compile(
    rf"(?:{_any(_DEEDS)} )?{_any(_OWN)} (?:{_any(_KINDS)} )*{_any(_NOUNS)}(?: text)?(?: {_any(_HERE)})?"
    rf"|(?:{_any(_DEEDS)} )?(?:the )?{_any(_NOUNS)} {_any(_HERE)}"
    rf"|{_WITHOUT_SPACE}"
)
_IN_BRACKETS: Final = re.compile(
    rf"(?:{_any(_DEEDS)} )?(?:the |an? )?(?:{_any(_KINDS)} )*{_any((*_NOUNS, 'string'))}(?: text)?(?: \d)?"
)
_BRACKETS: Final = {"<": ">", "[": "]", "{": "}", "(": ")"}
_HEAD_CHARS: Final = 4
_HEADS: Final = frozenset(
    text[:_HEAD_CHARS]
    for text in (
        *_COPIED,
        *(f"{word} " for word in (*_DEEDS, "the", *_NOUNS)),
        *(f"{own} {more}" for own in _OWN for more in (*_NOUNS, *_KINDS)),
    )
)
"""How placeholders without brackets begin: nearly all other texts are told apart by it."""


def is_placeholder(text: str) -> bool:
    """Whether `text` is a placeholder, or marks, and nothing else."""
    if len(text) > _CHARS_MAX:
        return False
    first = text[:1]
    if first.isalnum() and text[:_HEAD_CHARS].casefold() not in _HEADS and first not in _WITHOUT_SPACE_BEGIN:
        return False  # nearly all texts
    plain = text.strip(_ENDS)
    inside = plain
    while inside and _BRACKETS.get(inside[0]) == inside[-1]:
        inside = inside[1:-1].strip(_ENDS)
    said = " ".join(inside.replace("_", " ").casefold().split())
    if not said or said in _COPIED or _ASKED_FOR.fullmatch(said):
        return True
    return len(inside) < len(plain) and _IN_BRACKETS.fullmatch(said) is not None
