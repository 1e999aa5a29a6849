"""What people may do to a debate: open it, vote, suggest, cancel. A function checks, and gives the event or raises."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from aragora import limits
from aragora.debate.machine.gate import passed
from aragora.debate.machine.state import DebateState, Phase
from aragora.debate.model import (
    ABSTAIN,
    ConsensusMode,
    DebateEnded,
    DebateOpened,
    DebateSpec,
    DebateStatus,
    Event,
    PersonSuggested,
    PersonVoted,
    PositionsCorrected,
    Protocol,
)
from aragora.debate.protocol import check
from aragora.errors import Conflict, InvalidInput
from aragora.scope import checked_workspace
from aragora.texts import BLANK, IGNORABLE, SELECTORS, counted

_AGENT_NAME: Final = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._:/@+-]{{0,{limits.NAME_MAX_CHARS - 1}}}")
_SHOWS_NOTHING: Final = re.compile(f"[\\s{IGNORABLE}{SELECTORS}{BLANK}]*")
_NEED: Final = re.compile(rf"(?:user|role):[A-Za-z0-9._:@+-]{{1,{limits.DEBATE_ID_MAX_CHARS}}}")
_BEFORE_MEASURING: Final = frozenset({Phase.ANSWER, Phase.CHALLENGE, Phase.GROUP, Phase.MEASURE})


def first_event(spec: DebateSpec) -> DebateOpened:
    """The first event of a debate. Raises InvalidInput where `spec` cannot be debated."""
    check_spec(spec)
    return DebateOpened(spec)


def check_spec(spec: DebateSpec) -> None:
    """Raise InvalidInput where `spec` cannot be debated, with what is allowed."""
    if not spec.debate_id:
        raise InvalidInput("The debate has no id.")
    if not spec.question.strip():
        raise InvalidInput("The question is empty: say what is to be decided.")
    _within(spec.question, limits.QUESTION_MAX_CHARS, "question")
    _within(spec.context, limits.CONTEXT_MAX_CHARS, "context")
    _within(spec.domain, limits.NAME_MAX_CHARS, "domain")
    if not spec.domain.isprintable():
        raise InvalidInput("The domain has characters that cannot be printed: name it in plain text.")
    checked_workspace(spec.workspace)
    _check_agents(spec)
    if spec.budget_usd is not None and not 0 < spec.budget_usd <= limits.BUDGET_MAX_USD:
        raise InvalidInput(
            f"The budget is {spec.budget_usd} USD: give a sum above 0 and at most {limits.BUDGET_MAX_USD}, "
            "or none for the server's own."
        )
    _check_options(spec)
    _check_needs(spec)
    check(spec.protocol)


def vote(state: DebateState, person: str, choice: str, intensity: int, vote_id: str) -> PersonVoted:
    """A person's vote for the answer of the agent `choice`; it replaces the person's earlier one. A vote that changes
    nothing is the event of the earlier one, which is journaled already: nothing is to be written.

    Raises InvalidInput (no such agent, intensity outside 1..10), Conflict (decided or ended, too many voters, or too
    many changes of mind: code `too_many_votes`).
    """
    _still_open(state, "vote")
    if choice not in state.participants:
        allowed = ", ".join(state.participants)
        raise InvalidInput(f"{choice[:100]!r} takes no part in this debate: vote for one of {allowed}.")
    if not limits.INTENSITY_MIN <= intensity <= limits.INTENSITY_MAX:
        allowed = f"{limits.INTENSITY_MIN} to {limits.INTENSITY_MAX}"
        raise InvalidInput(f"The intensity is {intensity}: allowed is {allowed}.")
    _nonempty(person, "person")
    stands = state.persons.get(person)
    if stands is not None and (stands.choice, stands.intensity) == (choice, intensity):
        return stands
    if stands is None and len(state.persons) >= limits.VOTERS_MAX:
        raise Conflict(f"This debate has votes of {limits.VOTERS_MAX} people already and takes no more.")
    if state.votes_by.get(person, 0) >= limits.VOTES_PER_PERSON_MAX:
        raise Conflict(
            f"You voted {limits.VOTES_PER_PERSON_MAX} times in this debate, the most it takes of one person: "
            "your last vote stands.",
            code="too_many_votes",
        )
    return PersonVoted(state.round, person, choice, intensity, vote_id)


def correct(
    state: DebateState, person: str, groups: tuple[tuple[str, ...], ...], correction_id: str
) -> PositionsCorrected:
    """What a person says about which answers are one position: `groups` of agents' names. It holds until the answers
    are compared anew, at the end of the next round.

    Raises InvalidInput (an agent without an answer, one named twice, a debate that counts answers one by one or has
    options), Conflict (decided or ended, no positions yet, answers that are on their way, so that it would not hold:
    code `answers_underway`, or too many corrections: code `too_many_corrections`).
    """
    _still_open(state, "correction")
    _nonempty(person, "person")
    if not state.spec.protocol.positions:
        raise InvalidInput("This debate counts each answer by itself: there are no positions to correct.")
    if state.spec.options:
        raise InvalidInput("In this debate the options are the positions: vote for an answer instead.")
    named = [agent for group in groups for agent in group]
    if not named:
        raise InvalidInput("The correction names no agent: say whose answers come to the same conclusion.")
    for agent in named:
        if agent not in state.answers:
            raise InvalidInput(f"{agent[:100]!r} has no answer in this debate.")
    if len(set(named)) != len(named):
        raise InvalidInput("An agent is named twice: each answer belongs to one position.")
    if not state.positions:
        raise Conflict("No positions were found yet: wait for the end of the round.")
    if state.phase in _BEFORE_MEASURING:
        raise Conflict(
            "The answers of this round are on their way, and are compared anew after that: wait for the end of the "
            "round, then correct what was found.",
            code="answers_underway",
        )
    if state.corrections >= limits.CORRECTIONS_MAX:
        raise Conflict(
            f"The positions of this debate were corrected {limits.CORRECTIONS_MAX} times, the most it takes.",
            code="too_many_corrections",
        )
    return PositionsCorrected(state.round, person, groups, correction_id)


def suggest(state: DebateState, person: str, text: str, suggestion_id: str) -> PersonSuggested:
    """A person's suggestion; it reaches the briefs of every later ask. One that the person made before is the event of
    the earlier one, which is journaled already: nothing is to be written.

    Raises InvalidInput (empty or too long), Conflict (decided or ended, or too many suggestions in the debate or of
    the person: code `too_many_suggestions`).
    """
    _still_open(state, "suggestion")
    _nonempty(person, "person")
    _nonempty(text, "suggestion")
    _within(text, limits.SUGGESTION_MAX_CHARS, "suggestion")
    made = state.suggested_by.get(person, {})
    if (stands := made.get(text.strip())) is not None:
        return stands
    if len(state.suggestions) >= limits.SUGGESTIONS_MAX:
        raise Conflict(
            f"This debate has {limits.SUGGESTIONS_MAX} suggestions already and takes no more.",
            code="too_many_suggestions",
        )
    if len(made) >= limits.SUGGESTIONS_PER_PERSON_MAX:
        raise Conflict(
            f"You made {limits.SUGGESTIONS_PER_PERSON_MAX} suggestions in this debate, the most it takes of one person: "
            "the agents read those.",
            code="too_many_suggestions",
        )
    return PersonSuggested(state.round, person, text.strip(), suggestion_id)


def cancel(state: DebateState, reason: str) -> tuple[Event, ...]:
    """The end of a debate that a person stops. Raises Conflict where it is decided or has ended."""
    _still_open(state, "cancellation")
    return (DebateEnded(DebateStatus.CANCELLED, reason, state.round, state.cost_usd),)


def ended(state: DebateState) -> DebateEnded:
    """The end of a debate that is decided. Raises Conflict where it is not, or has ended already."""
    if state.decision is None or state.ended is not None:
        raise Conflict("This debate has no decision to end with, or has ended already.")
    return DebateEnded(DebateStatus.COMPLETED, "decided", state.round, state.cost_usd)


def answers_alone(protocol: Protocol) -> bool:
    """Whether agents of this protocol never hear of each other and no vote is taken: then one of them is enough."""
    exchange = protocol.critique or protocol.revise or protocol.rank or protocol.synthesize or protocol.judged
    return protocol.rounds == 1 and not exchange and protocol.consensus is ConsensusMode.NONE


def _check_agents(spec: DebateSpec) -> None:
    least = 1 if answers_alone(spec.protocol) else limits.AGENTS_MIN
    if not least <= len(spec.agents) <= limits.AGENTS_MAX:
        allowed = f"{least} to {limits.AGENTS_MAX}"
        raise InvalidInput(f"A debate needs {allowed} agents, not {len(spec.agents)}.")
    if len(set(spec.agents)) != len(spec.agents):
        raise InvalidInput("An agent is named twice: each takes part once.")
    for name in (*spec.agents, *(() if spec.judge is None else (spec.judge,))):
        if not _AGENT_NAME.fullmatch(name):
            raise InvalidInput(f"{name[:100]!r} is no agent's name: letters, digits and ._:/@+- are allowed.")


def _check_options(spec: DebateSpec) -> None:
    options = spec.options
    if not options:
        return
    if not limits.OPTIONS_MIN <= len(options) <= limits.OPTIONS_MAX:
        allowed = f"{limits.OPTIONS_MIN} to {limits.OPTIONS_MAX}"
        raise InvalidInput(f"The question has {counted(len(options), 'option')}: give {allowed}, or none at all.")
    for option in options:
        _nonempty(option, "option")
        _within(option, limits.OPTION_MAX_CHARS, "option")
        if not option.isprintable() or _SHOWS_NOTHING.fullmatch(option):
            raise InvalidInput("An option has characters that cannot be printed: name it in plain text.")
    if len({unicodedata.normalize("NFKC", option).casefold() for option in options}) != len(options):
        raise InvalidInput("Two options are the same: each may be named once.")
    if any(option.casefold() == ABSTAIN.casefold() for option in options):
        raise InvalidInput(f"No option can be {ABSTAIN!r}: agents say that where they choose none.")


def _check_needs(spec: DebateSpec) -> None:
    if len(spec.needs) > limits.NEEDS_MAX or len(set(spec.needs)) != len(spec.needs):
        raise InvalidInput(f"Name each who must sign once, and at most {limits.NEEDS_MAX}.")
    for need in spec.needs:
        if not _NEED.fullmatch(need):
            raise InvalidInput(f"{need[:100]!r} names nobody who can sign: write user:ID or role:NAME.")


def _still_open(state: DebateState, what: str) -> None:
    if state.ended is not None:
        raise Conflict(f"This debate has ended ({state.ended.status}): the {what} came too late.")
    if state.decision is not None or passed(state):
        raise Conflict(f"This debate is decided: the {what} came too late.")


def _nonempty(text: str, what: str) -> None:
    if not text.strip():
        raise InvalidInput(f"The {what} is empty.")


def _within(text: str, most: int, what: str) -> None:
    if len(text) > most:
        raise InvalidInput(f"The {what} has {len(text)} characters: at most {most} are allowed.")
