"""The rules by which a question goes to one agent, to a debate or to a workflow. Pure.

Rules are data with a version. They are looked at in their order, and the first whose conditions all hold decides. A
caller that names a protocol, agents or the like is given them: rules choose only what is left open.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from aragora.errors import InvalidInput


class Stakes(StrEnum):
    """What hangs on the answer."""

    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"


class Target(StrEnum):
    """Where a question goes."""

    CACHE = "cache"
    AGENT = "agent"  # one agent answers, without a debate
    DEBATE = "debate"
    WORKFLOW = "workflow"


@dataclass(frozen=True, slots=True)
class Question:
    """What rules look at. `chars` are those of question and context, `budget_usd` None is the server's own."""

    chars: int
    domain: str = "general"
    stakes: Stakes = Stakes.NORMAL
    budget_usd: float | None = None
    deadline_s: float | None = None
    options: int = 0
    org_id: str = ""
    workspace: str = ""


@dataclass(frozen=True, slots=True)
class When:
    """Conditions, all of which must hold; those that are not set hold. Bounds named `_below` are exclusive."""

    stakes: tuple[Stakes, ...] = ()
    domains: tuple[str, ...] = ()
    organisations: tuple[str, ...] = ()
    workspaces: tuple[str, ...] = ()
    chars_at_least: int | None = None
    chars_below: int | None = None
    budget_below_usd: float | None = None
    deadline_below_s: float | None = None
    options_at_least: int | None = None

    @property
    def is_void(self) -> bool:
        """Whether there can be no question for which all conditions hold."""
        return self.chars_below is not None and self.chars_below <= (self.chars_at_least or 0)

    def holds(self, question: Question) -> bool:
        """Whether all conditions hold. A budget or deadline that nobody set is below none."""
        among = (
            (self.stakes, question.stakes),
            (self.domains, question.domain),
            (self.organisations, question.org_id),
            (self.workspaces, question.workspace),
        )
        return (
            all(not wanted or value in wanted for wanted, value in among)
            and _at_least(question.chars, self.chars_at_least)
            and _at_least(question.options, self.options_at_least)
            and _below(question.chars, self.chars_below)
            and _below(question.budget_usd, self.budget_below_usd)
            and _below(question.deadline_s, self.deadline_below_s)
        )


@dataclass(frozen=True, slots=True)
class Rule:
    """Where questions go for which `when` holds, and `why`, in words for whoever asked. Of a debate the settings that
    are None are the protocol's own; `workflow` names the workflow to start."""

    name: str
    to: Target
    why: str
    when: When = field(default_factory=When)
    protocol: str | None = None
    rounds: int | None = None
    consensus: str | None = None
    agents: tuple[str, ...] = ()
    workflow: str | None = None


@dataclass(frozen=True, slots=True)
class RuleBook:
    """Rules in their order; the last has no conditions."""

    version: str
    rules: tuple[Rule, ...]


@dataclass(frozen=True, slots=True)
class Named:
    """What the caller named itself, in its own order; empty: nothing."""

    settings: tuple[str, ...] = ()


AS_ASKED: Final = "as asked"
"""The rule that stands before all others: the caller chose."""


def check(book: RuleBook) -> None:
    """Raise InvalidInput where the rules cannot be followed, with the rule and what is wrong."""
    if not book.version.strip():
        raise InvalidInput("the rules have no version")
    if not book.rules or book.rules[-1].when != When():
        raise InvalidInput("the last rule must have no conditions: something must become of every question")
    names = [rule.name for rule in book.rules]
    for rule in book.rules:
        if names.count(rule.name) > 1 or rule.name == AS_ASKED:
            raise InvalidInput(f"two rules are called {rule.name!r}")
        _check_rule(rule)
        if rule.when == When() and rule is not book.rules[-1]:
            raise InvalidInput(f"the rule {rule.name!r} has no conditions, so those after it would never decide")


def _check_rule(rule: Rule) -> None:
    if rule.to is Target.CACHE:
        raise InvalidInput(f"the rule {rule.name!r} leads to the cache, which is looked at before any rule")
    if (rule.to is Target.WORKFLOW) != (rule.workflow is not None):
        raise InvalidInput(f"the rule {rule.name!r} must name a workflow if it leads to one, and only then")
    if rule.to is Target.AGENT and len(rule.agents) > 1:
        raise InvalidInput(f"the rule {rule.name!r} leads to one agent and names {len(rule.agents)}")
    if rule.to is not Target.DEBATE and (rule.protocol or rule.rounds or rule.consensus):
        raise InvalidInput(f"the rule {rule.name!r} has settings of a debate and leads to none")
    if not rule.why.strip():
        raise InvalidInput(f"the rule {rule.name!r} does not say why")
    if rule.when.is_void:
        raise InvalidInput(f"the conditions of the rule {rule.name!r} hold for no question")


def chosen(book: RuleBook, question: Question, named: Named = Named()) -> Rule:
    """The rule that decides about a question."""
    if named.settings:
        return Rule(AS_ASKED, Target.DEBATE, f"the request names {', '.join(named.settings)}")
    return next(rule for rule in book.rules if rule.when.holds(question))


def _at_least(value: int, least: int | None) -> bool:
    return least is None or value >= least


def _below(value: float | None, bound: float | None) -> bool:
    return bound is None or (value is not None and value < bound)
