"""The prompts of the embedded model. It is a base model without a chat template: it continues in the style of examples.

A grammar (GBNF, as llama.cpp reads it) binds its answers: JSON of the answer schema whose texts are one or two plain
sentences. So an answer is never malformed or long. The beginning of each prompt never changes, so that the model does
not read it twice. All texts of others are cut and put on one line: they cannot pose as another example.
"""

from __future__ import annotations

import json
import re
from typing import Final

from aragora.agents.frames import one_line
from aragora.debate.model import AgentRequest, AskKind, Brief
from aragora.limits import OPTION_MAX_CHARS

ANSWER_SLOT: Final = 0
CRITIQUE_SLOT: Final = 1
VOTE_SLOT: Final = 2  # and all else of which a word is weighed

QUESTION_CHARS: Final = 500
ANSWER_CHARS: Final = 450
CONTEXT_CHARS: Final = 200
_REPEATED_CHARS: Final = 25  # shorter phrases may be repeated
_SENTENCE_ENDS: Final = re.compile(r'"|\. ')
_BASELINE_QUESTION: Final = "What is it?"

# --- Grammars ---------------------------------------------------------------------------------------------

_LATIN: Final = "A-Za-zÀ-ɏ"
_LATIN_CAPITALS: Final = "A-ZÀ-ÖØ-Þ"
_ANY_SCRIPT: Final = "A-Za-zÀ-ҁҊ-῿぀-ヿ一-鿿가-힣"
_TEXTS: Final = r"""
sentence ::= ["U] ["L0-9 ,;:'()%/$-]{14,190} ["L0-9%] "."
share ::= "0." [3-9]
"""
_PROPOSAL: Final = (
    r'root ::= "{\"answer\": \"" sentence (" " sentence)? "\", \"evidence\": [\"" sentence "\"], '
    r'\"confidence\": " share "}"'
)
_CRITIQUE: Final = (
    r'root ::= "{\"issues\": [\"" sentence "\"], \"suggestions\": [\"" sentence "\"], \"severity\": " level "}"'
    '\nlevel ::= "0." [2-8]'
)
_REST: Final = r'root ::= sentence "\"], \"confidence\": " share "}"'
_ARGUMENT: Final = (
    r'root ::= clause (" " sentence)? "\", \"evidence\": [\"" sentence "\"], \"confidence\": " share "}"'
    "\n"
    r"""clause ::= " " ["L0-9] ["L0-9 ,;:'()%/$-]{14,190} ["L0-9%] "." """
)
_SENTENCE: Final = "root ::= sentence"


def grammar(kind: AskKind, question: str) -> str:
    """The grammar of the answer; letters beyond the Latin ones are allowed only where the question has them."""
    root = {AskKind.CRITIQUE: _CRITIQUE}.get(kind, _PROPOSAL)
    return _with_letters(root, question)


def rest_grammar(question: str) -> str:
    """A proposal from its first piece of evidence on."""
    return _with_letters(_REST, question)


def argument_grammar(question: str) -> str:
    """A proposal from behind the "because" of its first sentence on."""
    return _with_letters(_ARGUMENT, question)


def reason_grammar(question: str) -> str:
    """One sentence."""
    return _with_letters(_SENTENCE, question)


def _with_letters(root: str, question: str) -> str:
    latin = all(ord(char) < 0x250 or not char.isalpha() for char in question)
    letters, first = (_LATIN, _LATIN_CAPITALS) if latin else (_ANY_SCRIPT, _ANY_SCRIPT)
    return (root + _TEXTS).replace('"U', first).replace('"L', letters)


# --- Answers ----------------------------------------------------------------------------------------------

