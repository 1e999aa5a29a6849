"""The gate: a decision that people must sign before it counts.

States of the gate of one debate
    closed     the agents have not decided yet
    proposed   the agents' decision stands open (`DecisionProposed`); the debate waits, for days if need be
    passed     every need is signed, or one is vetoed: `ConsensusReached` follows, and nobody changes anything any more,
               also where the debate must wait for a place before it can go on

Rules
- A need is `user:ID` or `role:NAME`. A signature fulfils one need, and a person signs for one need only: two needs are
  two people. A person may change its verdict as long as the gate is open.
- Who fulfils several needs signs for the one it names. Where it names none, that is the one that fewest others can be
  expected to fulfil: its own id before a role, a more powerful role before a lesser one. As the machine does not know
  who else there is, this can leave a need that nobody else fulfils: then the person signs again and names the other
  one, and its first signature is void.
- The same again is the earlier signature, also after the gate has closed: who closed it may not have heard that.
- approve   the proposed answer may stand.
- change    the answer is replaced by the signer's words, and its option where one is named; that is the signer's
            approval, and voids those that were given for other words. Votes of agents stand behind the new words only
            where they are for the option that the agents chose.
- veto      the answer may not stand: the decision is told as not reached. One veto closes the gate.
- A vote of a person, or a correction of positions, while the gate is open makes the count anew: the decision is
  proposed again, and earlier signatures are void.
- The decision keeps every signature that was in force, with what the agents had proposed in the journal before it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from aragora import limits
from aragora.debate.machine.positions import name_of
from aragora.debate.machine.state import DebateState, Phase, unsettled_usd
from aragora.debate.machine.wording import quoted
from aragora.debate.model import Decision, DecisionSigned, Signature, Verdict
from aragora.errors import Conflict, Forbidden, InvalidInput

USER: Final = "user:"
ROLE: Final = "role:"

OWN_RESULT: Final = "The agents' own result:"
"""Stands before what the agents decided where a person's word does not let it stand."""


@dataclass(frozen=True, slots=True)
class Signer:
    """Who wants to sign, and the roles that this person has, the most powerful first."""

    person: str
    roles: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Word:
    """What is said at the gate: `answer`, and `option` where there are options, are those of a change; `need` is what
    it is said for, where the signer names that."""

    verdict: Verdict
    note: str = ""
    answer: str = ""
    option: str = ""
    need: str = ""


def sign(state: DebateState, signer: Signer, word: Word, signature_id: str) -> DecisionSigned:
    """What a person says at the gate. The same again is the event of the earlier signature, which is journaled already:
    nothing is to be written.

    Raises Conflict (no gate, or not open now), Forbidden (the person fulfils no need, not the one it names, or another
    signed for it) and InvalidInput (a change without an answer, to an option that there is not, or a need that there is
    not).
    """
    if not state.spec.needs:
        raise Conflict("This debate needs nobody's signature.", code="no_gate")
    before = next((event for event in state.signatures.values() if event.person == signer.person), None)
    if before is not None and word.need in ("", before.need) and _says(before, word):
        return before
    _check_open(state)
    _check_word(state, word)
    need = _need_of(state, signer, word.need)
    if len(state.signed_by) >= limits.SIGNATURES_MAX:
        raise Conflict(
            f"The gate of this debate took {limits.SIGNATURES_MAX} signatures, the most it takes: cancel the debate.",
            code="too_many_signatures",
        )
    if before is not None and _says(before, word):  # for another need than before
        return replace(before, need=need, signature_id=signature_id)
    note, answer = word.note.strip(), word.answer.strip()
    return DecisionSigned(state.round, signer.person, need, word.verdict, note, answer, word.option, signature_id)


def passed(state: DebateState) -> bool:
    """Whether the gate is open and nobody is waited for any more."""
    if state.phase is not Phase.GATE:
        return False
    vetoed = any(signature.verdict is Verdict.VETO for signature in state.signatures.values())
    return vetoed or set(state.signatures) == set(state.spec.needs)


def missing(state: DebateState) -> tuple[str, ...]:
    """The needs that nobody has signed yet."""
    return tuple(need for need in state.spec.needs if need not in state.signatures)


def take(state: DebateState, event: DecisionSigned) -> None:
    """Change `state` by a signature."""
    if state.phase is not Phase.GATE or state.proposed is None:
        return
    state.signed_by[event.signature_id or f"{event.person}/{len(state.signed_by)}"] = event.person
    if event.verdict is Verdict.CHANGE:
        state.signatures = {}
        state.change = event
    for need in [need for need, one in state.signatures.items() if one.person == event.person and need != event.need]:
        del state.signatures[need]
    state.signatures[event.need] = event


def reopen(state: DebateState) -> None:
    """The count has changed: the decision is proposed anew."""
    if state.phase is Phase.GATE:
        state.phase = Phase.DECIDE
        state.proposed = None
        state.change = None
        state.signatures = {}


