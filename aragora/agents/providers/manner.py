"""How a model is asked where its server does not know, or not allow, a part of the usual call: a pure rule.

A server that refuses a call and names one of its parts is asked once more without that part, or with what stands in for
it. What then works is kept for the model, so that nothing is refused twice. The form of the answer goes down by steps:
JSON by the schema, any JSON object, and at last the prompt's words alone, which ask for JSON anyway.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from typing import Final

from aragora.agents import causes

MOST_STEPS: Final = 8  # of one call
_STATUSES: Final = frozenset({400, 422, 500, 501})
_OTHER_CAUSES: Final = frozenset(
    {causes.CONTEXT_TOO_LONG, causes.NO_CREDIT, causes.WRONG_KEY, causes.REFUSED_BY_POLICY, causes.OUT_OF_MEMORY}
)


class Form(StrEnum):
    """What holds the model to JSON."""

    SCHEMA = "json_schema"
    OBJECT = "json_object"
    WORDS = "words"


@dataclass(frozen=True, slots=True)
class Manner:
    """The parts of a call that some server refuses. `other_limit`: the limit of tokens has its other name."""

    form: Form = Form.SCHEMA
    stream_options: bool = True
    streams: bool = True
    system: bool = True
    temperature: bool = True
    effort: bool = True
    other_limit: bool = False

    @property
    def mark(self) -> str:
        """What tells apart the idempotency keys of calls in several manners; empty for the usual one."""
        usual = Manner()
        changed = [part.name for part in fields(self) if getattr(self, part.name) != getattr(usual, part.name)]
        return f":{self.form}:{'-'.join(changed)}" if changed else ""


@dataclass(frozen=True, slots=True)
class Step:
    """The next manner to try, and for the record what was left out."""

    manner: Manner
    remark: str


def after(manner: Manner, provider: str, status: int, told: str) -> Step | None:
    """What to try after a call in `manner` was refused with these words; None where they name nothing that could be
    left out (any more)."""
    if status not in _STATUSES or not _REFUSES.search(told) or causes.code_of(status, told) in _OTHER_CAUSES:
        return None
    for name, pattern, step in _RULES:
        if pattern.search(told):
            changed = step(manner)
            if changed != manner:
                instead = "without it" if changed.form is manner.form else _INSTEAD[changed.form]
                return Step(changed, f"{provider} refused {name}, and was asked again {instead}")
    return None


_REFUSES: Final = re.compile(
    r"(?i)unsupported|not supported|unknown|unrecogni[sz]ed|unexpected|not (?:be )?(?:permitted|allowed|enabled|available)"
    r"|unavailable|invalid|(?:does not|doesn't|don't|cannot|must) (?:support|alternate|be)|only the default|only user"
    r"|\bfail(?:ed|s)? to (?:parse|initiali[sz]e|compile|generate|validate)|too (?:many|complex)"
    r"|not (?:a )?valid|extra (?:inputs?|fields?)|is deprecated|incompatible"
)


def _weaker(manner: Manner) -> Manner:
    weaker = {Form.SCHEMA: Form.OBJECT, Form.OBJECT: Form.WORDS, Form.WORDS: Form.WORDS}
    return replace(manner, form=weaker[manner.form])


_INSTEAD: Final = {Form.OBJECT: "with any JSON object", Form.WORDS: "in words alone"}


_RULES: Final[tuple[tuple[str, re.Pattern[str], Callable[[Manner], Manner]], ...]] = (
    (
        "the form of the answer",
        re.compile(
            r"(?i)response[_ ]?format|json[_ ]?(?:schema|object|mode)|structured[_ ]outputs?|output_config|output_format"
            r"|response_?(?:json_?)?schema|response_?mime_?type|\bgrammar\b|guided_"
            r"|json_validate_failed|failed to (?:generate|validate) json|\bschema\b.{0,80}\btoo (?:many|complex|deep|large)"
        ),
        _weaker,
    ),
    ("stream_options", re.compile(r"stream_options"), lambda manner: replace(manner, stream_options=False)),
    (
        "a stream",
        re.compile(r"(?i)['\"`]stream['\"`]|\bstreaming\b|\bto stream\b"),
        lambda manner: replace(manner, streams=False),
    ),
    (
        "the system role",
        re.compile(
            r"(?i)\bsystem (?:role|message|prompt|instruction)|developer instruction|roles? must alternate"
            r"|only user and assistant|role:? ['\"`]?system|role['\"`]? does not support ['\"`]system"
        ),
        lambda manner: replace(manner, system=False),
    ),
    (
        "the name of the limit of tokens",
        re.compile(r"max_(?:completion_)?tokens"),
        lambda manner: replace(manner, other_limit=True),
    ),
    ("the temperature", re.compile(r"(?i)\btemperature\b"), lambda manner: replace(manner, temperature=False)),
    ("the effort", re.compile(r"(?i)\b(?:reasoning_?)?effort\b"), lambda manner: replace(manner, effort=False)),
)
