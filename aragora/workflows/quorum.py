"""Whether the answers to an approval suffice. Pure.

A *need* is what one person's yes fulfils. How many there are, and who fits, follows from the quorum:

one, k          one need, or k of them; whoever is asked fits each
all             every `user:` that is named, who alone fits, and one person of each role
one_per_role    one person of each role that is named

- A person fulfils one need. Of the ways to give people to needs, one that fulfils the most counts (a maximum matching),
  so the order of the answers does not matter.
- Whoever is asked by an escalation fits every need: that person stands in for somebody who did not answer.
- What can still be is counted as far as it is known: a named user is one person, a role has any number of people.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from enum import StrEnum
from typing import Final

from aragora.workflows.definition import Approval
from aragora.workflows.model import ApprovalAnswered, Verdict

USER: Final = "user:"
ROLE: Final = "role:"


class Quorum(StrEnum):
    """How an approval's quorum stands."""

    MET = "met"
    OPEN = "open"
    LOST = "lost"  # whoever may still answer, it cannot be met by those who are asked now


def asked(policy: Approval, level: int) -> tuple[str, ...]:
    """Those who are asked once `level` escalations have happened, each once."""
    return tuple(dict.fromkeys((*policy.approvers, *_escalated(policy, level))))


def spoken_for(policy: Approval, person: str, roles: Iterable[str]) -> tuple[str, ...]:
    """As whom a person may speak, of all that the policy names, its escalations included: its own id, then its roles in
    the order in which they are given."""
    named = asked(policy, len(policy.escalations))
    return tuple(
        one for one in dict.fromkeys((f"{USER}{person}", *(f"{ROLE}{role}" for role in roles))) if one in named
    )


def needs_of(policy: Approval) -> tuple[str, ...]:
    """The needs: approvers by name, or the numbers from 1 where anybody fits."""
    if policy.quorum == "all":
        return tuple(dict.fromkeys(policy.approvers))
    if policy.quorum == "one_per_role":
        return tuple(dict.fromkeys(one for one in policy.approvers if one.startswith(ROLE)))
    return tuple(str(number) for number in range(1, 1 + (1 if policy.quorum == "one" else policy.quorum)))


def fulfilled(policy: Approval, level: int, answers: Iterable[ApprovalAnswered]) -> Mapping[str, str]:
    """The needs that approvals fulfil, each with the person whose approval counts for it."""
    fits = {one.person: _fit(policy, level, one.speaks_as) for one in answers if one.verdict is Verdict.APPROVE}
    return _matched(fits)


def quorum_of(policy: Approval, level: int, answers: Collection[ApprovalAnswered], barred: Collection[str]) -> Quorum:
    """How it stands after these answers, of which each is another person's. `barred` are people who may not answer."""
    needs = needs_of(policy)
    if needs and len(fulfilled(policy, level, answers)) == len(needs):
        return Quorum.MET
    fits = {one.person: _fit(policy, level, one.speaks_as) for one in answers if one.verdict is Verdict.APPROVE}
    silent = {*barred, *(one.person for one in answers)}
    for one in asked(policy, level):
        fit = _fit(policy, level, (one,))
        if one.startswith(ROLE):
            fits |= {f"{one} {number}": fit for number in range(len(needs))}  # no id of a person has a space
        elif one.removeprefix(USER) not in silent:
            fits[one.removeprefix(USER)] = fit
    return Quorum.OPEN if needs and len(_matched(fits)) == len(needs) else Quorum.LOST


def in_words(policy: Approval, level: int) -> str:
    """Whose yes it takes once `level` escalations have happened, for people: "2 of user:ann, role:owner"."""
    named = ", ".join(policy.approvers)
    if policy.quorum == "all":
        words = f"all of {named} (one person of each role)"
    elif policy.quorum == "one_per_role":
        words = f"one person of each role: {', '.join(needs_of(policy))}"
    else:
        words = f"{len(needs_of(policy))} of {named}"
    later = ", ".join(dict.fromkeys(_escalated(policy, level)))
    stands_in = f"; {later}, asked later, for anybody of them" if later else ""
    return f"{words}{stands_in}{'; one rejection rejects it' if policy.veto else ''}"


def _escalated(policy: Approval, level: int) -> tuple[str, ...]:
    return tuple(one for escalation in policy.escalations[:level] for one in escalation.approvers)


def _fit(policy: Approval, level: int, speaks_as: Collection[str]) -> tuple[str, ...]:
    """The needs that somebody fits who may speak as these."""
    needs = needs_of(policy)
    if isinstance(policy.quorum, int) or policy.quorum == "one":
        return needs if set(asked(policy, level)).intersection(speaks_as) else ()
    if set(_escalated(policy, level)).intersection(speaks_as):
        return needs
    return tuple(one for one in needs if one in speaks_as)


def _matched(fits: Mapping[str, Collection[str]]) -> dict[str, str]:
    """The most needs that people can fulfil, one each, with the person (Kuhn's augmenting paths)."""
    found: dict[str, str] = {}

    def placed(person: str, tried: set[str]) -> bool:
        for need in fits[person]:
            if need not in tried:
                tried.add(need)
                if need not in found or placed(found[need], tried):
                    found[need] = person
                    return True
        return False

    for person in fits:
        placed(person, set())
    return found
