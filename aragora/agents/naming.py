"""How agents are named where a debate is asked for, and which names are taken. Pure.

    anthropic-api               an agent of the catalog, or one that agents.toml declares
    openrouter:z-ai/glm-5.2     a model named on the spot: PROVIDER:MODEL
    local:qwen3:8b@skeptic      the same, in a persona: PROVIDER:MODEL@PERSONA
    team:research               a team of agents.toml: stands for its members

No agent of the catalog and none of the file has a colon in its name, so a name says by itself which kind it is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from aragora import limits
from aragora.agents.personas import EMBEDDED_PERSONAS, PERSONAS
from aragora.config.providers import BY_NAME, PROVIDERS
from aragora.errors import InvalidInput

LOCAL: Final = "local"
EMBEDDED: Final = "embedded"
STUB: Final = "stub"
TEAM: Final = "team"
DEFAULT_TEAM: Final = "default"
"""The team of agents.toml that debates where a request names nobody."""

_STUB_NAME: Final = re.compile(r"stub-[0-9]+")
_PERSONA_LIKE: Final = re.compile(r"[A-Za-z]+")  # "@Skeptic" is a mistake, too
_NAMEABLE: Final = re.compile(rf"[A-Za-z0-9._:/@+-]{{1,{limits.NAME_MAX_CHARS}}}")  # what a debate takes as an agent


@dataclass(frozen=True, slots=True)
class OnTheSpot:
    """A model that was named where an agent is wanted. `persona` is empty where it has none."""

    provider: str
    model: str
    persona: str = ""


def on_the_spot(name: str) -> OnTheSpot | None:
    """What `name` says, where it is a model named on the spot; None where it is another name.

    Raises InvalidInput where the provider, the model or the persona is wrong.
    """
    provider, colon, rest = name.partition(":")
    if not colon or provider == TEAM:
        return None
    if provider not in (*BY_NAME, LOCAL):
        raise InvalidInput(
            f"There is no provider {provider[:64]!r} to name a model of: choose from {', '.join((*BY_NAME, LOCAL))}.",
            code="unknown_agent",
        )
    model, persona = _with_persona(rest)
    if not model:
        raise InvalidInput(f"{name[:100]!r} names no model: write {provider}:MODEL.", code="unknown_agent")
    if not _NAMEABLE.fullmatch(name):
        raise InvalidInput(
            f"{name[:100]!r} is no name of an agent: it has at most {limits.NAME_MAX_CHARS} letters, digits and . _ : / @ "
            "+ -. To ask a model whose own name is longer or holds others, declare it in agents.toml.",
            code="unknown_agent",
        )
    return OnTheSpot(provider, model, persona)


def spot_name(provider: str, model: str) -> str | None:
    """The name under which a model can be asked on the spot; None where it cannot be written as one: such a model is
    declared in agents.toml."""
    name = f"{provider}:{model}"
    try:
        return name if on_the_spot(name) == OnTheSpot(provider, model) else None
    except InvalidInput:
        return None


def team_of(name: str) -> str | None:
    """The team that `name` stands for; None where it is the name of an agent."""
    kind, colon, team = name.partition(":")
    return team if colon and kind == TEAM else None


def is_built_in(name: str) -> bool:
    """Whether `name` is an agent's of the catalog, whichever keys are set now: a key that comes later must not change
    who a name is."""
    return name in _BUILT_IN or _STUB_NAME.fullmatch(name) is not None


def _with_persona(text: str) -> tuple[str, str]:
    """Model and persona. Names of models may hold an @ themselves: only a word at the end is meant as a persona."""
    model, at, persona = text.rpartition("@")
    if not at or not _PERSONA_LIKE.fullmatch(persona):
        return text, ""
    if persona not in PERSONAS:
        raise InvalidInput(
            f"There is no persona {persona[:64]!r}: choose from {', '.join(PERSONAS)}. A model whose own name ends like "
            "this is declared in agents.toml.",
            code="unknown_agent",
        )
    return model, persona


def _built_in() -> frozenset[str]:
    plain = (*(provider.agent for provider in PROVIDERS), LOCAL)
    voices = [f"{name}-{persona}" for name in plain for persona in PERSONAS]
    return frozenset((*plain, *voices, *(f"{EMBEDDED}-{persona}" for persona in EMBEDDED_PERSONAS)))


_BUILT_IN: Final = _built_in()
