"""The form of an answer: the JSON schema a model is asked for, and how its text becomes the content of a reply.

Reading is more tolerant than asking; each tolerance stands in a file of `aragora.agents.reading`.

Rules
- The first JSON object outside of thoughts that can be read as the answer counts. A text without any object is an
  abstention where it only refuses, and otherwise no answer.
- Where something is unclear, nothing is guessed. What decides (the answer, its option, a label, a group) then raises
  `AnswerInvalid`; its text says what is wrong, in words that let a model mend it. What does not decide (a confidence, a
  piece of evidence) never loses the answer: it is taken as if absent, and a remark says so.
- Nothing is cut silently: an answer that is too long is refused, a note is shortened with a remark.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from aragora.agents import border
from aragora.agents.frames import one_line
from aragora.agents.reading.embedded_json import Spoken, spoken_in
from aragora.agents.reading.error_texts import is_error
from aragora.agents.reading.labels import label_of, labels_in, undecorated
from aragora.agents.reading.marks import DASHES, EMPHASIS, QUOTES, STOPS
from aragora.agents.reading.options import conclusion_of, option_of
from aragora.agents.reading.placeholders import is_placeholder
from aragora.agents.reading.plain_texts import note_of, text_of
from aragora.agents.reading.refusals import NO_REASON, abstention_in
from aragora.agents.reading.schemas import (
    ABSTAIN,
    CHOICE,
    CRITIQUE,
    GROUPING,
    PROPOSAL,
    RANKING,
    AnswerModel,
    keys_of,
    schema_of,
)
from aragora.agents.reading.shares import share_of
from aragora.agents.reading.wrappers import opened
from aragora.debate.model import Abstention, AgentRequest, AskKind, Ballot, Content, Critique, Grouping, Proposal
from aragora.limits import ANSWER_MAX_CHARS, COMPLETION_MAX_CHARS, NOTE_MAX_CHARS, NOTES_MAX
from aragora.texts import counted

_UNSURE: Final = 0.5  # a confidence or severity that is absent or cannot be read
_QUOTED_CHARS: Final = 40
_OPTION_QUOTED_CHARS: Final = 60
_PROBLEM_CHARS: Final = 700  # leaves room for the keys, so that the whole fits into a failure's message
_SAYING_NOTHING: Final = QUOTES + EMPHASIS + DASHES + STOPS + "()[]<>{}/|# \n\t" + border.HALF  # as a whole answer
_NONE_OF_THEM: Final = frozenset({"none", "neither", "none of them", "none of these", "none of the above"})

_MODEL: Final[dict[AskKind, AnswerModel]] = {
    AskKind.PROPOSE: PROPOSAL,
    AskKind.REVISE: PROPOSAL,
    AskKind.CHALLENGE: PROPOSAL,
    AskKind.SYNTHESIZE: PROPOSAL,
    AskKind.CRITIQUE: CRITIQUE,
    AskKind.VOTE: CHOICE,
    AskKind.JUDGE: CHOICE,
    AskKind.RANK: RANKING,
    AskKind.GROUP: GROUPING,
}


@dataclass(frozen=True, slots=True)
class Understood:
    """An answer as it was read; `remarks` say what was not as it was asked for, and how it was taken."""

    content: Content
    remarks: tuple[str, ...] = ()


class AnswerInvalid(ValueError):
    """The model's text is not an answer to the ask; the message says what is wrong, in words a model can follow."""


def answer_schema(request: AgentRequest) -> tuple[str, dict[str, Any]]:
    """The name and JSON schema of the answer to `request`. Shared and cached: do not change it."""
    model = _MODEL[request.ask.kind]
    return model.name, schema_of(model, labels_of(request), request.brief.options)


def labels_of(request: AgentRequest) -> tuple[str, ...]:
    """The labels a ballot may name."""
    return tuple(candidate.label for candidate in request.brief.candidates)


