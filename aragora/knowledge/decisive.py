"""Which words of a question say what it is about. Pure.

Words are those of the one tokenizer (`aragora.knowledge.search.tokens`), as they are folded. Left out are numbers,
single characters, and the words that questions have whatever they are about (`_COMMON`, `_COMMON_UNSPACED`). Of
Japanese, hiragana parts words: mostly it is grammar. An English plural in -s or -ies is its singular. A question that
has no other words has all of its words.

The lists hold what is in most questions of a language and names no subject. Such words of other languages are told by
how many questions of a workspace hold them (`aragora.knowledge.trending`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import islice
from typing import Final

from aragora.knowledge.search.folding import folded
from aragora.knowledge.search.tokens import is_unspaced, query_tokens, word_of

READ_CHARS: Final = 600
"""Of a question, its first characters are looked at."""
WORDS_MAX: Final = 48
"""Of a question, its first words that tell are taken."""

_COMMON: Final = {
    "en": (
        "about above after again against all also always an and any are as at be because been before being best better"
        " between both but by can could did do does doing don't done each either else ever every few first for from get"
        " give given go going good had has have having he her here his how if in instead into is it its just keep less"
        " let like made make makes many may maybe me might more most much must my need needs never new next no not now"
        " of off on once one only or other our out over own per please put same say shall she should so some still such"
        " take than that the their them then there these they this those to today too under until up us use used uses"
        " using very want was way we well were what when where whether which while who whom whose why will with within"
        " without worth would yes yet you your"
    ),
    "de": (
        "aber alle als am an auch auf aus bei bis da das dass dem den der des die dies diese dieser dieses doch durch"
        " ein eine einem einen einer eines er es für gibt haben hat ich ihr im in ist ja kann kein keine können man mehr"
        " mit müssen nach nicht noch nur ob oder ohne sein sich sie sind soll sollen sollte sollten statt über um und"
        " uns unser unsere von vor wann war warum was weil welche welchen welcher welches wenn wer werden wie wieder"
        " wir wird wo wollen würde zu zum zur zwischen"
    ),
    "fr": (
        "alors au aussi aux avec avoir ce ces cette combien comme comment dans de des devons devrait devrions dois doit"
        " donc du elle en entre est et être faire faut il ils je la le les leur lors mais meilleur moins ne nos notre"
        " nous on ou où par pas plus plutôt pour pourquoi quand que quel quelle quelles quels qui quoi sans se ses son"
        " sont sur tous un une utiliser vers vos votre vous"
    ),
    "es": (
        "al algo como con cómo cuál cuáles cuándo cuánto cuántos de debe deben debemos deberíamos del dónde el ella en"
        " entre es esa ese esta este hay la las lo los más mejor menos muy no nos nuestra nuestro o para pero por porque"
        " puede que qué quién se ser si sin sobre son su sus también un una usar y ya"
    ),
    "it": (
        "alla anche che chi come con cosa da dal dei del della di dobbiamo dove dovremmo e è fra gli i il in la le lo ma"
        " meglio nel nella noi non nostra nostro o per perché più quale quali quando quanto quanti se si sono su tra un"
        " una usare"
    ),
    "pt": (
        "ao as com como da das de deve devemos deveríamos do dos e é em entre mais mas melhor não na no nos nossa nosso"
        " o os ou para pela pelo por porque qual quais quando quanto quantos que quem se ser sem sobre um uma usar"
    ),
    "ru": (
        "бы в во вы где для до ее его если есть же за и из или их к как какая какие какой когда кто ли лучше мы на над"  # noqa: RUF001
        " надо нам нас наш не нет но ну нужно о об он от по при с сколько со стоит так также то у уже что чтобы эта эти"  # noqa: RUF001
        " это"
    ),
}
_COMMON_UNSPACED: Final = (
    "我们 我們 你们 你們 他们 他們 是否 应该 應該 应当 應當 什么 什麼 怎么 怎麼 怎样 怎樣 如何 哪个 哪個 哪些 哪种 哪種 多少 多大 多久"
    " 为什么 為什麼 为何 為何 可以 需要 还是 還是 或者 以及 使用 采用 採用 这个 這個 那个 那個 的 了 吗 嗎 呢 吧"
    " หรือไม่ หรือ ควรจะ ควร อะไร อย่างไร เท่าไร เท่าไหร่ ทำไม เมื่อไร ที่ไหน ใช้ พวกเรา เรา"
)
_HIRAGANA: Final = "[\u3041-\u309f]+"
_PARTING: Final = re.compile(
    "|".join((_HIRAGANA, *sorted(map(folded, _COMMON_UNSPACED.split()), key=lambda one: (-len(one), one))))
)
_IGNORED: Final = frozenset(
    token for words in _COMMON.values() for word in words.split() for token in query_tokens(word)
)
_PLURAL: Final = re.compile(r"[a-z]{2,}[a-rt-z]s")


def decisive_words(question: str) -> tuple[str, ...]:
    """The words of `question` that say what it is about, each once, in their order: at most `WORDS_MAX`. None
    where it has no letter."""
    plain = folded(question[:READ_CHARS])
    tokens = query_tokens(_PARTING.sub(" ", plain))
    telling = _words(token for token in tokens if token not in _IGNORED)
    return telling or _words(query_tokens(plain))


def as_spelt(word: str, text: str) -> str:
    """One of the `decisive_words` of `text` as it stands there first; the word where it does not, being folded."""
    one = f"{re.escape(word[:-1])}(?:y|ies)" if word.endswith("y") else f"{re.escape(word)}s?"
    found = re.search(rf"(?<!\w){one}(?!\w)", text, re.IGNORECASE) or re.search(re.escape(word), text, re.IGNORECASE)
    return word if found is None else found[0]


def _words(tokens: Iterable[str]) -> tuple[str, ...]:
    found = (_singular(word_of(token)) for token in tokens)
    return tuple(islice(dict.fromkeys(word for word in found if _tells(word)), WORDS_MAX))


def _singular(word: str) -> str:
    word = word.removesuffix("'s")
    if _PLURAL.fullmatch(word) is None:
        return word
    return f"{word[:-3]}y" if word.endswith("ies") else word[:-1]


def _tells(word: str) -> bool:
    return len(word) > 1 and (is_unspaced(word) or any(map(str.isalpha, word)))  # a vowel mark is no letter
