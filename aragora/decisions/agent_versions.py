"""Which models a version of an agent means: what an operator types, and what catalogs call the same thing. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

_PARTS: Final = re.compile(r"[0-9]+|[^\W\d_]+")


def used(agents: Mapping[str, str], agent: str, version: str) -> bool:
    """Whether this version of an agent took part.

    Args:
        agents: who took part, with the model of each.
        agent: a name, or a part of the name of the models that are meant: `claude` means claude-3-5-sonnet, whatever
            the agent is called. A persona of an agent, `NAME@PERSONA`, is that agent.
        version: a model, or a part of its name: `3.5` and `v3.5` mean claude-3-5-sonnet, `4` also claude-4-5. Where
            it is in doubt, it counts as used: an entry too many is stale.
    """
    return any(_is(name, model, agent) and is_version(model, version) for name, model in agents.items())


def is_version(model: str, version: str) -> bool:
    """Whether a model is of this version."""
    return _holds(_parts(model), _parts(re.sub(r"^[vV](?=\d)", "", version.strip())))


def _is(name: str, model: str, agent: str) -> bool:
    return agent == name.partition("@")[0] or agent == name or _holds(_parts(model), _parts(agent))


def _holds(parts: list[str], wanted: list[str]) -> bool:
    return bool(wanted) and any(
        parts[start : start + len(wanted)] == wanted for start in range(len(parts) - len(wanted) + 1)
    )


def _parts(text: str) -> list[str]:
    return [part.casefold() for part in _PARTS.findall(text)]
