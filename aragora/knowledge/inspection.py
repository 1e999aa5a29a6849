"""What is looked at in a text before agents may read it. Pure.

- Text from outside (a document, an import) waits for a person where it carries characters that show nothing, or where
  it reads as an order to its reader. The second is a list of phrases in some languages, matched over one spelling
  (full width, case, invisible and look-alike characters, spaced-out letters): it catches what is common, and is no
  proof of harmlessness. What holds against the rest is that knowledge never stands where agents take orders.
- Words that mix letters of two alphabets, as Latin ones with a Cyrillic "a" in them, are told, and hold nothing up.

Characters that show nothing and have their place are let through: joiners next to a letter of a script that is read by
them or within an emoji, one variation selector after a character, the tags of an emoji flag, a byte order mark at the
very beginning.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Final

from aragora.knowledge.search.folding import folded
from aragora.texts import IGNORABLE, JOINERS, SELECTORS

LOOKALIKES_MAX: Final = 10  # words that are told

_IN_PLACE: Final = re.compile(
    "^\ufeff"
    "|\U0001f3f4[\U000e0030-\U000e0039\U000e0061-\U000e007a]{1,6}\U000e007f"  # the flags of regions
    f"|(?<=[^\\s\\x00-\\x7f{IGNORABLE}{JOINERS}{SELECTORS}])[{SELECTORS}]"
    f"|(?<=[0-9#*])\ufe0f"
    "|(?<=[\u0590-\u08ff\u0900-\u0dff\u1000-\u109f\u1780-\u17ff\u1800-\u18af])[\u200c\u200d]"
    "|(?<=[\u2190-\u2bff\ufe0f\U0001f000-\U0001faff])\u200d"
)
_INVISIBLE: Final = re.compile(f"[{IGNORABLE}{JOINERS}{SELECTORS}]")
_SPACED: Final = re.compile(r"(?<!\w)(?:\w[ ._-]){4,}\w(?!\w)")  # i g n o r e
_BETWEEN: Final = re.compile(r"[ ._-]")
_WORD: Final = re.compile(r"[^\W\d_]+")
_MIXED: Final = frozenset({"LATIN", "CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE"})

_LIKE_LATIN: Final = str.maketrans(
    "авеёзіјкмнорсԁѕтухһԛԝьαβεηικνορτυχγω",
    "abee3ijkmhopcdstyxhqwbabenikvoptuxyw",
)
"""What reads as a Latin letter, in lower case, of Cyrillic and Greek."""

_ORDERS: Final = tuple(
    re.compile(pattern)
    for pattern in (
        # English
        (
            r"\b(?:ignore|disregard|forget|override|bypass|do not follow|don't follow)\b.{0,40}"
            r"\b(?:instructions?|prompts?|rules|guidelines|directions?|orders|messages?|context|(?:said|written|told) (?:above|before))\b"
        ),
        r"\b(?:you are|you're|you will be) (?:now|from now on|no longer)\b",
        r"\bfrom now on,? (?:you|always|never|answer|respond|reply|act)\b",
        r"\b(?:act|behave|respond|answer|reply) as (?:if you|though you|an? (?:unrestricted|different|administrator|admin|system))\b",
        r"\bpretend (?:to be|that you|you)\b",
        (
            r"\b(?:when|whenever|if|once) (?:you are |you're |anyone |someone |anybody |a user |the user )?"
            r"(?:is |are )?ask(?:ed|s)?\b.{0,80}\b(?:say|answer|reply|respond|recommend|vote|choose|tell|claim|insist)\b"
        ),
        (
            r"\b(?:you must|you should|you have to|please|always|simply|just|now) (?:always |only |now )?"
            r"(?:vote|answer|reply|respond|output|print|say)\b (?:for|with|that|only|exactly|\"|')"
        ),
        r"(?:^|[.!?:;\n]\s*)(?:please )?(?:always )?vote (?:for|against)\b",
        r"\b(?:reveal|print|repeat|show|leak|output)\b.{0,30}\b(?:system|hidden|initial|developer) (?:prompt|message|instructions?)\b",
        r"\b(?:system|developer) (?:prompt|message|override)\s*:",
        (
            r"\b(?:note|message|instructions?|attention|notice)\b,? (?:to|for)? ?(?:all |any |the |every )?"
            r"(?:ai|ais|llms?|language models?|assistants?|agents?|chatbots?|models?)\b"
        ),
        r"\bdo not (?:tell|inform|mention|reveal)\b.{0,30}\b(?:user|users|anyone|anybody|people|humans?|them)\b",
        r"\bi am (?:the |an? )?(?:administrator|admin|system|developer|owner|operator)\b",
        # Marks of the ends of turns and roles, as chat templates write them
        r"<\|?(?:im_start|im_end|system|assistant|user|endoftext|start_header_id)\b|\[/?inst\]|<<sys>>|^#{2,} ?(?:system|instruction)",
        r"(?:^|\n)\s*(?:system|assistant|developer)\s*:",
        # German, French, Spanish, Italian, Portuguese, Russian
        r"\b(?:ignorier\w*|missacht\w*|vergiss|vergesst|vergessen sie|befolge nicht)\b.{0,40}\b(?:anweisung\w*|vorgabe\w*|regeln|befehl\w*|prompts?)\b",
        r"\b(?:du bist|ihr seid|sie sind) (?:jetzt|nun|ab sofort|ab jetzt)\b|\bab (?:jetzt|sofort) (?:antworte|bist du|sagst du)",
        r"\b(?:ignore[zr]?|oublie[zr]?|neglige[zr]?)\b.{0,40}\b(?:instructions?|consignes?|regles?)\b",
        r"\b(?:tu es|vous etes) (?:maintenant|desormais)\b",
        r"\b(?:ignora|ignore|olvida|olvide)\b.{0,40}\b(?:instrucciones|indicaciones|reglas|ordenes)\b|\bahora eres\b",
        r"\b(?:ignora|dimentica)\b.{0,40}\b(?:istruzioni|regole)\b|\b(?:ignore|esqueca)\b.{0,40}\b(?:instrucoes|regras)\b",
        r"(?:игнорируй|забудь|не следуй).{0,40}(?:инструкци|указани|правил|команд)|\bтеперь ты\b|\bты теперь\b",  # noqa: RUF001
        # Chinese, Japanese, Korean
        r"(?:忽略|无视|無視|忘记|忘記|不要遵守).{0,15}(?:指令|指示|提示|说明|說明|规则|規則)|你现在是|你現在是|从现在开始你|從現在開始你",
        r"(?:指示|命令|ルール|プロンプト).{0,8}(?:無視|忘れ)|あなたは今から|今からあなた",
        r"(?:지시|명령|규칙|프롬프트).{0,10}(?:무시|잊)|너는 이제|당신은 이제",
    )
)


@dataclass(frozen=True, slots=True)
class Inspection:
    """What was found. `quarantined` says why a person must look first, and is empty where nobody must; `lookalikes` are
    words that mix alphabets, as they stand."""

    quarantined: str = ""
    lookalikes: tuple[str, ...] = ()


def inspected(text: str, *, external: bool) -> Inspection:
    """What is to be said of a text. Only one from outside is quarantined."""
    return Inspection(_why(text) if external else "", lookalikes(text))


def lookalikes(text: str) -> tuple[str, ...]:
    """The words, up to `LOOKALIKES_MAX` and each once, whose letters are of more than one alphabet."""
    if text.isascii():
        return ()
    mixed = (word for word in _WORD.findall(text) if not word.isascii() and len(_alphabets(word)) > 1)
    return tuple(dict.fromkeys(mixed))[:LOOKALIKES_MAX]


def _why(text: str) -> str:
    if _INVISIBLE.search(_IN_PLACE.sub("", text)):
        return "it carries characters that show nothing"
    return "it reads as an order to its reader" if _orders(text) else ""


def _orders(text: str) -> bool:
    plain = _unaccented(folded(text))
    close = _SPACED.sub(lambda found: _BETWEEN.sub("", found[0]), plain)
    forms = {plain, close, plain.translate(_LIKE_LATIN), close.translate(_LIKE_LATIN)}
    forms |= {" ".join(form.split()) for form in tuple(forms)}
    return any(order.search(form) for form in forms for order in _ORDERS)


def _unaccented(text: str) -> str:
    """Without the accents of Latin letters; other scripts are composed again as they were."""
    if text.isascii():
        return text
    parts = []
    for char in text:
        apart = unicodedata.normalize("NFD", char)
        parts.append(apart[0] if apart[0].isascii() else char)
    return "".join(parts)


def _alphabets(word: str) -> set[str]:
    return {name for name in (unicodedata.name(char, "").partition(" ")[0] for char in word) if name in _MIXED}
