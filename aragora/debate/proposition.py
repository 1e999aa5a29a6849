"""From what was asked for to the specification of a debate: defaults, the team, limits. Pure.

A question travels in four containers: the `CreateDebate` of the edge, the `Proposition` here, the `DebateSpec` that the
machine runs, and the `DebateOpened` that the journal keeps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from hashlib import blake2b
from typing import Final

from aragora.debate import machine
from aragora.debate.budget import BudgetRule
from aragora.debate.model import AgentPrice, ConsensusMode, DebateSpec
from aragora.debate.protocol import preset, takes_knowledge
from aragora.encoding import encode
from aragora.errors import InvalidInput
from aragora.ids import LOCAL_ORG
from aragora.scope import DEFAULT_WORKSPACE


@dataclass(frozen=True, slots=True)
class Proposition:
    """What was asked for. None and empty mean: the server chooses. `suggested`: it may take what suits the workspace;
    `taken` are the settings that it took so, each with why. `revalidates`: the debate whose decision the server debates
    again by itself. `serves`: the step of a workflow that asks, as EXECUTION/ASK."""

    question: str
    agents: tuple[str, ...] = ()
    protocol: str = "structured"
    rounds: int | None = None
    consensus: str | None = None
    topology: str | None = None
    context: str = ""
    domain: str = "general"
    budget_usd: float | None = None
    options: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    created_by: str = "local"
    org_id: str = LOCAL_ORG
    workspace: str = DEFAULT_WORKSPACE
    knowledge: bool = True
    suggested: bool = False
    taken: tuple[str, ...] = ()
    revalidates: str = ""
    serves: str = ""


def answered_alone(asked: Proposition, agents: tuple[str, ...]) -> Proposition:
    """What is asked for, put to an agent alone: it answers once, nobody criticises and no vote is taken, so that one is
    enough (`aragora.debate.machine.people.answers_alone`). `agents` names it."""
    return replace(asked, agents=agents, protocol="ensemble", rounds=1, consensus=ConsensusMode.NONE.value)


@dataclass(frozen=True, slots=True)
class Idempotency:
    """A caller's key for one request, unique per person in a workspace: nobody learns from a key what a colleague
    asked, or what was asked elsewhere. The same key with the same `request_hash` returns the debate that was opened
    first; with another one it is a Conflict."""

    key: str
    request_hash: str

    @classmethod
    def of(cls, key: str | None, proposition: Proposition) -> Idempotency | None:
        """The idempotency of a request to open `proposition`; None where the caller gave no key."""
        return None if key is None else cls(key, blake2b(encode(_asked(proposition)), digest_size=16).hexdigest())


def _asked(proposition: Proposition) -> dict[str, object]:
    """What a request is known by, within its workspace. Fields that came with later versions are left out where nobody
    set them: a request that is repeated after an update is the same."""
    told = {field: getattr(proposition, field.name) for field in fields(proposition) if field.name not in _OURS}
    return {field.name: value for field, value in told.items() if field.name not in _LATER or value != field.default}


_LATER: Final = frozenset({"options", "needs", "knowledge", "suggested"})
_OURS: Final = frozenset({"workspace", "taken", "revalidates", "serves"})


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
    budget: BudgetRule,
    free: bool = False,
    pace: Pace | None = None,
    prices: Mapping[str, AgentPrice] | None = None,
) -> DebateSpec:
    """The debate to open, without the standings of its agents.

    Args:
        proposition: what was asked for.
        debate_id: the id of the new debate; the seed of its shuffles follows from it.
        available: the names of all agents there are.
        default_team: the agents that debate where the proposition names none.
        budget: what a debate may cost that asks for no budget, and what one may ask for.
        free: whether the team costs nothing.
        pace: replaces the protocol's own where the team is slow.
        prices: what agents cost at most, those that cost something; of a team without a budget they are left out.

    Raises:
        InvalidInput: the proposition cannot be debated; the text tells what is allowed.
    """
    agents = proposition.agents or tuple(default_team)
    unknown = [name for name in agents if name not in available]
    if unknown:
        raise InvalidInput(
            f"there is no agent {', '.join(repr(name[:100]) for name in unknown)}: choose from {', '.join(available)}",
            code="unknown_agent",
        )
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
        budget_usd=budget.of(proposition.budget_usd, free=free),
        created_by=proposition.created_by,
        org_id=proposition.org_id,
        workspace=proposition.workspace,
        needs=proposition.needs,
        prices={name: price for name, price in (prices or {}).items() if name in agents and not free},
        options=tuple(" ".join(option.split()) for option in proposition.options),
        knowledge=proposition.knowledge and takes_knowledge(protocol),
        suggested=proposition.taken,
        revalidates=proposition.revalidates,
        serves=proposition.serves,
    )
    machine.check_spec(spec)
    return spec