def parse_answer(request: AgentRequest, text: str) -> Understood:
    """The answer to `request` in a model's `text`. Raises AnswerInvalid."""
    if len(text) > COMPLETION_MAX_CHARS:
        raise AnswerInvalid(f"The answer has {len(text)} characters; at most {COMPLETION_MAX_CHARS} are allowed.")
    model = _MODEL[request.ask.kind]
    keys = keys_of(model, request.brief.options)
    spoken = spoken_in(text)
    problem = None
    for found in spoken.objects:
        answer = _Fields(opened(found, model.required, keys))
        try:
            content = _READ[model](answer, request)
        except AnswerInvalid as wrong:
            if problem is None or (model.required in answer.found and not problem[0]):
                problem = (model.required in answer.found, wrong)
        else:
            return Understood(content, tuple(answer.remarks))
    if problem is None or (spoken.broken and not problem[0]):
        return _without_object(spoken, request, keys)
    said = border.text(str(problem[1]), _PROBLEM_CHARS)
    raise AnswerInvalid(f"{said} Answer with one object with the keys {', '.join(keys)}.")


def _without_object(spoken: Spoken, request: AgentRequest, keys: Sequence[str]) -> Understood:
    """The abstention that a text without a JSON object may be. Raises AnswerInvalid."""
    if request.ask.kind is not AskKind.GROUP:
        reason = abstention_in(border.text(spoken.prose, COMPLETION_MAX_CHARS).strip())
        if reason is not None:
            remarks: list[str] = []
            return Understood(Abstention(_shortened(reason, "reason", remarks)), tuple(remarks))
    where = " outside of your thoughts" if spoken.thought else ""
    if spoken.broken:
        said = border.text(spoken.broken, _PROBLEM_CHARS)
        where = f"{where} that can be read: {said}"
    raise AnswerInvalid(f"No JSON object was found{where}. Answer with one object with the keys {', '.join(keys)}.")


# --- Fields -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Fields:
    """The fields of one object that may be the answer, and the remarks on how they were read."""

    found: dict[str, Any]
    remarks: list[str] = field(default_factory=list)

    def require(self, key: str) -> Any:
        """What stands under `key`. Raises AnswerInvalid where it is missing."""
        if key not in self.found:
            raise AnswerInvalid(f"{key}: It is missing.")
        return self.found[key]

    def share(self, key: str) -> float:
        """The confidence or severity under `key`; 0.5 where there is none, with a remark where it cannot be read."""
        if key not in self.found:
            return _UNSURE
        share = share_of(self.found[key])
        if share is None:
            self.remarks.append(f"The {key} {_quoted(self.found[key])} cannot be read as a share; it counts as 0.5.")
            return _UNSURE
        return share

    def notes(self, key: str) -> tuple[str, ...]:
        """The notes under `key`, as many and as long as are kept; remarks say what was left out."""
        value = self.found.get(key)
        values = value if isinstance(value, list) else [value]
        read = [note_of(one) for one in values]
        if read and read[0] and is_placeholder(read[0]):
            read = self._without_placeholders(key, read)
        if len(read) <= NOTES_MAX and all(note and len(note) <= NOTE_MAX_CHARS for note in read):
            return tuple(note for note in read if note)  # as nearly all are
        said = [note for note in read if note]
        kept = tuple(border.text(note, NOTE_MAX_CHARS) for note in said[:NOTES_MAX])
        for number, what in (
            (read.count(None), "could not be read and {} left out"),
            (len(said) - len(kept), f"beyond the first {NOTES_MAX} {{}} left out"),
            (
                sum(len(note) > NOTE_MAX_CHARS for note in said[:NOTES_MAX]),
                f"{{}} shortened to {NOTE_MAX_CHARS} characters",
            ),
        ):
            if number:
                self.remarks.append(
                    f"Of {key}, {counted(number, 'item')} {what.format('was' if number == 1 else 'were')}."
                )
        return kept

    def _without_placeholders(self, key: str, read: list[str | None]) -> list[str | None]:
        left = [note for note in read if note is None or not is_placeholder(note)]
        was = "was a placeholder" if len(read) - len(left) == 1 else "were placeholders"
        self.remarks.append(f"Of {key}, {counted(len(read) - len(left), 'item')} {was} and left out.")
        return left

    def reason(self) -> str:
        """The reason of a vote or grouping, empty where there is none."""
        return _shortened(note_of(self.found.get("reason")) or "", "reason", self.remarks)


def _shortened(note: str, name: str, remarks: list[str]) -> str:
    if len(note) > NOTE_MAX_CHARS:
        remarks.append(f"The {name} was shortened from {len(note)} to {NOTE_MAX_CHARS} characters.")
    return border.text(note, NOTE_MAX_CHARS)