_HEAD: Final = "Each question gets a short answer that comes to the point and names the fact that decides.\n\n"
_SHOTS: Final[dict[str, tuple[tuple[str, str], ...]]] = {
    "analyst": (
        (
            "Should a small shop accept card payments?",
            (
                '{"answer": "Yes, a small shop should accept cards, because many customers no longer carry cash. '
                'The fees are small compared with the sales that would be lost.", '
                '"evidence": ["Most purchases in shops are now paid by card or phone."], "confidence": 0.8}'
            ),
        ),
        (
            "Which pet suits a family that travels a lot?",
            (
                '{"answer": "A cat suits them best, because it copes with being alone for a day. '
                'A dog needs company and several walks.", '
                '"evidence": ["Dogs must be walked every day, cats need not."], "confidence": 0.7}'
            ),
        ),
        (
            "Is it better to buy or to rent a tool that is used once a year?",
            (
                '{"answer": "It is better to rent the tool, because a purchase pays off only with frequent use.", '
                '"evidence": ["A day of rent costs a small part of the price."], "confidence": 0.8}'
            ),
        ),
    ),
    "skeptic": (
        (
            "Should a small shop accept card payments?",
            (
                '{"answer": "Only if the fees are known first, because they can eat the profit on small sales. '
                'Cash still works when the network is down.", '
                '"evidence": ["Card companies take a fee from every payment."], "confidence": 0.6}'
            ),
        ),
        (
            "Which pet suits a family that travels a lot?",
            (
                '{"answer": "No pet suits such a family well, because every animal needs someone at home. '
                'The risk is that it is left alone too often.", '
                '"evidence": ["Animals that are often left alone fall ill."], "confidence": 0.6}'
            ),
        ),
        (
            "Is it better to buy or to rent a tool that is used once a year?",
            (
                '{"answer": "Renting is not always better, because the tool may be taken when it is needed.", '
                '"evidence": ["Rented tools are scarce in spring when all need them."], "confidence": 0.5}'
            ),
        ),
    ),
    "pragmatist": (
        (
            "Should a small shop accept card payments?",
            (
                '{"answer": "Start with a cheap card reader for three months and look at the numbers. '
                'If sales grow by more than the fees cost, keep it.", '
                '"evidence": ["A simple card reader costs little and can be given back."], "confidence": 0.7}'
            ),
        ),
        (
            "Which pet suits a family that travels a lot?",
            (
                '{"answer": "Take a cat and ask a neighbour to feed it. That costs little and works from the first day.", '
                '"evidence": ["A neighbour can feed a cat in five minutes."], "confidence": 0.7}'
            ),
        ),
        (
            "Is it better to buy or to rent a tool that is used once a year?",
            (
                '{"answer": "Borrow it from a friend or rent it for a day, because that is the least work.", '
                '"evidence": ["A day of rent costs less than the space to store the tool."], "confidence": 0.8}'
            ),
        ),
    ),
}


def answer_prompt(request: AgentRequest, persona: str) -> str:
    """For an answer: the examples of the persona, then the question. The grammar of a proposal starts here."""
    brief = request.brief
    shots = "".join(f"Question: {question}\nJSON: {answer}\n\n" for question, answer in _SHOTS[persona])
    facts = f"Facts: {flat(brief.context, CONTEXT_CHARS)}\n" if brief.context else ""
    return f"{_HEAD}{shots}Question: {flat(brief.question, QUESTION_CHARS)}\n{facts}JSON:"


def kept_prompt(request: AgentRequest, persona: str, answer: str) -> tuple[str, str]:
    """For an answer that is kept: the prompt and the beginning of the JSON, which the rest of a proposal completes."""
    beginning = f'{{"answer": {json.dumps(flat(answer, ANSWER_CHARS), ensure_ascii=False)}, "evidence": ["'
    return f"{answer_prompt(request, persona)} {beginning}", beginning


# --- Options ----------------------------------------------------------------------------------------------

_OPTION_HEADS: Final[dict[str, str]] = {
    "analyst": "Each question gets the answer that the facts support.",
    "skeptic": "Each question gets the answer that carries the least risk.",
    "pragmatist": "Each question gets the answer that works best in practice.",
}
_OPTION_SHOTS: Final = (
    ("Should a small shop accept card payments?", "Yes"),
    ("Which pet suits a family that travels a lot?", "A cat"),
    ("Is it better to buy or to rent a tool that is used once a year?", "Rent it"),
    ("How long should bread be baked?", "Forty minutes"),
    ("Should an open wound be left dirty?", "No"),
)


def option_prompt(brief: Brief, persona: str) -> str:
    """Which option answers the question: each is weighed as the rest of this prompt, with `quoted_option`."""
    shots = "".join(f'Question: {question}\nAnswer: "{answer}"\n\n' for question, answer in _OPTION_SHOTS)
    facts = f"Facts: {flat(brief.context, CONTEXT_CHARS)}\n" if brief.context else ""
    return f'{_OPTION_HEADS[persona]}\n\n{shots}Question: {flat(brief.question, QUESTION_CHARS)}\n{facts}Answer: "'


def quoted_option(option: str) -> str:
    """The option up to its closing quote: so its end is weighed too."""
    return f'{_plain_option(option)}"'


def argued_prompt(request: AgentRequest, persona: str, option: str) -> tuple[str, str]:
    """For an answer that argues for `option`: the prompt and the beginning of the JSON, which an argument completes."""
    said = json.dumps(f"{_plain_option(option)}, because", ensure_ascii=False)
    beginning = f'{{"answer": {said[:-1]}'
    return f"{answer_prompt(request, persona)} {beginning}", beginning


def with_option(proposal: str, option: str) -> str:
    """The JSON of `proposal` with the option that it is for; unchanged where it is for none."""
    return proposal if not option else f'{{"option": {json.dumps(option, ensure_ascii=False)}, {proposal[1:]}'


