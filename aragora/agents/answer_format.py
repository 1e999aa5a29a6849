"""The form of an answer: the JSON schema a model is asked for, and how its text becomes a proposal, critique or ballot.

The schemas keep to what strict structured outputs of all providers accept: objects without additional properties,
every property required, enums, no ranges or lengths. Reading is more tolerant than asking: code fences and prose
around the JSON, a single string where a list is wanted, "80%" for 0.8, and a lower-case label are understood; text
that is too long is cut. What stays unclear raises `AnswerInvalid`; its text fits into a prompt that asks for a repair.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import lru_cache
from typing import Annotated, Any, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, ValidationError

from aragora.agents import border
from aragora.debate.model import AgentRequest, AskKind, Ballot, Content, Critique, Proposal
from aragora.limits import ANSWER_MAX_CHARS, COMPLETION_MAX_CHARS, NOTE_MAX_CHARS, NOTES_MAX

_HIGHEST_PERCENT: Final = 100.0
_MAX_STARTS: Final = 50  # braces tried as the start of an object; keeps hostile text cheap

_json = json.JSONDecoder(strict=False)  # models put raw line breaks into strings


class AnswerInvalid(ValueError):
    """The model's text is not an answer to the ask; the message says what is wrong, in words a model can follow."""


# --- Models -----------------------------------------------------------------------------------------------


def _clean(value: object) -> object:
    """A text without what pydantic, UTF-8 and the databases refuse: half a character does not lose the answer."""
    return border.text(value, COMPLETION_MAX_CHARS) if isinstance(value, str) else value


def _as_list(value: object) -> object:
    if value is None:
        return []
    return [value] if isinstance(value, str) else value


def _as_share(value: object) -> object:
    """0.8 from 0.8, "0.8", 80 or "80%"."""
    if isinstance(value, str):
        text = value.strip()
        try:
            value = float(text.removesuffix("%")) / (_HIGHEST_PERCENT if text.endswith("%") else 1.0)
        except ValueError:
            return text
    if isinstance(value, int | float) and 1.0 < value <= _HIGHEST_PERCENT:
        return value / _HIGHEST_PERCENT
    return value


_Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1), BeforeValidator(_clean)]
_Note = Annotated[str, StringConstraints(strip_whitespace=True), BeforeValidator(_clean)]
_Notes = Annotated[list[_Note], BeforeValidator(_as_list)]
_Share = Annotated[float, BeforeValidator(_as_share), Field(ge=0.0, le=1.0, allow_inf_nan=False)]


