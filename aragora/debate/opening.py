"""From what somebody asked for to the specification of a debate: defaults, limits, the team, the standings. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Final

from aragora.debate import machine
from aragora.debate.model import DebateSpec, Standing
from aragora.debate.protocol import preset
from aragora.encoding import encode
from aragora.errors import InvalidInput

MAX_AGENTS: Final = 20


@dataclass(frozen=True, slots=True)
class Proposition:
    """What was asked for. None and empty mean: the server chooses."""

    question: str
    agents: tuple[str, ...] = ()
    protocol: str = "structured"
    rounds: int | None = None
    consensus: str | None = None
    topology: str | None = None
    context: str = ""
    domain: str = "general"
    budget_usd: float | None = None
    created_by: str = "local"
    org_id: str = "local"


@dataclass(frozen=True, slots=True)
class Pace:
    """How long a phase waits: for all its answers, and for stragglers once its quorum has answered. Seconds."""

    phase_deadline_s: float
    grace_s: float


def specification(
    proposition: Proposition,
    debate_id: str,
    *,
    available: Sequence[str],
    default_team: Sequence[str],
    pace: Pace | None = None,
) -> DebateSpec:
    """The debate to open; `pace` replaces the protocol's own where the team is slow. Raises InvalidInput where the proposition cannot be debated, with the allowed values."""
    agents = proposition.agents or tuple(default_team)
    unknown = [name for name in agents if name not in available]
    if unknown:
        raise InvalidInput(
            f"there is no agent {', '.join(repr(name[:100]) for name in unknown)}: choose from {', '.join(available)}",
            code="unknown_agent",
        )
    if len(agents) > MAX_AGENTS:
        raise InvalidInput(f"{len(agents)} agents are too many: at most {MAX_AGENTS} take part in a debate")
    protocol = preset(proposition.protocol, proposition.rounds, proposition.consensus, proposition.topology)
    if pace is not None:
        protocol = replace(protocol, phase_deadline_s=pace.phase_deadline_s, grace_s=pace.grace_s)
    spec = DebateSpec(
        debate_id=debate_id,
        question=proposition.question.strip(),
        agents=agents,
        protocol=protocol,
        seed=int.from_bytes(blake2b(debate_id.encode(), digest_size=6).digest()),
        context=proposition.context,
        domain=proposition.domain,
        budget_usd=proposition.budget_usd,
        created_by=proposition.created_by,
        org_id=proposition.org_id,
    )
    machine.opening(spec)  # refuses what cannot be debated
    return spec


def with_standings(spec: DebateSpec, standings: Mapping[str, Standing]) -> DebateSpec:
    """The same debate, opened with what is known of its agents."""
    return replace(spec, standings=dict(standings))


def request_hash(proposition: Proposition) -> str:
    """The same for the same request, so that an idempotency key reused for another request is found out."""
    return blake2b(encode(proposition), digest_size=16).hexdigest()