def _quoted(value: Any) -> str:
    """`value` as a model wrote it, short enough for a message."""
    try:
        return border.text(json.dumps(value, ensure_ascii=False), _QUOTED_CHARS)
    except RecursionError:  # it was read a few calls further up
        return "what nests so deep"


# --- Answers ----------------------------------------------------------------------------------------------


def _proposal(answer: _Fields, request: AgentRequest) -> Content:
    value, options = answer.require("answer"), request.brief.options
    text = text_of(value)
    if text is None:
        raise AnswerInvalid("answer: It must be one text; write its paragraphs into one string.")
    if not text.strip(_SAYING_NOTHING):
        raise AnswerInvalid("answer: It is empty. Write your answer to the question.")
    reason = abstention_in(text)
    says_nothing = reason is not None or is_error(text)
    if says_nothing and option_of(text, options) is None:  # an option may well be "Abstain" or "Internal server error"
        if reason is not None:
            return Abstention(_shortened(reason, "reason", answer.remarks))
        raise AnswerInvalid(f"answer: {_quoted(text)} is an error message, no answer. Answer the question itself.")
    if is_placeholder(text) and option_of(text, options) is None:
        raise AnswerInvalid(
            f"answer: {_quoted(text)} is the placeholder for an answer. Write your answer to the question in its place, "
            "in a sentence of your own."
        )
    if len(text) > ANSWER_MAX_CHARS:
        raise AnswerInvalid(
            f"answer: It has {len(text)} characters; at most {ANSWER_MAX_CHARS} are allowed. Shorten it: keep the "
            "conclusion and the reasons that decide."
        )
    option = _option(answer, text, options)
    if isinstance(value, list | dict):
        answer.remarks.append(
            f"The answer came as {'a list' if isinstance(value, list) else 'an object'} and was joined."
        )
    return Proposal(text, answer.share("confidence"), answer.notes("evidence"), option)


def _option(answer: _Fields, text: str, options: Sequence[str]) -> str:
    """The option that the answer `text` chooses; empty where there are none. Raises AnswerInvalid."""
    if not options:
        return ""
    named, concluded = option_of(answer.found.get("option"), options), conclusion_of(text, options)
    if named is not None and concluded is not None and named != concluded:
        answer.remarks.append(
            f"The option is {_quoted(named)}, but the answer begins with {_quoted(concluded)}; the option counts."
        )
    option = named or concluded
    if option is None:
        raise AnswerInvalid(_no_option(answer.found.get("option"), options))
    return option


def _no_option(named: Any, options: Sequence[str]) -> str:
    shown = "; ".join(
        f"{number}. {border.text(one_line(option), _OPTION_QUOTED_CHARS)}" for number, option in enumerate(options, 1)
    )
    what = "It is missing" if named in (None, "") else f"{_quoted(named)} does not name one of the options for certain"
    return f"option: {what}. Name exactly one of: {shown}."


def _critique(answer: _Fields, _request: AgentRequest) -> Content:
    value = answer.require("issues")
    critique = Critique(answer.notes("issues"), answer.notes("suggestions"), answer.share("severity"))
    if value and not critique.issues and not critique.suggestions:
        raise AnswerInvalid(
            f"issues: {_quoted(value)} cannot be read. Write a list of texts, empty if nothing is wrong."
        )
    if len(critique.issues) == 1 and not critique.suggestions:
        reason = abstention_in(critique.issues[0])
        if reason is not None:
            return Abstention(reason)
    return critique


# --- Ballots ----------------------------------------------------------------------------------------------


def _choice(answer: _Fields, request: AgentRequest) -> Content:
    named, labels = answer.require("choice"), labels_of(request)
    choice = label_of(named, labels)
    if choice is None:
        return _abstention(answer, named) or _refuse_label("choice", named, labels)
    ranking = _labels(answer.found.get("ranking"), labels)
    if ranking and ranking[0] != choice:
        answer.remarks.append(
            f"The choice is {choice}, but a ranking was given that begins with {ranking[0]}; the choice counts."
        )
    return Ballot(choice, answer.share("confidence"), answer.reason())


