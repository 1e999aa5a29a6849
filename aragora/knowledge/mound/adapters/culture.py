"""The culture adapter: how a workspace decides, and from that which settings would suit its next debate. Pure.

In:  of each debate whose votes were counted, under its protocol: mode, rounds allowed and begun, whether a decision was
     reached and what stopped it, roles that had to sign, and whether people overrode or corrected it.
Out: suggested settings for a planned debate, each with its reason (`suggestions`): fewer rounds, another mode, people
     who sign. Nothing follows from them by itself.

Counted are the debates of the planned one's domain where there are `LEAST` of them, else those of the whole workspace.
Debates that their budget stopped say nothing of either and are left out. Shares have 95 % intervals (Wilson).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from aragora.debate.machine.gate import ROLE
from aragora.debate.model import (
    ConsensusMode,
    DebateSpec,
    DecisionProposed,
    DecisionSigned,
    PositionsCorrected,
    RoundStarted,
    Verdict,
)
from aragora.encoding import decode_as
from aragora.knowledge.calibration import wilson
from aragora.knowledge.observations import Observation
from aragora.knowledge.taught import TaughtDebate

NAME: Final = "culture"

LEAST: Final = 10
"""Debates from which on something is suggested."""
READ: Final = 400
"""Of the newest debates of a protocol so many are looked at."""
SETTLED_TENTHS: Final = 9
"""So many tenths of the debates must have settled by a round for fewer rounds to be suggested."""
OFTEN: Final = 0.2
"""People override often where their share is this at least, by the lower bound of its interval."""

_SETTLED: Final = frozenset({"agreement", "unmoved", "convergence"})  # the last in old journals
_BUDGET: Final = "budget"


@dataclass(frozen=True, slots=True)
class Held:
    """How one debate was decided. Stored: a field's name never changes.

    `rounds` were allowed, `played` were begun. `reached`: the agents reached a decision, whatever people then said to
    it. `gated`: people had to sign, of them `roles` by their role, as in `needs`; those who were named are not noted.
    `overridden`: one of them changed or vetoed the decision. `corrected`: a person said which answers are one position.
    """

    debate_id: str = ""
    protocol: str = ""
    domain: str = "general"
    mode: ConsensusMode = ConsensusMode.MAJORITY
    rounds: int = 0
    played: int = 0
    reached: bool = False
    stopped_by: str = ""
    gated: bool = False
    roles: tuple[str, ...] = ()
    overridden: bool = False
    corrected: bool = False

    def settled_by(self, number: int) -> bool:
        """Whether it reached its decision with this round, and not because there were no more."""
        return self.reached and self.stopped_by in _SETTLED and self.played <= number


class Setting(StrEnum):
    """What can be suggested: fields of POST /api/debates."""

    ROUNDS = "rounds"
    CONSENSUS = "consensus"
    NEEDS = "needs"


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A setting that would suit, and why.

    `value` is as POST /api/debates takes it. `debates` are those that it rests on, in `domain` (empty: the whole
    workspace); of them the `share` that speaks for it, whose interval is `low` to `high`. `reason` is for people.
    """

    setting: Setting
    value: int | str | tuple[str, ...]
    reason: str
    debates: int
    share: float
    low: float
    high: float
    domain: str = ""


def observe(taught: TaughtDebate) -> tuple[Observation, ...]:
    """How a debate was decided; nothing where its votes were never counted."""
    found = taught.decision
    if found is None:
        return ()
    spec, events = taught.spec, [event for _, event in taught.events]
    proposed = [event.decision for event in events if isinstance(event, DecisionProposed)]
    decision = proposed[-1] if proposed else found[1]
    signed = (event.verdict for event in events if isinstance(event, DecisionSigned))
    held = Held(
        debate_id=spec.debate_id,
        protocol=spec.protocol.name,
        domain=spec.domain,
        mode=spec.protocol.consensus,
        rounds=spec.protocol.rounds,
        played=max((event.round for event in events if isinstance(event, RoundStarted)), default=0),
        reached=decision.reached,
        stopped_by=decision.stopped_by,
        gated=bool(spec.needs),
        roles=tuple(sorted(need for need in spec.needs if need.startswith(ROLE))),
        overridden=any(verdict is not Verdict.APPROVE for verdict in signed),
        corrected=any(isinstance(event, PositionsCorrected) for event in events),
    )
    return (taught.noted(held.protocol, held),)


