"""What is a refusal or an abstention, and what only looks like one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aragora.agents.reading.refusals import NO_REASON, abstention_in, is_refusal


@pytest.mark.parametrize(
    "text",
    [
        "I am sorry, but I cannot help with that.",
        "I'm sorry, but I can\u2019t help with that.",
        "I'm sorry, I can't assist with that request.",
        "I can't assist with this request",
        "Sorry, but I can't help you with this.",
        "I'm sorry. I cannot answer that question.",
        "I apologize, but I am unable to provide assistance with this topic.",
        "Unfortunately, I'm not able to answer this question at this time.",
        "I cannot comply with this request as it violates my guidelines.",
        "I'm sorry, but I can't help with creating malware.",
        "I must respectfully decline to answer this question.",
        "I won't help with that. If you have another question, feel free to ask.",
        "I'm sorry, but I can't assist with that. Is there anything else I can help you with?",
        "As an AI language model, I cannot provide legal advice.",
        "As an AI, I do not have personal opinions or preferences.",
        "As an AI assistant created by Anthropic, I can't help with that.",
        "**I cannot help with that.**",
        "I cannot provide a recommendation.",
        "I do not know the answer.",
        "I can't tell.",
        "I cannot provide instructions on how to make a bomb.",
        "I can't generate content that promotes violence.",
        "I can't create explicit content.",
        "I cannot provide information or guidance on illegal or harmful activities.",
        "I'd rather not answer this question.",
        "I would prefer not to answer.",
        "I won't be able to help with that.",
        "I'm not going to help with that.",
        "I do not have enough information to answer.",
        "Unable to comply.",
        "This request violates our usage policies.",
        "I cannot fulfill your request. I am just an AI model.",
        "Sorry, that's beyond my current scope. Let's talk about something else.",
        "Es tut mir leid, aber ich kann dabei nicht helfen.",
        "Ich kann diese Frage leider nicht beantworten.",
        "Je suis désolé, mais je ne peux pas vous aider avec cela.",
        "Désolée, je ne peux pas répondre à cette question.",
        "Lo siento, pero no puedo ayudar con eso.",
        "Lo siento, no puedo ayudarte con esa solicitud.",
        "Mi dispiace, ma non posso aiutarti con questa richiesta.",
        "Desculpe, mas não posso ajudar com isso.",
        "Het spijt me, maar ik kan je daar niet mee helpen.",
        "Przykro mi, ale nie mogę w tym pomóc.",
        "Tyvärr, jag kan inte hjälpa till med det.",
        "Извините, я не могу ответить на этот вопрос.",
        "很抱歉\uff0c我无法协助处理这个请求。",
        "抱歉\uff0c我无法回答这个问题。",
        "申し訳ありませんが、そのご質問にはお答えできません。",
        "죄송하지만 해당 요청은 도와드릴 수 없습니다.",
        "Я не могу помочь \u0441 этим.",
        "Nie mogę w tym pomóc.",
        "Não posso ajudar com isso.",
        "我无法回答这个问题。",
        "你好\uff0c这个问题我暂时无法回答\uff0c让我们换个话题再聊聊吧。",
        "そのご質問にはお答えできません。",
        "답변할 수 없습니다.",
        "Maaf, saya tidak dapat membantu dengan itu.",
        "Üzgünüm, bu konuda yard\u0131mc\u0131 olamam.",
        "Xin lỗi, tôi không thể giúp với yêu cầu này.",
        "عذرًا، لا يمكنني المساعدة في ذلك.",
        "Omlouvám se, ale s tím vám nemohu pomoci.",
        "Вибачте, я не можу допомогти з цим.",
        "Beklager, jeg kan ikke hjelpe med det.",
    ],
)
def test_a_text_that_only_refuses_is_an_abstention_in_its_own_words(text: str) -> None:
    assert abstention_in(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "I cannot recommend MongoDB, because it loses writes.",
        "I cannot recommend MongoDB.",
        "I cannot help but recommend PostgreSQL.",
        "I cannot answer this with certainty, but PostgreSQL is safer.",
        "I'm sorry, but I can't help with that. Use PostgreSQL.",
        "I cannot help with MongoDB; choose PostgreSQL.",
        "I cannot help with MongoDB but PostgreSQL is fine.",
        "I can't assist with this, so use PostgreSQL instead.",
        "As an AI, I cannot run the benchmark, but PostgreSQL won those that are published.",
        "As an AI, I would choose PostgreSQL.",
        "We cannot support this proposal.",
        "Я не могу ответить да.",
        "我无法推荐MongoDB。",
        "Üzgünüm, MongoDB olmaz.",
        '"I cannot help with that" is the right reply of the bot.',
        "\u201cI can\u2019t help with that\u201d is what it should say.",
        '"Lo siento, pero no puedo ayudar" es la respuesta correcta.',
        "I cannot provide better performance than PostgreSQL.",
        "I can't create content that is better, but PostgreSQL can.",
        "I cannot provide information on MongoDB, because PostgreSQL suffices.",
        "This request violates the rate limit.",
        "Unable to answer faster than PostgreSQL.",
        "It cannot be done.",
        "No.",
        "Sorry.",
        "Unfortunately, no.",
        "I do not know a faster one than PostgreSQL.",
        "Refuse the request: it violates the policy.",
        "The support team cannot help with that.",
        "Es tut mir leid, aber ich kann MongoDB nicht empfehlen, weil es Daten verliert.",
        "Ich kann dabei nicht helfen, weil die Daten fehlen; nimm PostgreSQL.",
        "Je ne peux pas recommander MongoDB.",
        "",
        "I cannot help with that. " * 40,
    ],
)
def test_a_text_that_says_something_is_an_answer(text: str) -> None:
    assert abstention_in(text) is None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("ABSTAIN: the question lacks a budget", "the question lacks a budget"),
        ("Abstain: no data.", "no data."),
        ("**ABSTAIN:** no data", "no data"),
        ("abstain - no data", "no data"),
        ("ABSTAIN", NO_REASON),
        ("I abstain.", NO_REASON),
        ("I abstain because there is no data", "because there is no data"),
        ("Abstention: no data", "no data"),
    ],
)
def test_an_abstention_tells_its_reason(text: str, reason: str) -> None:
    assert abstention_in(text) == reason


@pytest.mark.parametrize("text", ["Abstain from MongoDB.", "Abstaining is wrong here.", "Do not abstain: vote."])
def test_an_answer_about_abstaining_is_an_answer(text: str) -> None:
    assert abstention_in(text) is None


pieces = st.sampled_from(
    ["i am sorry ", "but ", "i cannot ", "help ", "with ", "that", ", ", ". ", "as an ai ", "because ", "x "]
)


@given(st.lists(pieces, max_size=60).map("".join) | st.text(max_size=600))
def test_any_text_is_judged(text: str) -> None:
    assert is_refusal(text) in (True, False)
    assert abstention_in(text) is None or abstention_in(text)
