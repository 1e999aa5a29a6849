"""Where a question goes: to what was decided before, or where the rules lead it.

    1. The rules choose: one agent, a debate or a workflow (`aragora.decisions.rules`).
    2. What would be debated gives the key (`aragora.decisions.keys`). A decision that is kept under it, and stands
       under the policy and knowledge of now, is given again; a debate that runs under it is joined.

When a debate has ended, the first who looks judges whether its decision may be given again
(`aragora.decisions.admission`): the next question, or the job that does so every minute. What becomes of a question in
the end is `aragora.decisions.deciding`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from math import inf
from typing import Any, Final

import structlog

from aragora import __version__
from aragora.agents.specifying import Specified
from aragora.clock import Clock
from aragora.debate.model import (
    WIRE_NAMES,
    DecisionSigned,
    PersonSuggested,
    PersonVoted,
    PositionsCorrected,
)
from aragora.debate.proposition import Proposition, answered_alone
from aragora.decisions.admission import Ended, why_not
from aragora.decisions.entry import Entry, Standing, State
from aragora.decisions.keys import Keys, keys_of
from aragora.decisions.ports import Journals, Knowledge, Planning
from aragora.decisions.rules import Named, Question, Rule, RuleBook, Stakes, Target, chosen
from aragora.decisions.store.entries import Bounds, Entries, Policy
from aragora.encoding import decode_as
from aragora.errors import Conflict, InvalidInput
from aragora.observability.registry import REGISTRY, Registry

log: Final[structlog.stdlib.BoundLogger] = structlog.get_logger("aragora.decisions")

EVICTIONS: Final = "aragora_decision_cache_evictions_total"

_PEOPLE: Final = tuple(WIRE_NAMES[kind] for kind in (PersonVoted, PersonSuggested, PositionsCorrected, DecisionSigned))


@dataclass(frozen=True, slots=True)
class Keeping:
    """What is kept, and for how long. `near`: whether a question may be answered by the same one in other words."""

    ttl_s: float
    confidence_min: float
    bounds: Bounds
    near: bool = False


@dataclass(frozen=True, slots=True)
class Wanted:
    """A question with what its caller wants of the answer.

    Attributes:
        named: the settings that the caller named itself; the rules then choose nothing.
        fresh: nothing that was decided before, or is being decided, may answer.
        max_age_s: an answer that was decided longer ago does not do; None: whatever is kept does.
        shared: whether the caller may be given what others asked, which takes the right to read debates.
    """

    proposition: Proposition
    stakes: Stakes = Stakes.NORMAL
    deadline_s: float | None = None
    named: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    fresh: bool = False
    max_age_s: float | None = None
    shared: bool = True


@dataclass(frozen=True, slots=True)
class Routed:
    """Where a question goes, and why, in words; `entry` is the kept decision that answers it, `near` whether that was
    asked in other words."""

    target: Target
    rule: Rule
    why: str
    policy: Policy
    rules: str
    proposition: Proposition
    keys: Keys | None = None
    standing: Standing | None = None
    agents: dict[str, str] | None = None
    entry: Entry | None = None
    near: bool = False


class Router:
    """Chooses the way of questions, and looks for what was decided. Every method raises Unavailable where a store is
    away."""

    def __init__(
        self,
        entries: Entries,
        journals: Journals,
        planning: Planning,
        knowledge: Knowledge,
        *,
        book: RuleBook,
        keeping: Keeping,
        clock: Clock,
        registry: Registry = REGISTRY,
    ) -> None:
        self.entries = entries
        self.keeping = keeping
        self.registry = registry
        self.clock = clock
        self._journals = journals
        self._planning = planning
        self._knowledge = knowledge
        self._book = book

    async def route(self, wanted: Wanted) -> Routed:
        """Where the question goes now. Raises InvalidInput as opening its debate does."""
        routed, entry, state = await self.look(self.planned(wanted), wanted)
        return self.answered(routed, entry) if entry is not None and state is State.KEPT else routed

    def planned(self, wanted: Wanted) -> Routed:
        """Where the rules lead the question, and by what it is found. Raises InvalidInput, and Conflict (code
        rule_not_followed) where a rule names agents that are not there."""
        rule = chosen(self._book, _question(wanted), Named(wanted.named))
        if rule.to is Target.WORKFLOW:
            return Routed(rule.to, rule, rule.why, Policy(), self._book.version, wanted.proposition)
        proposition = self._by(rule, wanted.proposition)
        found = self._specified(rule, proposition)
        keys = agents = None
        if wanted.shared and not proposition.needs:
            keys = keys_of(found.spec, _configured(found), release=__version__, rules=self._book.version)
            agents = {agent.name: agent.model for agent in found.team}
        return Routed(rule.to, rule, rule.why, Policy(), self._book.version, proposition, keys=keys, agents=agents)

    def _specified(self, rule: Rule, proposition: Proposition) -> Specified:
        try:
            return self._planning.specified(proposition)
        except InvalidInput as refused:
            if not rule.agents or refused.code != "unknown_agent":
                raise
            raise Conflict(  # nothing that the caller can mend
                f"the rule {rule.name!r} cannot be followed: {refused.message} Name agents in the request, or change"
                " the rules (ARAGORA_DECISION_RULES).",
                code="rule_not_followed",
            ) from None

    async def look(self, routed: Routed, wanted: Wanted) -> tuple[Routed, Entry | None, State]:
        """The question under the policy and knowledge of now, its entry, and where that stands for this caller: a kept
        one that is too old for it, or that it does not want, is STALE. STALE without an entry: there is none."""
        keys, asked = routed.keys, routed.proposition
        if keys is None:
            return replace(routed, policy=await self.entries.policy()), None, State.STALE
        found = await self.entries.find(keys.exact, self._knowledge.told(asked.org_id, asked.workspace, asked.domain))
        entry, standing = found.entry, found.standing
        routed = replace(routed, policy=found.policy, standing=standing)
        entry, state = (None, State.STALE) if entry is None else await self._judged(entry, standing)
        if entry is not None and wanted.fresh:
            return routed, entry, State.STALE
        if state is State.STALE and self.keeping.near and not wanted.fresh:
            async for near in self._near(keys, standing):
                if self._is_young(near, wanted):
                    return routed, near, State.KEPT
        if entry is not None and state is State.KEPT and not self._is_young(entry, wanted):
            return routed, entry, State.STALE
        return routed, entry, state

    def answered(self, routed: Routed, entry: Entry) -> Routed:
        """The question answered by a kept decision."""
        near = routed.keys is not None and entry.key != routed.keys.exact
        words = " in other words" if near else ""
        why = f"this was decided before{words}, and neither the policy nor what the workspace knows has changed since"
        return replace(routed, target=Target.CACHE, why=why, entry=entry, near=near)

    async def judge(self, entry: Entry) -> Entry | None:
        """The entry of a debate that has ended, kept from now on; None where its decision may not be given again, or
        was invalidated meanwhile."""
        reason = await self._why_not(entry)
        now = self.clock.now()
        if reason is not None:
            log.info("a decision is not kept", debate_id=entry.debate_id, reason=reason)
            await self.entries.release(entry.key, entry.debate_id)
            return None
        ends_at = (entry.decided_at or now) + self.keeping.ttl_s
        gone = await self.entries.keep(entry, now=now, ends_at=ends_at, bounds=self.keeping.bounds)
        if gone is None:
            return None
        if gone:
            self.registry.inc(EVICTIONS, gone)
        return replace(entry, kept_at=now, ends_at=ends_at)

    async def _judged(self, entry: Entry, standing: Standing) -> tuple[Entry | None, State]:
        state = entry.state(standing, self.clock.now())
        if state is not State.ENDED:
            return entry, state
        kept = await self.judge(entry)
        return (None, State.STALE) if kept is None else (kept, kept.state(standing, self.clock.now()))

    async def _near(self, keys: Keys, standing: Standing) -> AsyncIterator[Entry]:
        for entry in await self.entries.find_near(keys.near):
            if entry.key != keys.exact:
                kept, state = await self._judged(entry, standing)
                if kept is not None and state is State.KEPT:
                    yield kept

    def _is_young(self, entry: Entry, wanted: Wanted) -> bool:
        return wanted.max_age_s is None or entry.age_s(self.clock.now()) <= wanted.max_age_s

    async def _why_not(self, entry: Entry) -> str | None:
        if entry.status is None:
            return "its debate is not there"
        if entry.size_bytes > self.keeping.bounds.bytes_max:
            return "it is larger than all that may be kept"
        seen = await self._journals.happened(entry.debate_id, _PEOPLE, since=0.0, until=inf, after=0, limit=1)
        return why_not(
            entry.status,
            _ended(entry),
            people=bool(seen),
            receipt=entry.receipt is not None,
            least=self.keeping.confidence_min,
        )

    def _by(self, rule: Rule, asked: Proposition) -> Proposition:
        """What is asked for, with what the rule chooses."""
        if rule.to is Target.AGENT:
            team = rule.agents or self._planning.specified(asked).spec.agents[:1]
            return answered_alone(asked, team)
        told: dict[str, Any] = {
            "protocol": rule.protocol,
            "rounds": rule.rounds,
            "consensus": rule.consensus,
            "agents": rule.agents or None,
        }
        given = {name: value for name, value in told.items() if value is not None}
        return replace(asked, **given) if given else asked


def _question(wanted: Wanted) -> Question:
    asked = wanted.proposition
    return Question(
        chars=len(asked.question) + len(asked.context),
        domain=asked.domain,
        stakes=wanted.stakes,
        budget_usd=asked.budget_usd,
        deadline_s=wanted.deadline_s,
        options=len(asked.options),
        org_id=asked.org_id,
        workspace=asked.workspace,
    )


def _configured(found: Specified) -> dict[str, object]:
    return {agent.name: agent for agent in found.team}


def _ended(entry: Entry) -> Ended | None:
    if entry.decision is None:
        return None
    try:
        return decode_as(entry.decision, Ended)
    except ValueError as error:
        log.warning("a stored decision cannot be read", debate_id=entry.debate_id, error=str(error))
        return None
