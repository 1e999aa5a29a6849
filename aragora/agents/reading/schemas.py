"""The JSON schemas of answers, as strict structured outputs of all providers accept them: objects without additional
properties, every property required, enums, no ranges or lengths."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

ABSTAIN: Final = "ABSTAIN"
"""What stands in the place of a label where a voter abstains."""

Schema = dict[str, Any]


def _text(description: str) -> Schema:
    return {"type": "string", "description": description}


def _list_of(items: Schema, description: str) -> Schema:
    return {"type": "array", "description": description, "items": items}


_TEXT: Final[Schema] = {"type": "string"}
_REASON: Final = _text("One sentence: what decides.")
_CONFIDENCE: Final[Schema] = {"type": "number", "description": "From 0 (a guess) to 1 (certain)."}


@dataclass(frozen=True, eq=False)
class AnswerModel:
    """The form of one kind of answer: its name, the property without which there is no answer, and all properties."""

    name: str
    required: str
    properties: dict[str, Schema]


PROPOSAL: Final = AnswerModel(
    "proposal",
    "answer",
    {
        "answer": _text("The answer. Its first sentence is the conclusion, the reasons follow."),
        "evidence": _list_of(_TEXT, "Facts or sources that decide, one an item."),
        "confidence": _CONFIDENCE,
    },
)
CRITIQUE: Final = AnswerModel(
    "critique",
    "issues",
    {
        "issues": _list_of(_TEXT, "What is wrong or missing, one an item; empty if nothing is."),
        "suggestions": _list_of(_TEXT, "How to mend it, one an item."),
        "severity": {"type": "number", "description": "From 0 (fine) to 1 (fatal)."},
    },
)
CHOICE: Final = AnswerModel(
    "choice",
    "choice",
    {"reason": _REASON, "choice": _text("The label of the best answer."), "confidence": _CONFIDENCE},
)
RANKING: Final = AnswerModel(
    "ranking",
    "ranking",
    {"reason": _REASON, "ranking": _list_of(_TEXT, "Every label once, the best first."), "confidence": _CONFIDENCE},
)
GROUPING: Final = AnswerModel(
    "grouping",
    "groups",
    {
        "groups": _list_of(
            _list_of(_TEXT, "Labels of one group."), "Every label once, those of one conclusion together."
        ),
        "reason": _text("One sentence: what the groups differ in."),
    },
)

DESCRIPTIONS: Final = tuple(
    found["description"]
    for model in (PROPOSAL, CRITIQUE, CHOICE, RANKING, GROUPING)
    for found in model.properties.values()
)
"""What is said of the properties; some models write it in the place of an answer."""


def keys_of(model: AnswerModel, options: tuple[str, ...]) -> list[str]:
    """The properties of the schema that `schema_of` gives, in its order."""
    return ["option", *model.properties] if model is PROPOSAL and options else list(model.properties)


@lru_cache(maxsize=256)
def schema_of(model: AnswerModel, labels: tuple[str, ...], options: tuple[str, ...]) -> Schema:
    """The schema of an answer that may name `labels` and must name one of `options`, where there are any."""
    properties = dict(model.properties)
    if model is PROPOSAL and options:
        option = {"type": "string", "description": "The option that the answer chooses.", "enum": list(options)}
        properties = {"option": option, **properties}
    elif model is CHOICE and labels:
        properties["choice"] = {**properties["choice"], "enum": [*labels, ABSTAIN]}
    elif model is RANKING and labels:
        properties["ranking"] = {**properties["ranking"], "items": {**_TEXT, "enum": [*labels, ABSTAIN]}}
    elif model is GROUPING and labels:
        group = {**properties["groups"]["items"], "items": {**_TEXT, "enum": list(labels)}}
        properties["groups"] = {**properties["groups"], "items": group}
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