def read(observation: Observation) -> Held:
    """What an observation of this adapter says. Raises ValueError for one that is damaged."""
    return decode_as(observation.body, Held)


def suggestions(planned: DebateSpec, seen: Iterable[Held]) -> tuple[Suggestion, ...]:
    """The settings that would suit a planned debate better than those it has; none where its workspace has shown
    nothing. Each debate counts once, and their order does not matter."""
    each = {one.debate_id: one for one in seen if one.protocol == planned.protocol.name and one.stopped_by != _BUDGET}
    debates = [each[debate_id] for debate_id in sorted(each)]
    found = (_fewer_rounds(planned, debates), _another_mode(planned, debates), _people(planned, debates))
    return tuple(one for one in found if one is not None)


def _fewer_rounds(planned: DebateSpec, debates: Sequence[Held]) -> Suggestion | None:
    """One round more than those by which nine of ten debates settled that had as many as are planned, or more."""
    protocol = planned.protocol
    if not (protocol.early_stop or protocol.settles):
        return None
    counted, domain = _there(
        planned, debates, lambda one: one.mode is protocol.consensus and one.rounds >= protocol.rounds
    )
    if len(counted) < LEAST:
        return None
    for number in range(1, protocol.rounds - 1):
        settled = sum(one.settled_by(number) for one in counted)
        if settled * 10 >= SETTLED_TENTHS * len(counted):
            rounds = "the first round" if number == 1 else f"round {number}"
            reason = f"{settled} of {_debates(counted, domain)} settled by {rounds}"
            return _suggestion(Setting.ROUNDS, number + 1, reason, settled, len(counted), domain)
    return None


def _another_mode(planned: DebateSpec, debates: Sequence[Held]) -> Suggestion | None:
    """The mode in which debates surely reach a decision more often than in the planned one."""
    mode = planned.protocol.consensus
    if mode is ConsensusMode.NONE:  # nobody wants a decision
        return None
    counted, domain = _there(planned, debates, lambda one: one.mode is mode)
    if len(counted) < LEAST:
        return None
    reached = sum(one.reached for one in counted)
    low, high = wilson(reached, len(counted))
    best: Suggestion | None = None
    for other in sorted(ConsensusMode):
        tried = [one for one in debates if one.mode is other and (not domain or one.domain == domain)]
        if other is mode or len(tried) < LEAST:
            continue
        better = sum(one.reached for one in tried)
        reason = (
            f"{other} reached a decision in {better} of {_debates(tried, domain)}, {mode} in {reached} of"
            f" {len(counted)} ({low:.2f} to {high:.2f})"
        )
        found = _suggestion(Setting.CONSENSUS, str(other), reason, better, len(tried), domain)
        if found.low > high and (best is None or found.low > best.low):
            best = found
    return best


def _people(planned: DebateSpec, debates: Sequence[Held]) -> Suggestion | None:
    """Who signs where people who had to sign often did not let the decision stand. Only roles are suggested."""
    if planned.needs:
        return None
    counted, domain = _there(planned, debates, lambda one: one.gated)
    stepped_in = [one for one in counted if one.overridden or one.corrected]
    if len(counted) < LEAST or wilson(len(stepped_in), len(counted))[0] < OFTEN:
        return None
    roles = Counter(one.roles for one in stepped_in if one.roles)
    if not roles:
        return None
    usual = min(roles, key=lambda one: (-roles[one], one))
    reason = (
        f"people changed, vetoed or corrected {len(stepped_in)} of {_debates(counted, domain)} that they had to sign"
    )
    return _suggestion(Setting.NEEDS, usual, reason, len(stepped_in), len(counted), domain)


def _there(planned: DebateSpec, debates: Sequence[Held], like: Callable[[Held], bool]) -> tuple[list[Held], str]:
    """The debates like it of the planned one's domain, with that, where they are enough; else of all domains."""
    found = [one for one in debates if like(one)]
    own = [one for one in found if one.domain == planned.domain]
    return (own, planned.domain) if len(own) >= LEAST else (found, "")


def _debates(counted: Sequence[Held], domain: str) -> str:
    return f"{len(counted)} debates {f'about {domain}' if domain else 'in this workspace'}"


def _suggestion(  # noqa: PLR0917
    setting: Setting, value: int | str | tuple[str, ...], reason: str, speaking: int, debates: int, domain: str
) -> Suggestion:
    low, high = wilson(speaking, debates)
    return Suggestion(setting, value, reason, debates, speaking / debates, low, high, domain)