def _ranking(answer: _Fields, request: AgentRequest) -> Content:
    named, labels = answer.require("ranking"), labels_of(request)
    abstained = _abstention(answer, named)
    if abstained is not None:
        return abstained
    for one in named if isinstance(named, list) else ():
        if label_of(one, labels) is None and _labels(named, labels) is None:
            return _refuse_label("ranking", one, labels)
    ranking = _labels(named, labels)
    if not ranking:
        raise AnswerInvalid(f"ranking: It names no label. List every label once, the best first: {', '.join(labels)}.")
    if len(ranking) < len(labels):
        answer.remarks.append(f"The ranking names {len(ranking)} of {counted(len(labels), 'answer')}.")
    choice = label_of(answer.found.get("choice"), labels)
    if choice is not None and choice != ranking[0]:
        answer.remarks.append(
            f"The ranking begins with {ranking[0]}, but the choice {choice} was given too; the ranking counts."
        )
    return Ballot(ranking[0], answer.share("confidence"), answer.reason(), ranking)


def _labels(named: Any, labels: Sequence[str]) -> tuple[str, ...] | None:
    """The labels that a list, or a text like "B > A", names, each once; None where a part of it is no label."""
    found: list[str] = []
    for one in named if isinstance(named, list) else [named]:
        label = label_of(one, labels)
        several = [label] if label is not None else labels_in(one, labels) if isinstance(one, str) else None
        if several is None:
            return None
        found.extend(several)
    return tuple(dict.fromkeys(found))


def _abstention(answer: _Fields, named: Any) -> Abstention | None:
    """The abstention that stands where a label should: ABSTAIN, none of them, or a refusal."""
    if isinstance(named, list) and len(named) == 1:
        named = named[0]
    if not isinstance(named, str):
        return None
    text = border.text(named, COMPLETION_MAX_CHARS)
    reason = abstention_in(text)
    if reason is None and undecorated(text[:NOTE_MAX_CHARS]).rstrip(".! ").casefold() in _NONE_OF_THEM:
        reason = NO_REASON
    if reason is None:
        return None
    return Abstention(answer.reason() or _shortened(reason, "reason", answer.remarks))


def _refuse_label(key: str, named: Any, labels: Sequence[str]) -> Content:
    raise AnswerInvalid(
        f"{key}: {_quoted(named)} is not a label. Choose among: {', '.join(labels)}, or {ABSTAIN} if you cannot tell."
    )


# --- Groups -----------------------------------------------------------------------------------------------


def _grouping(answer: _Fields, request: AgentRequest) -> Content:
    named, labels = answer.require("groups"), labels_of(request)
    groups = [_group(one, labels) for one in _parts(named)]
    groups = [group for group in groups if group]
    placed: set[str] = set()
    for group in groups:
        twice = placed.intersection(group)
        if twice:
            raise AnswerInvalid(
                f"groups: The label {min(twice)} stands in two groups. Put each label into exactly one."
            )
        placed.update(group)
    alone = [label for label in labels if label not in placed]
    if not placed:
        raise AnswerInvalid(
            f"groups: No label was found. Put each of these into exactly one group: {', '.join(labels)}."
        )
    if alone:
        answer.remarks.append(f"The grouping left out {', '.join(alone)}; each was put into a group of its own.")
    return Grouping((*groups, *((label,) for label in alone)), answer.reason())


def _parts(named: Any) -> list[Any]:
    """The groups as they were written, not yet read. Raises AnswerInvalid where one cannot tell where a group ends."""
    if isinstance(named, dict):
        named = list(named.values())
    if not isinstance(named, list) or (
        len(named) > 1 and all(isinstance(one, str) and "," not in one for one in named)
    ):
        raise AnswerInvalid('groups: Write a list of lists of labels, such as [["A", "C"], ["B"]].')
    return named


def _group(named: Any, labels: Sequence[str]) -> tuple[str, ...]:
    if isinstance(named, dict):
        named = next((named[key] for key in ("labels", "answers", "members", "group") if key in named), named)
    if not named:
        return ()
    found = _labels(named, labels)
    if found is None:
        raise AnswerInvalid(f"groups: {_quoted(named)} is not a list of labels. The labels are: {', '.join(labels)}.")
    return found


_READ: Final[dict[AnswerModel, Callable[[_Fields, AgentRequest], Content]]] = {
    PROPOSAL: _proposal,
    CRITIQUE: _critique,
    CHOICE: _choice,
    RANKING: _ranking,
    GROUPING: _grouping,
}