def signed_decision(state: DebateState) -> Decision:
    """The decision as it passed the gate, with its signatures."""
    assert state.proposed is not None, "the gate is open"
    decision = state.proposed if state.change is None else _changed(state.proposed, state.change)
    signatures = tuple(
        Signature(need, event.person, event.verdict, event.note) for need, event in state.signatures.items()
    )
    vetoes = [one for one in signatures if one.verdict is Verdict.VETO]
    told = [_told(one) for one in vetoes or signatures]
    if vetoes and state.change is None:
        told.append(OWN_RESULT)
    return replace(
        decision,
        reached=decision.reached and not vetoes,
        cost_usd=state.cost_usd,
        estimated_usd=state.estimated_usd,
        unsettled_usd=unsettled_usd(state),
        headline=" ".join((*told, decision.headline)),
        signatures=signatures,
    )


def _changed(decision: Decision, event: DecisionSigned) -> Decision:
    """The decision with a person's words: no agent wrote them, and no vote stands behind them unless they are for the
    option that the agents chose."""
    same = bool(event.option) and event.option == decision.position
    return replace(
        decision,
        answer=event.answer,
        position=event.option or name_of(event.answer),
        winner=decision.winner if same else None,
        confidence=decision.confidence if same else 0.0,
        support=decision.support if same else f"{event.person} put it in place of the agents' answer",
        stated_confidence=decision.stated_confidence if same else None,
        headline=f"{OWN_RESULT} {decision.headline}",
        explanation=f"{decision.explanation} {event.person} put other words in place of the agents' answer.",
    )


def _told(signature: Signature) -> str:
    deed = {Verdict.APPROVE: "Approved", Verdict.CHANGE: "Changed", Verdict.VETO: "Vetoed"}[signature.verdict]
    return f"{deed} by {signature.person}{f': {quoted(signature.note)}' if signature.note else ''}."


def _says(before: DecisionSigned, word: Word) -> bool:
    """Whether the signature says what the word says. A change is its signer's approval already, and the record must
    keep it."""
    note, answer = word.note.strip(), word.answer.strip()
    if (before.verdict, word.verdict, answer, word.option) == (Verdict.CHANGE, Verdict.APPROVE, "", ""):
        return True
    same = (before.verdict, before.note, before.answer, before.option)
    return same == (word.verdict, note, answer, word.option)


def _check_open(state: DebateState) -> None:
    if state.ended is not None:
        raise Conflict(
            f"This debate has ended ({state.ended.status}): the signature came too late.", code="debate_ended"
        )
    if state.decision is not None or passed(state):
        raise Conflict("This debate is decided: the signature came too late.")
    if state.phase is not Phase.GATE:
        raise Conflict("The agents have not decided yet: sign when the decision is proposed.", code="not_proposed")


def _check_word(state: DebateState, word: Word) -> None:
    changes = word.verdict is Verdict.CHANGE
    if changes and not word.answer.strip():
        raise InvalidInput("A change needs the answer that is to stand.")
    if not changes and (word.answer or word.option):
        raise InvalidInput("Only a change takes an answer or an option.")
    if word.option and word.option not in state.spec.options:
        allowed = ", ".join(state.spec.options) or "none: this question is open"
        raise InvalidInput(f"{word.option[:100]!r} is none of the options: {allowed}.")
    if len(word.answer) > limits.ANSWER_MAX_CHARS or len(word.note) > limits.NOTE_MAX_CHARS:
        raise InvalidInput(
            f"An answer has at most {limits.ANSWER_MAX_CHARS} characters, a note {limits.NOTE_MAX_CHARS}: shorten it."
        )


def _need_of(state: DebateState, signer: Signer, named: str) -> str:
    needs = state.spec.needs
    mine = [need for need in (f"{USER}{signer.person}", *(f"{ROLE}{role}" for role in signer.roles)) if need in needs]
    if named and named not in needs:
        raise InvalidInput(f"This debate does not need {named[:100]}: it needs {', '.join(needs)}.")
    if not mine:
        raise Forbidden(f"This debate needs {', '.join(needs)}: you are none of them.")
    if named and named not in mine:
        raise Forbidden(f"{named} is not for you to sign: you may sign for {', '.join(mine)}.")
    signed_by = {need: event.person for need, event in state.signatures.items()}
    wanted = [named] if named else sorted(mine, key=lambda need: signed_by.get(need) != signer.person)
    free = next((need for need in wanted if signed_by.get(need, signer.person) == signer.person), None)
    if free is None:
        taken = wanted[0]
        raise Forbidden(
            f"{signed_by[taken]} has signed for {taken} already: one person signs for each need. "
            f"Still to sign: {', '.join(missing(state))}. Whoever has signed and may sign for one of these too can do "
            f"so: it signs again and names it (--need)."
        )
    return free