def without_option(text: str, option: str) -> str:
    """An answer of others without the option that the brief puts before it."""
    return text.removeprefix(f"{option}: ") if option else text


def _plain_option(option: str) -> str:
    return flat(option, OPTION_MAX_CHARS).rstrip(".!? ") or option


# --- Critiques --------------------------------------------------------------------------------------------

_CRITIQUE_SHOTS: Final = """Each answer is examined: what is missing in it, and how to mend it.

Question: Should a small shop accept card payments?
Answer: Yes, because cards are modern.
JSON: {"issues": ["It does not say what the cards cost the shop."], "suggestions": ["Compare the fees with the sales \
that cash customers bring."], "severity": 0.6}

Question: Which pet suits a family that travels a lot?
Answer: A cat, because it copes with being alone for a day.
JSON: {"issues": ["It forgets journeys that last longer than a day."], "suggestions": ["Say who looks after the cat \
during a long journey."], "severity": 0.3}

Question: Is it better to buy or to rent a tool that is used once a year?
Answer: It is better to buy it, because it is always at hand.
JSON: {"issues": ["It ignores the price and the space that the tool takes."], "suggestions": ["Give the price of \
buying and of renting for one day."], "severity": 0.5}

"""


def critique_prompt(request: AgentRequest) -> str:
    """For a critique of the brief's first candidate."""
    brief = request.brief
    target = brief.candidates[0].text if brief.candidates else brief.own
    question = flat(brief.question, QUESTION_CHARS)
    return f"{_CRITIQUE_SHOTS}Question: {question}\nAnswer: {flat(target, ANSWER_CHARS)}\nJSON:"


# --- Votes ------------------------------------------------------------------------------------------------

_VERDICTS: Final[dict[str, str]] = {
    "analyst": "Is this a good answer?",
    "skeptic": "Is it safe to follow this answer?",
    "pragmatist": "Does this answer help in practice?",
}
_VERDICT_SHOTS: Final = (
    (
        "Should a small shop accept card payments?",
        "Yes, because many customers no longer carry cash, and the fees are smaller than the lost sales.",
        "Yes",
    ),
    ("Should a small shop accept card payments?", "Cards are plastic and come in many colours and sizes.", "No"),
    (
        "Is it better to buy or to rent a tool that is used once a year?",
        "It is better to buy it, because tools are tools and tools are good.",
        "No",
    ),
    (
        "Is it better to buy or to rent a tool that is used once a year?",
        "It is better to rent it, because a purchase pays off only with frequent use.",
        "Yes",
    ),
)
_REASON_SHOTS: Final = """Question: Should a small shop accept card payments?
Best answer: Yes, because many customers no longer carry cash, and the fees are smaller than the lost sales.
Reason: It weighs the fees against the sales that would be lost.

Question: Is it better to buy or to rent a tool that is used once a year?
Best answer: It is better to rent it, because a purchase pays off only with frequent use.
Reason: It looks at how often the tool is used, which decides the cost.

"""


def verdict_prompts(brief: Brief, text: str, persona: str) -> tuple[str, str]:
    """Whether `text` is a good answer: to the question, and to a question that it cannot fit. The model's preference
    for a text's style, length and position counts in both; the difference is how well it answers this question."""
    asked = _VERDICTS[persona]
    answer = flat(text, ANSWER_CHARS)
    shots = "".join(_verdict(*shot[:2], asked) + f" {shot[2]}\n\n" for shot in _VERDICT_SHOTS)
    question = flat(brief.question, QUESTION_CHARS)
    return shots + _verdict(question, answer, asked), shots + _verdict(_BASELINE_QUESTION, answer, asked)


def _verdict(question: str, answer: str, asked: str) -> str:
    return f"Question: {question}\nAnswer: {answer}\n{asked}"


def reason_prompt(brief: Brief, text: str) -> str:
    """Why the chosen answer is the best, in a sentence."""
    question = flat(brief.question, QUESTION_CHARS)
    return f"{_REASON_SHOTS}Question: {question}\nBest answer: {flat(text, ANSWER_CHARS)}\nReason:"


def repeats(prompt: str, text: str) -> bool:
    """Whether `prompt` contains a whole sentence of `text`: an example, or an answer given as its own evidence."""
    sentences = (part.strip(" .") for part in _SENTENCE_ENDS.split(text))
    return any(len(sentence) >= _REPEATED_CHARS and sentence in prompt for sentence in sentences)


def flat(text: str, most: int) -> str:
    """`text` on one line, without characters that show nothing, cut at the last whole word within `most`
    characters."""
    line = one_line(text[: most * 4])
    return line if len(line) <= most else line[:most].rsplit(" ", 1)[0]
