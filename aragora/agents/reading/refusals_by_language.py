"""The usual refusals of models in languages other than English, as patterns for whole texts.

Each row is an excuse, "I cannot", and a verb such as help or answer, with a few words around the verb but no further
clause: what goes on after a comma says something, and is an answer. Texts come in small letters, NFKC, with one space
between words and straight apostrophes.
"""

from __future__ import annotations

import re
from typing import Final

# Without quotation marks: one that ends here is quoted by more.
_FEW: Final = r"[^,;:.!?\u3002\"\u201c\u201d\u201e\u00ab\u00bb\u300d\u300f]{0,60}"
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
    "Russian without an excuse": (
        r"я не могу ",
        r"(?:(?:вам |тебе )?помочь(?: (?:вам|тебе))?(?: \u0441 этим)?|ответить на (?:этот|ваш) вопрос|обсуждать эту тему)",
    ),
    "Polish without an excuse": (
        r"nie mogę ",
        r"(?:w tym pomóc|pomóc w tym|odpowiedzieć na to pytanie)",
    ),
    "Portuguese without an excuse": (
        r"não posso ",
        r"(?:ajudar com isso|responder a ess[ae] pergunta|ajudar com essa solicitação)",
    ),
    "Chinese without an excuse": (
        r"(?:你好[,。])?(?:这个问题)?我(?:暂时)?",
        r"(?:无法|無法|不能)(?:回答(?:这个|該|这一)?(?:问题|問題)?|(?:帮助|協助|协助)(?:你|您|这个请求|這個請求)?)(?:[,。]?让我们换个话题再聊聊吧)?",
    ),
    "Japanese without an excuse": (
        r"(?:(?:その|この)(?:ご質問|質問)には)?",
        r"お答え(?:できません|できかねます|することはできません)",
    ),
    "Korean without an excuse": (
        r"(?:그 |이 |해당 )?(?:질문|요청)?(?:에|은|는)? ?",
        r"(?:답변(?:해 드릴|할) 수 ?없습니다|도와드릴 수 ?없습니다)",
    ),
    "Indonesian": (
        r"maaf[,.]? ?(?:tetapi |tapi |namun )?",
        rf"(?:saya|aku) (?:tidak|tak) (?:dapat|bisa) (?:membantu|menjawab|memenuhi)\b{_FEW}",
    ),
    "Turkish": (
        r"(?:üzgünüm|maalesef|özür dilerim)[,.]? ?(?:ama |ancak )?",
        rf"{_FEW}(?:yard\u0131mc\u0131 olamam|yard\u0131mc\u0131 olam\u0131yorum|yan\u0131tlayamam|cevaplayamam|yan\u0131t veremem)",
    ),
    "Vietnamese": (
        r"(?:rất tiếc|xin lỗi)[,.]? ?(?:nhưng )?",
        rf"tôi không thể (?:giúp|hỗ trợ|trả lời|đáp ứng)\b{_FEW}",
    ),
    "Arabic": (
        r"(?:عذرًا|عذرا|آسف|أعتذر)[,،.]? ?(?:لكن |ولكن )?",
        r"(?:لا يمكنني|لا أستطيع) (?:المساعدة|مساعدتك|الإجابة|الرد)[^,،.!?؟\"]{0,60}",
    ),
    "Czech": (
        r"(?:omlouvám se|je mi líto|bohužel)[,.]? ?(?:ale )?",
        rf"{_FEW}\b(?:nemohu|nemůžu) (?:pomoci|pomoct|odpovědět)\b{_FEW}",
    ),
    "Ukrainian": (
        r"(?:вибачте|на жаль|перепрошую)[,.]? ?(?:але )?",
        rf"я не можу{_FEW}\b(?:допомогти|відповісти|виконати)\b{_FEW}",
    ),
    "Norwegian and Danish": (
        r"(?:beklager|desværre|dessverre|undskyld)[,.]? ?(?:men )?",
        rf"(?:jeg kan|kan jeg) (?:desværre |dessverre )?ikke (?:hjelpe|hjælpe|svare|besvare)\b{_FEW}",
    ),
    "Korean": (
        r"(?:죄송하지만|죄송합니다[.,]?|유감스럽지만) ?",
        r"[^.。]{0,30}(?:도와|도울|답변|대답|응할|처리|도움)[^.。]{0,15}(?:수 ?없습니다|어렵습니다)",
    ),
}

REFUSAL: Final = re.compile("|".join(f"(?:{excuse}{cannot}{_END})" for excuse, cannot in _ROWS.values()))
