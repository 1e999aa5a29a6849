r"""The label that a model means, in the clothes it comes in: "**Answer A**", "Response A", "A (PostgreSQL)", "`a`".

Rules
- Decoration is taken off first, boxes too (`\boxed{B}`, `<answer>B</answer>`). Then words of voting ("I vote for", "My
  vote:", "The final answer is") and one leading word for "answer" may stand, the label, and what follows a colon, a
  parenthesis, a dash, a full stop, an exclamation mark, a comma or "because".
- Never a guess between two: where a second label follows at once ("A or B", "A/B", "A: B"), none is meant.
- "A" before another word is an English article, no label.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final

from aragora.agents.reading.boxes import unboxed
from aragora.agents.reading.marks import DASHES, EMPHASIS, QUOTES

_CHARS_MAX: Final = 2_000
_NAMING_KEYS: Final = ("label", "choice", "answer", "option", "candidate", "id")

_DECORATION: Final = re.compile(rf"[<>\[\]{{}}\\#$|{QUOTES}{EMPHASIS}]")
_WORDS: Final = (
    *("answer", "response", "option", "proposal", "candidate", "position", "choice", "label"),
    *("antwort", "vorschlag", "kandidat"),  # German
    *("réponse", "reponse", "proposition", "candidat"),  # French
    *("respuesta", "opción", "opcion", "propuesta", "candidato", "posición", "posicion"),  # Spanish
    *("risposta", "opzione", "proposta", "posizione"),  # Italian
    *("resposta", "opção", "opcao", "posição", "posicao"),  # Portuguese
    *("antwoord", "optie", "voorstel", "kandidaat", "positie"),  # Dutch
    *("odpowiedź", "odpowiedz", "opcja", "propozycja", "kandydat"),  # Polish
    *("svar", "alternativ", "förslag"),  # Swedish
    *("ответ", "вариант", "предложение", "кандидат"),  # Russian
)
_WORDS_WITHOUT_SPACE: Final = ("答案", "回答", "选项", "方案", "答え", "選択肢", "提案", "답변", "응답", "옵션", "제안")
_LEAD: Final = rf"(?:(?:the\s+)?(?:{'|'.join(_WORDS)})(?:\s*[:#=.{DASHES}]\s*|\s+)\(?|(?:{'|'.join(_WORDS_WITHOUT_SPACE)})\s*[:是は은는]?\s*)"
_VOTING: Final = (
    r"(?:(?:so\s+)?i(?:\s+would|\s+will|\s+hereby|\s+therefore|d|ll)?\s+(?:vote\s+for|choose|pick|select)\s+"
    rf"|(?:(?:my|the|final|best)\s+){{0,3}}(?:vote|pick|ranking|{'|'.join(_WORDS)})"
    rf"(?:\s+is(?:\s+for)?\s*:?\s+|\s+goes\s+to\s+|\s+for\s+|\s*[:={DASHES}]\s*)"
    r"|ich\s+(?:stimme\s+für|wähle)\s+|je\s+(?:vote\s+pour|choisis)\s+|(?:yo\s+)?voto\s+(?:por|per|em)\s+"
    r"|我(?:投票?|选|選)(?:给|給|择|擇)?\s*)"
)
_CLOSE: Final = rf"\s*(?:$|[:()。]|(?:[,;{DASHES}]|[.!]{{1,3}})(?:\s|$)|because\b|since\b)"
_OPEN_LEAD: Final = rf"^[\s(.:,;-]*(?:\d{{1,2}}[.)]\s+)?{_VOTING}?{_LEAD}?"
_BETWEEN: Final = rf"[\s:(),;.!。=/&+{DASHES}]+"
_AND: Final = r"(?:and|or|vs\.?|versus|und|oder|et|ou|y|o|e)"
_BETWEEN_LABELS: Final = re.compile(r"\s*(?:>|→|,|;|\n|\+|&)\s*")


def label_of(named: Any, labels: Sequence[str]) -> str | None:
    """The one of `labels` that `named` is; None where it is none of them for certain."""
    if isinstance(named, list) and len(named) == 1:
        named = named[0]
    if isinstance(named, dict):
        named = next((named[key] for key in _NAMING_KEYS if key in named), None)
    if not isinstance(named, str) or len(named) > _CHARS_MAX:
        return None
    if named in labels:
        return named
    first, following = _patterns(tuple(labels))
    text = undecorated(unboxed(named))
    found = first.match(text)
    if found is None or following.match(text, found.end("label")):
        return None
    return next((label for label in labels if label.casefold() == found["label"].casefold()), None)


def undecorated(text: str) -> str:
    """`text` without what Markdown, markup and quotation put around a word, on one line."""
    plain = _DECORATION.sub("", unicodedata.normalize("NFKC", text).replace("_", " "))
    return " ".join(plain.split())


def labels_in(text: str, labels: Sequence[str]) -> list[str] | None:
    """The labels of a list on one line ("B > A > C", "A, C"), in its order; None where a part is no label."""
    if len(text) > _CHARS_MAX:
        return None
    found = [label_of(part, labels) for part in _BETWEEN_LABELS.split(text) if part.strip()]
    known = [label for label in found if label is not None]
    return known if known and len(known) == len(found) else None


@lru_cache(maxsize=256)
def _patterns(labels: tuple[str, ...]) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """What a label looks like at the beginning, and what a second one looks like right after it."""
    one = "|".join(re.escape(label) for label in sorted(labels, key=len, reverse=True)) or r"(?!)"
    first = re.compile(rf"{_OPEN_LEAD}(?P<label>{one}){_CLOSE}", re.IGNORECASE)
    following = re.compile(
        rf"{_BETWEEN}(?:{_AND}\s+)?{_LEAD}?\(?(?:{one})\s*(?:$|[:(),;.!。=/&+{DASHES}]|{_AND}\b)",
        re.IGNORECASE,
    )
    return first, following