class _Answer(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class ProposalAnswer(_Answer):
    """An answer to the question."""

    answer: _Text = Field(description="The answer. Its first sentence is the conclusion, the reasons follow.")
    evidence: _Notes = Field(default_factory=list, description="Facts or sources that decide, one an item.")
    confidence: _Share = Field(default=0.5, description="From 0 (a guess) to 1 (certain).")


class CritiqueAnswer(_Answer):
    """What is wrong with an answer."""

    issues: _Notes = Field(description="What is wrong or missing, one an item; empty if nothing is.")
    suggestions: _Notes = Field(default_factory=list, description="How to mend it, one an item.")
    severity: _Share = Field(default=0.5, description="From 0 (fine) to 1 (fatal).")


class ChoiceAnswer(_Answer):
    """A vote or verdict."""

    reason: _Note = Field(default="", description="One sentence: what decides.")
    choice: _Text = Field(description="The label of the best answer.")
    confidence: _Share = Field(default=0.5, description="From 0 (a guess) to 1 (certain).")


class RankingAnswer(_Answer):
    """An order of all answers."""

    reason: _Note = Field(default="", description="One sentence: what decides.")
    ranking: Annotated[list[_Text], BeforeValidator(_as_list)] = Field(
        min_length=1, description="Every label once, the best first."
    )
    confidence: _Share = Field(default=0.5, description="From 0 (a guess) to 1 (certain).")


_MODEL: Final[dict[AskKind, type[_Answer]]] = {
    AskKind.PROPOSE: ProposalAnswer,
    AskKind.REVISE: ProposalAnswer,
    AskKind.CHALLENGE: ProposalAnswer,
    AskKind.SYNTHESIZE: ProposalAnswer,
    AskKind.CRITIQUE: CritiqueAnswer,
    AskKind.VOTE: ChoiceAnswer,
    AskKind.JUDGE: ChoiceAnswer,
    AskKind.RANK: RankingAnswer,
}
_SCHEMA_NAME: Final[dict[type[_Answer], str]] = {
    ProposalAnswer: "proposal",
    CritiqueAnswer: "critique",
    ChoiceAnswer: "choice",
    RankingAnswer: "ranking",
}


# --- Schemas ----------------------------------------------------------------------------------------------


def answer_schema(request: AgentRequest) -> tuple[str, dict[str, Any]]:
    """The name and JSON schema of the answer to `request`. Shared and cached: do not change it."""
    return _schema(_MODEL[request.ask.kind], labels_of(request))


def labels_of(request: AgentRequest) -> tuple[str, ...]:
    """The labels a ballot may name."""
    return tuple(candidate.label for candidate in request.brief.candidates)


@lru_cache(maxsize=256)
def _schema(model: type[_Answer], labels: tuple[str, ...]) -> tuple[str, dict[str, Any]]:
    schema = _strict(model.model_json_schema())
    if labels and model is ChoiceAnswer:
        schema["properties"]["choice"]["enum"] = list(labels)
    elif labels and model is RankingAnswer:
        schema["properties"]["ranking"]["items"]["enum"] = list(labels)
    return _SCHEMA_NAME[model], schema


def _strict(schema: dict[str, Any]) -> dict[str, Any]:
    """`schema` without what strict structured outputs refuse: titles, defaults, ranges, lengths."""
    kept: dict[str, Any] = {key: schema[key] for key in ("type", "description") if key in schema}
    if "items" in schema:
        kept["items"] = _strict(schema["items"])
    if schema.get("type") == "object":
        kept["properties"] = {name: _strict(part) for name, part in schema["properties"].items()}
        kept["required"] = list(schema["properties"])
        kept["additionalProperties"] = False
    return kept


# --- Reading ----------------------------------------------------------------------------------------------


def parse_answer(request: AgentRequest, text: str) -> Content:
    """The answer to `request` in a model's `text`. Raises AnswerInvalid."""
    if len(text) > COMPLETION_MAX_CHARS:
        raise AnswerInvalid(f"The answer has {len(text)} characters; at most {COMPLETION_MAX_CHARS} are allowed.")
    model = _MODEL[request.ask.kind]
    try:
        found = model.model_validate_json(text)
    except ValidationError as error:
        found = _found_within(model, text, error)
    return _CONTENT[type(found)](found, request)


def _found_within(model: type[_Answer], text: str, first: ValidationError) -> _Answer:
    """The answer among the JSON objects inside `text`, the last one that fits."""
    objects = _objects_in(text)
    if not objects:
        raise AnswerInvalid(f"No JSON object was found. Answer with one object with the keys {_keys(model)}.")
    error = first
    for found in reversed(objects):
        try:
            return model.model_validate(found)
        except ValidationError as wrong:
            error = wrong
    raise AnswerInvalid(_explained(model, error)) from None


def _objects_in(text: str) -> list[dict[str, Any]]:
    """The outermost JSON objects in `text`, in order; braces that begin none are skipped. Models wrap them in
    code fences, put them after their reasoning, or add a closing remark."""
    found: list[dict[str, Any]] = []
    position = text.find("{")
    for _ in range(_MAX_STARTS):
        if position < 0:
            break
        try:
            value, end = _json.raw_decode(text, position)
        except (ValueError, RecursionError):  # also of a number with thousands of digits
            end = position + 1
        else:
            found.append(value)
        position = text.find("{", end)
    return found


def _explained(model: type[_Answer], error: ValidationError) -> str:
    problems = "; ".join(
        f"{'.'.join(str(part) for part in problem['loc']) or 'the object'}: {problem['msg']}"
        for problem in error.errors(include_url=False, include_input=False, include_context=False)[:5]
    )
    return f"The JSON does not fit: {problems}. Answer with one object with the keys {_keys(model)}."


def _keys(model: type[_Answer]) -> str:
    return ", ".join(model.model_fields)


def _proposal(found: Any, _request: AgentRequest) -> Proposal:
    return Proposal(border.text(found.answer, ANSWER_MAX_CHARS), found.confidence, _items(found.evidence))


def _critique(found: Any, _request: AgentRequest) -> Critique:
    return Critique(_items(found.issues), _items(found.suggestions), found.severity)


def _choice(found: Any, request: AgentRequest) -> Ballot:
    return Ballot(_label(found.choice, labels_of(request)), found.confidence, border.text(found.reason, NOTE_MAX_CHARS))


def _ranking(found: Any, request: AgentRequest) -> Ballot:
    labels = labels_of(request)
    ranking = tuple(dict.fromkeys(_label(named, labels) for named in found.ranking))
    return Ballot(ranking[0], found.confidence, border.text(found.reason, NOTE_MAX_CHARS), ranking)


_CONTENT: Final[dict[type[_Answer], Callable[[Any, AgentRequest], Content]]] = {
    ProposalAnswer: _proposal,
    CritiqueAnswer: _critique,
    ChoiceAnswer: _choice,
    RankingAnswer: _ranking,
}


def _label(named: str, labels: tuple[str, ...]) -> str:
    if named in labels:
        return named
    plain = named.upper().removeprefix("ANSWER").strip(" .:()[]\"'*")
    if plain in labels:
        return plain
    raise AnswerInvalid(f"{named[:40]!r} is not a label. Choose among: {', '.join(labels)}.")


def _items(notes: list[str]) -> tuple[str, ...]:
    return tuple(border.text(note, NOTE_MAX_CHARS) for note in notes if note)[:NOTES_MAX]
