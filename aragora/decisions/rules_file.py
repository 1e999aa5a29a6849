"""The routing rules: those that come with Aragora, or an operator's file in their place."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from aragora import violations
from aragora.debate.model import ConsensusMode
from aragora.debate.proposition import Proposition
from aragora.debate.protocol import preset
from aragora.decisions.rules import RuleBook, Stakes, Target, check
from aragora.encoding import from_plain
from aragora.errors import InvalidInput, Misconfigured
from aragora.texts import line

DEFAULT: Final = Path(__file__).parent / "default_rules.toml"
_RULES_MAX: Final = 500
_USUAL: Final = Proposition(question="?").protocol  # of who names none

_Text = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(line)]
_Texts = Annotated[list[_Text], Field(max_length=100)]
_Count = Annotated[int, Field(ge=0)]
_Amount = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _When(_Table):
    stakes: list[Stakes] = []
    domains: _Texts = []
    organisations: _Texts = []
    workspaces: _Texts = []
    chars_at_least: _Count | None = None
    chars_below: _Count | None = None
    budget_below_usd: _Amount | None = None
    deadline_below_s: _Amount | None = None
    options_at_least: _Count | None = None


class _Rule(_Table):
    name: _Text
    to: Target
    why: _Text
    when: _When = _When()
    protocol: _Text | None = None
    rounds: int | None = None
    consensus: ConsensusMode | None = None
    agents: _Texts = []
    workflow: _Text | None = None


class _Book(_Table):
    version: _Text
    rules: Annotated[list[_Rule], Field(min_length=1, max_length=_RULES_MAX)]


def rules_of(path: Path | None) -> RuleBook:
    """The rules in `path`; None: those that come with Aragora. A file is read once a process: a new one is in force
    with the next start, and its version makes new keys of all questions. Raises Misconfigured with what is wrong."""
    return _read(path or DEFAULT)


def parsed(text: str) -> RuleBook:
    """The rules of a TOML text. Raises InvalidInput with what is wrong."""
    try:
        told: dict[str, Any] = tomllib.loads(text)
        book = from_plain(_Book.model_validate(told).model_dump(mode="json"), RuleBook)
    except tomllib.TOMLDecodeError as error:
        raise InvalidInput(f"this is no TOML: {error}") from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise InvalidInput(f"{place}: {violations.reason(first['msg'])}") from None
    check(book)
    for rule in book.rules:
        if rule.to is Target.DEBATE:
            preset(rule.protocol or _USUAL, rule.rounds, rule.consensus)
    return book


@cache
def _read(path: Path) -> RuleBook:
    try:
        return parsed(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured(f"the rules of decisions in {path} cannot be read: {error}") from None
    except InvalidInput as error:
        raise Misconfigured(f"the rules of decisions in {path} cannot be followed: {error.message}") from None
