"""Whether a text only refuses, or only abstains.

Rules
- A text is a refusal only where it is short and every sentence of it refuses, excuses itself or takes leave, and at
  least one refuses. "I cannot recommend MongoDB, because ..." says something, so it is an answer.
- What is refused is told in general words ("this request", "that"), or follows "help with" to the end of the sentence.
  A sentence that goes on with "but", or gives another reason than rules or harm, says something.
- Other languages than English are read in their usual refusals only (`refusals_by_language`).
- "ABSTAIN: reason" is the form of an abstention that prompts ask for.

The patterns read a text in small letters, with one space between words and straight apostrophes.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Final

from aragora.agents.reading.marks import APOSTROPHES, DASHES, EMPHASIS, QUOTES
from aragora.agents.reading.refusals_by_language import REFUSAL

NO_REASON: Final = "no reason given"

_CHARS_MAX: Final = 500
_SENTENCE: Final = re.compile(r"(?<=[.!?]) |\n")
_PLAIN: Final = str.maketrans(dict.fromkeys(APOSTROPHES, "'") | dict.fromkeys(DASHES[:-1], ","))
_EDGES: Final = QUOTES + EMPHASIS + "()[] \n"


def _any_of(*patterns: str) -> re.Pattern[str]:
    """One pattern in place of several: nearly every sentence of an answer is tried, and matches none of them."""
    return re.compile("|".join(f"(?:{pattern})" for pattern in patterns))


# --- What a refusal is made of ----------------------------------------------------------------------------

_SORRY: Final = (
    r"(?:(?:i'm|i am|we're|we are) (?:(?:very|so|truly|really|deeply) )?(?:sorry|afraid(?: that)?)|sorry|"
    r"(?:my|our) (?:sincere )?apologies|(?:i|we) (?:sincerely )?apologi[sz]e(?: for (?:the|any) inconvenience)?|"
    r"unfortunately|regrettably|thank you for your (?:question|request|understanding))"
)
_AS_AI: Final = (
    r"as an? (?:responsible |large )?(?:ai|artificial intelligence|language model|llm|assistant)"
    r"(?:[ -](?:ai|language|model|assistant|system|program|created|developed|trained|by|[a-z]{1,15}ai|anthropic|google))"
    r"{0,8}"
)
_LEAD: Final = rf"(?:(?:{_SORRY}|{_AS_AI}) ?[,.;:!]? ?(?:(?:but|and|that|however) ?,? ?)?){{0,3}}"
_CANNOT: Final = (
    r"i(?: (?:really|simply|just|also|therefore))? ?"
    r"(?:cannot|can't|can not|could not|couldn't|won't|will not|"
    r"(?:'m| ?am) (?:currently )?(?:unable|not able|not allowed|not permitted|not comfortable)(?: to)?|"
    r"(?:must|have to|need to) (?:respectfully )?(?:decline|refuse)(?: to)?|"
    r"(?:respectfully )?(?:decline|refuse) to|(?:do not|don't) feel comfortable)"
)
_ACTION: Final = (
    r"(?:help(?:ing)?|assist(?:ing)?|answer(?:ing)?|comply(?:ing)?|fulfil(?:l|ling|ing)?|provid(?:e|ing)|"
    r"respond(?:ing)?|reply|do|continue|engag(?:e|ing)|discuss(?:ing)?|participat(?:e|ing)|complete|process|support|"
    r"give|offer|share|take|meet|generate|produce|create|make)"
)
_GENERAL: Final = (
    r"(?:you|with|to|in|on|about|an?|any|the|this|that|these|those|your|such|it|its|for|of|at|here|now|right|time|"
    r"moment|part|kind|type|sort|further|more|specific|direct|answers?|responses?|requests?|questions?|query|queries|"
    r"topics?|tasks?|contents?|information|assistance|help|support|advice|opinions?|recommendations?|debate|"
    r"discussion|conversation|matters?|subject|legal|medical|financial|professional|personal)"
)
_RULES: Final = (
    r"(?:,? ?(?:because|as|since|due to|given)\b[^.!?]{0,120}\b(?:guidelines?|policy|policies|harm|harmful|illegal|"
    r"unsafe|dangerous|unethical|ethical|inappropriate|programming|safety|not allowed|violat\w+)\b[^.!?]{0,60})?"
)
_SAYS_MORE: Final = r"\b(?:but|however|instead|although|though|yet|so|therefore|rather)\b"
# What is refused; a quotation that ends in it is quoted by more.
_SUBJECT: Final = rf"(?!.*{_SAYS_MORE})[^,;:.!?\"\u201c\u201d\u201e\u00ab\u00bb]{{1,100}}"

_REFUSING: Final = _any_of(
    rf"{_LEAD}{_CANNOT}(?: {_ACTION}(?: {_GENERAL}){{0,14}}{_RULES})?[.!]*",
    rf"{_LEAD}{_CANNOT} (?:help|assist)(?: you)? with {_SUBJECT}{_RULES}[.!]*",
    (
        rf"{_LEAD}{_CANNOT} (?:provide|give|offer|share|create|generate|write|produce)(?: you)?(?: with)?(?: any)? "
        r"(?:(?:explicit|harmful|sexual|violent|detailed|specific|such) )?"
        r"(?:content|instructions|guidance|information|material|malware)"
        r"(?: or (?:guidance|information|instructions|advice))?"
        rf"(?: (?:on|about|for|how|that|which|related)\b{_SUBJECT})?{_RULES}[.!]*"
    ),
    rf"{_LEAD}(?:i (?:would )?(?:prefer|rather) not(?: to)?|i'd (?:prefer|rather) not(?: to)?) answer(?: {_GENERAL}){{0,3}}[.!]*",
    rf"{_LEAD}i(?: will not|'ll not| won't) be able to (?:help|assist|answer)(?: {_GENERAL}){{0,8}}[.!]*",
    rf"{_LEAD}i(?:'m| am) not (?:going|willing) to (?:help|assist|answer)(?: {_GENERAL}){{0,8}}[.!]*",
    rf"{_LEAD}i (?:do not|don't) have enough information to (?:answer|tell|judge|decide)(?: {_GENERAL}){{0,4}}[.!]*",
    rf"{_LEAD}(?:cannot|unable to|can't) (?:answer|comply|help|assist)(?: {_GENERAL}){{0,6}}[.!]*",
    (
        rf"{_LEAD}(?:this|that|your) (?:request|question|prompt) (?:violates|goes against|is against) (?:my|our|the) "
        r"(?:content |usage |safety )?(?:guidelines|polic(?:y|ies)|rules)[.!]*"
    ),
    rf"{_LEAD}(?:that's|that is|this is) beyond my current scope[.!]*",
    (  # "As an AI, I do not have opinions."
        rf"{_LEAD}{_AS_AI} ?,? ?{_LEAD}"
        rf"(?:{_CANNOT} (?:have|hold|express|form|make|give|take|provide|offer|share)|i (?:do not|don't) have)"
        rf"(?: (?:{_GENERAL}|feelings?|beliefs?|preferences?|experiences?|views?|judge?ments?|decisions?|choices?|or|and|own"
        r"|my)){1,14}[.!]*"
    ),
    rf"{_LEAD}i (?:do not|don't) know(?: the answer)?(?: to (?:this|that|your)(?: question)?)?[.!]*",
    rf"{_LEAD}i (?:cannot|can't|can not) (?:tell|say|judge|decide)[.!]*",
)
_LEAVING: Final = _any_of(
    rf"{_SORRY}[.!]*",
    r"(?:please )?(?:let me know|feel free to (?:ask|reach)|ask me|don't hesitate to ask)\b[^.!?]{0,120}[.!]*",
    (
        r"if you (?:have|need|would like|want|are)\b[^.!?]{0,160}\b(?:let me know|feel free|happy to|glad to|here to|ask)\b"
        r"[^.!?]{0,100}[.!]*"
    ),
    r"(?:is there|can i|how (?:else )?(?:can|may) i|may i)\b[^.!?]{0,100}\b(?:help|assist)\b[^.!?]{0,60}[?.!]*",
    r"let's (?:talk|chat) about something else[.!]*",
    r"(?:i'm|i am) (?:just|only) an? (?:ai|language model)(?: model| assistant)?[.!]*",
    r"i(?:'m| am) programmed to be a (?:helpful and )?harmless (?:ai )?assistant[.!]*",
    r"(?:i'm|i am|we're|we are) (?:happy|glad|here) to (?:help|assist)\b[^.!?]{0,100}[.!]*",
    (
        r"(?:this|that|it|your request|the request) (?:goes against|violates|would violate|is against)\b[^.!?]{0,100}[.!]*"
    ),
    r"(?:i hope|thanks|thank you)\b[^.!?]{0,60}\bunderstand(?:ing)?[.!]*",
)

# --- Abstentions ------------------------------------------------------------------------------------------

_ABSTAIN: Final = re.compile(
    rf"(?:ABSTAIN(?:S|ED|ING)?|ABSTENTION)\b\s*[:.,;!{DASHES}]*\s*(?P<loud>.*)|"
    rf"(?i:(?:i )?abstain(?:s|ed|ing)?|abstention)(?:[\s.!]*$|\s*(?::|\s[{DASHES}])\s*(?P<marked>.*))|"
    r"(?i:i abstain)(?:[.,;!]\s*|\s+(?=because|since|as\b))(?P<plain>.*)",
    re.DOTALL,
)


def abstention_in(text: str) -> str | None:
    """The reason of the abstention that `text` is, or the text itself where it only refuses; None for an answer."""
    marked = _ABSTAIN.match(text.strip(_EDGES))
    if marked is not None:
        return (marked["loud"] or marked["marked"] or marked["plain"] or "").strip(_EDGES) or NO_REASON
    return text if is_refusal(text) else None


def is_refusal(text: str) -> bool:
    """Whether `text` refuses, and says nothing else."""
    if len(text) > _CHARS_MAX:
        return False
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text).translate(_PLAIN)
    lines = (" ".join(line.split()) for line in text.casefold().split("\n"))
    plain = "\n".join(lines).strip(_EDGES)
    if REFUSAL.fullmatch(plain.replace("\n", " ")):
        return True
    refused = False
    for sentence in _sentences(plain):
        said = sentence.strip(_EDGES)
        if _REFUSING.fullmatch(said):
            refused = True
        elif said and not _LEAVING.fullmatch(said):
            return False
    return refused


def _sentences(text: str) -> Iterator[str]:
    """One by one: the first of an answer already shows that it is one."""
    begin = 0
    for end in _SENTENCE.finditer(text):
        yield text[begin : end.start()]
        begin = end.end()
    yield text[begin:]
