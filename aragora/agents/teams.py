"""Who debates together: teams by their name, and the team for a debate that names nobody. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from aragora.agents import naming
from aragora.agents.model import AgentSpec
from aragora.config.providers import FALLBACK
from aragora.errors import InvalidInput


def expanded(names: Sequence[str], teams: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """`names` with `team:NAME` replaced by its members. An agent that comes by a team and is there already is not
    repeated. Raises InvalidInput where there is no such team."""
    found: list[str] = []
    for name in names:
        team = naming.team_of(name)
        if team is None:
            found.append(name)
        elif team in teams:
            found.extend(member for member in teams[team] if member not in found and member not in names)
        else:
            known = ", ".join(f"{naming.TEAM}:{known}" for known in teams) or "none: agents.toml declares teams"
            raise InvalidInput(f"There is no team {team[:100]!r}. Teams: {known}.", code="unknown_agent")
    return tuple(found)


def diverse(pool: Sequence[AgentSpec], size: int) -> tuple[AgentSpec, ...]:
    """At most `size` of `pool`, as different as they can be: of different models first, then of the same model in
    another persona. Of equals the earlier one in `pool`."""
    left = list(pool)
    chosen: list[AgentSpec] = []
    models: Counter[str] = Counter()
    voices: Counter[tuple[str, str]] = Counter()
    while left and len(chosen) < size:
        best = min(left, key=lambda spec: (models[model_of(spec)], voices[_voice(spec)], bool(spec.persona)))
        left.remove(best)
        chosen.append(best)
        models[model_of(best)] += 1
        voices[_voice(best)] += 1
    return tuple(chosen)


def model_of(spec: AgentSpec) -> str:
    """One text for one model, whichever provider it is asked at: OpenRouter's name of it, where there is one."""
    if spec.provider == FALLBACK:
        return spec.model.partition(":")[0]
    if spec.fallback_model is not None:
        return spec.fallback_model
    return f"{spec.provider} {spec.address or ''} {spec.model}"


def _voice(spec: AgentSpec) -> tuple[str, str]:
    return model_of(spec), spec.persona
