"""The usual refusals of models in languages other than English, as patterns for whole texts.

Each row is an excuse, "I cannot", and a verb such as help or answer, with a few words around the verb but no further
clause: what goes on after a comma says something, and is an answer. Texts come in small letters, NFKC, with one space
between words and straight apostrophes.
"""

from __future__ import annotations

import re
from typing import Final

_FEW: Final = r"[^,;:.!?\u3002]{0,60}"
_END: Final = r"[.!\u3002]*"

_ROWS: Final[dict[str, tuple[str, str]]] = {
    "German": (
        r"(?:(?:es )?tut mir (?:sehr )?leid|leider|entschuldigung)[,.]? ?(?:aber )?",
        rf"(?:ich kann|kann ich){_FEW}\bnicht (?:weiter)?(?:helfen|beantworten|behilflich sein|unterstützen|nachkommen)",
    ),
    "German without an excuse": (
        r"ich kann (?:dir |ihnen |euch )?",
        r"(?:dabei|damit|bei dieser anfrage|diese frage|diese anfrage) (?:leider )?nicht (?:weiter)?(?:helfen|beantworten)",
    ),
    "French": (
        r"(?:(?:je suis (?:vraiment )?)?désolée?|malheureusement|je m'excuse)[,.]? ?(?:mais )?",
        rf"je ne (?:peux|suis en mesure) pas (?:de )?(?:vous |t'|y )?(?:aider|répondre|assister|accéder)\b{_FEW}",
    ),
    "French without an excuse": (
        r"je ne peux pas (?:vous aider|t'aider|répondre)",
        r"(?: avec cela| à cette (?:question|demande)| à ce sujet)?",
    ),
    "Spanish": (
        r"(?:lo siento(?: mucho)?|lamentablemente|lo lamento|disculpa|disculpe)[,.]? ?(?:pero )?",
        rf"no (?:puedo|me es posible) (?:ayudar(?:te|le|los|les)?|responder|asistir(?:te|le)?|cumplir)\b{_FEW}",
    ),
    "Spanish without an excuse": (
        r"no puedo ",
        r"(?:ayudar(?:te|le)? con (?:eso|esto|esa solicitud)|responder a (?:esa|esta) pregunta)",
    ),
    "Italian": (
        r"(?:mi dispiace|purtroppo|spiacente)[,.]? ?(?:ma )?",
        rf"non posso (?:aiutar(?:ti|la|vi|e)|rispondere|assister(?:ti|la|vi|e))\b{_FEW}",
    ),
    "Italian without an excuse": (
        r"non posso ",
        r"(?:aiutarti con questo|rispondere a (?:questa|quella) domanda)",
    ),
    "Portuguese": (
        r"(?:desculpe|desculpa|sinto muito|lamento|infelizmente)[,.]? ?(?:mas )?(?:eu )?",
        rf"não posso (?:ajudar|ajudá-lo|te ajudar|responder|auxiliar|atender)\b{_FEW}",
    ),
    "Dutch": (
        r"(?:het spijt me|sorry|helaas)[,.]? ?(?:maar )?",
        rf"(?:ik kan|kan ik){_FEW}\b(?:niet|geen)\b{_FEW}\b(?:helpen|beantwoorden)",
    ),
    "Polish": (
        r"(?:przykro mi|przepraszam|niestety)[,.]? ?(?:ale )?",
        rf"nie mogę{_FEW}\b(?:pomóc|odpowiedzieć)\b{_FEW}",
    ),
    "Swedish": (
        r"(?:jag är ledsen|tyvärr|förlåt)[,.]? ?(?:men )?",
        rf"(?:jag kan|kan jag) (?:tyvärr )?inte (?:hjälpa|svara|besvara)\b{_FEW}",
    ),
    "Russian": (
        r"(?:извините|простите|к сожалению|мне (?:очень )?жаль)[,.]? ?(?:но )?",
        rf"я не могу{_FEW}\b(?:помочь|ответить|выполнить)\b{_FEW}",
    ),
    "Chinese": (
        r"(?:很|非常)?(?:抱歉|遗憾|对不起|對不起)[,。]? ?(?:但)?我?",
        rf"(?:无法|無法|不能)[^,。]{{0,20}}(?:帮助|协助|回答|提供|满足|完成|處理|处理){_FEW}",
    ),
    "Japanese": (
        r"(?:大変)?(?:申し訳(?:ありません|ございません|ない)|すみません|恐れ入ります)(?:が|です|。)?[,、]? ?",
        r"[^。]{0,30}(?:お手伝い|お答え|お応え|対応|回答|お力)[^。]{0,15}(?:できません|できかねます|いたしかねます)",
    ),
    "Korean": (
        r"(?:죄송하지만|죄송합니다[.,]?|유감스럽지만) ?",
        r"[^.。]{0,30}(?:도와|도울|답변|대답|응할|처리|도움)[^.。]{0,15}(?:수 ?없습니다|어렵습니다)",
    ),
}

REFUSALS: Final = tuple(re.compile(row + _END) for row in (excuse + cannot for excuse, cannot in _ROWS.values()))
