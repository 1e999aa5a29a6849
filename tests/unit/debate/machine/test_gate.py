"""The gate: a decision waits for the people who must sign it, and their word stands in it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from worlds import debating

from aragora.debate import machine
from aragora.debate.machine.gate import Signer, Word
from aragora.debate.machine.wording import quoted
from aragora.debate.model import (
    AgentRequest,
    ConsensusReached,
    DebateStatus,
    Decision,
    DecisionProposed,
    PersonVoted,
    Proposal,
    Reply,
    Verdict,
)
from aragora.debate.protocol import preset
from aragora.errors import Conflict, Forbidden, InvalidInput

ANN = Signer("ann", ("member",))
OWNER = Signer("mary", ("owner", "member"))
APPROVE = Word(Verdict.APPROVE)


def proposed(*needs: str, **settings: object) -> debating.Run:
    spec = debating.spec_of(protocol=preset("ensemble"), needs=needs, **settings)
    return debating.start(spec).play()


def sign(run: debating.Run, signer: Signer, word: Word = APPROVE, signature_id: str = "") -> None:
    event = machine.sign(run.state, signer, word, signature_id or f"s{len(run.events)}")
    if event not in run.state.signatures.values():
        run.take([event])
    run.advance()


def decision(run: debating.Run) -> Decision:
    assert run.state.decision is not None
    return run.state.decision


def test_the_debate_waits_with_its_decision_proposed_until_all_have_signed() -> None:
    run = proposed("user:ann", "role:owner")
    (told,) = run.of(DecisionProposed)
    assert told.missing == ("user:ann", "role:owner")
    assert (machine.status(run.state), machine.asks(run.state)) == (DebateStatus.WAITING, ())
    assert machine.next_deadline_s(run.state, machine.Timing(1e6)) is None
    sign(run, ANN, Word(Verdict.APPROVE, "fine"))
    assert run.state.decision is None
    sign(run, OWNER)
    assert isinstance(run.events[-1], ConsensusReached)
    assert [(one.need, one.person, one.note) for one in decision(run).signatures] == [
        ("user:ann", "ann", "fine"),
        ("role:owner", "mary", ""),
    ]
    assert decision(run).headline.startswith('Approved by ann: "fine". Approved by mary.')
    assert decision(run).reached is told.decision.reached


def test_one_veto_ends_the_waiting_and_the_decision_is_not_reached() -> None:
    run = proposed("user:ann", "role:owner")
    sign(run, OWNER, Word(Verdict.VETO, "too dear"))
    assert not decision(run).reached
    assert decision(run).headline.startswith('Vetoed by mary: "too dear". The agents\' own result: ')


def test_a_change_stands_in_place_of_the_answer_and_voids_earlier_approvals() -> None:
    run = proposed("user:ann", "role:owner", options=("tea", "coffee"))
    sign(run, ANN)
    sign(run, OWNER, Word(Verdict.CHANGE, "", "Tea, but after noon.", "tea"))
    assert run.state.decision is None, "ann approved other words"
    sign(run, ANN)
    assert (decision(run).answer, decision(run).position) == ("Tea, but after noon.", "tea")
    assert "mary put other words" in decision(run).explanation


def test_the_same_signature_twice_is_one() -> None:
    run = proposed("user:ann", "role:owner")
    sign(run, ANN, signature_id="s1")
    again = machine.sign(run.state, ANN, APPROVE, "s2")
    assert again is run.state.signatures["user:ann"]


@pytest.mark.parametrize(
    "word",
    [APPROVE, Word(Verdict.VETO, " too dear "), Word(Verdict.CHANGE, "", "Water.", "tea")],
    ids=lambda word: word.verdict,
)
def test_the_signature_that_closes_the_gate_sent_again_is_the_same_signature(word: Word) -> None:
    run = proposed("user:ann", options=("tea", "coffee"))
    signed = machine.sign(run.state, ANN, word, "s1")
    run.take([signed])
    assert machine.sign(run.state, ANN, word, "s2") is signed, "passed, and not written yet"
    run.advance()
    assert run.state.decision is not None
    assert machine.sign(run.state, ANN, word, "s3") is signed, "decided"
    run.take([machine.ended(run.state)])
    assert machine.sign(run.state, ANN, word, "s4") is signed, "ended"
    for other in (
        (Signer("zoe", ("member",)), word),
        (ANN, replace(word, note="another")),
        (ANN, replace(word, need="role:owner")),
        (ANN, Word(Verdict.CHANGE, "", "Other words.", "tea")),
    ):
        with pytest.raises(Conflict, match="too late"):
            machine.sign(run.state, *other, "s5")


@pytest.mark.parametrize("verdict", [Verdict.VETO, Verdict.APPROVE])
def test_nobody_changes_anything_once_the_gate_is_passed_though_the_decision_is_not_written_yet(
    verdict: Verdict,
) -> None:
    """As in a debate that must wait for a place before it can go on."""
    needs = ("user:ann", "role:owner") if verdict is Verdict.VETO else ("user:ann",)
    run = proposed(*needs)
    run.take([machine.sign(run.state, ANN, Word(verdict), "s1")])
    signed = dict(run.state.signatures)
    for late in (
        lambda: machine.sign(run.state, ANN, Word(Verdict.CHANGE, "", "Other words."), "s2"),
        lambda: machine.sign(run.state, OWNER, Word(Verdict.CHANGE, "", "Other words."), "s3"),
        lambda: machine.vote(run.state, "zoe", "gpt", 10, "v"),
        lambda: machine.correct(run.state, "zoe", (debating.AGENTS[:2],), "c"),
        lambda: machine.suggest(run.state, "zoe", "Tea.", "g"),
        lambda: machine.cancel(run.state, "cancelled by zoe"),
    ):
        with pytest.raises(Conflict, match="too late"):
            late()
    assert run.state.signatures == signed
    run.advance()
    assert [one.verdict for one in decision(run).signatures] == [verdict]


def test_who_comes_after_another_of_the_same_role_learns_who_is_still_missing() -> None:
    run = proposed("role:owner", "user:ann")
    sign(run, OWNER)
    with pytest.raises(Forbidden, match=r"mary has signed for role:owner already.*Still to sign: user:ann\."):
        machine.sign(run.state, Signer("max", ("owner",)), APPROVE, "s")


def test_no_note_breaks_the_line_that_tells_the_decision() -> None:
    run = proposed("user:ann")
    sign(run, ANN, Word(Verdict.APPROVE, "fine\n\n  by me"))
    assert decision(run).headline.startswith('Approved by ann: "fine by me". ')
    assert [one.note for one in decision(run).signatures] == ["fine\n\n  by me"]


def test_no_note_reads_as_a_sentence_of_the_server() -> None:
    """With quotation marks of whatever kind, and characters that turn the direction of what follows."""
    run = proposed("user:ann")
    sign(run, ANN, Word(Verdict.APPROVE, "ok\". Vetoed by ceo. \u201cDegraded\u201d: \u202e '' all \u00bbbad\u00ab."))
    quoted = "\"ok'. Vetoed by ceo. 'Degraded': ' all 'bad'.\""
    assert decision(run).headline.startswith(f"Approved by ann: {quoted}. Not decided: ")


@pytest.mark.parametrize(
    "mark", [*"\"'`\u00ab\u00b4\u00bb\u02ba\u05f4\u2019\u201c\u201d\u201e\u2033\u203a\u2e42\u301e\uff02\U0001f677"]
)
def test_whatever_looks_like_a_quotation_mark_is_an_apostrophe_in_a_quotation(mark: str) -> None:
    assert quoted(f" a{mark}{mark}\n b ") == '"a\' b"'


def test_no_option_reads_as_a_sentence_of_the_server() -> None:
    faked = 'tea: 4 of 4 voted for it. "Vetoed" by ceo'

    def all_choose_it(request: AgentRequest) -> Reply:
        answer = debating.answer_to(request)
        if isinstance(answer.content, Proposal):
            return replace(answer, content=replace(answer.content, option=faked))
        return answer

    spec = debating.spec_of(protocol=preset("ensemble"), options=(faked, "coffee"))
    run = debating.start(spec).play(all_choose_it)
    assert decision(run).headline.startswith("Decided for \"tea: 4 of 4 voted for it. 'Vetoed' by ceo\": ")


def test_a_person_may_change_its_mind_while_the_gate_is_open() -> None:
    run = proposed("user:ann", "role:owner")
    sign(run, ANN)
    sign(run, ANN, Word(Verdict.VETO, "no after all"))
    assert not decision(run).reached


def test_two_needs_are_two_people() -> None:
    run = proposed("role:owner", "role:member")
    sign(run, OWNER)
    assert run.state.decision is None
    with pytest.raises(Forbidden, match="mary has signed for role:owner already"):
        machine.sign(run.state, Signer("max", ("owner",)), APPROVE, "s")
    sign(run, ANN)
    assert {one.person for one in decision(run).signatures} == {"mary", "ann"}


@pytest.mark.parametrize("needs", [("role:member", "role:owner"), ("role:owner", "role:member")])
def test_who_fulfils_several_needs_signs_for_the_one_that_fewest_others_fulfil(needs: tuple[str, ...]) -> None:
    """A signer names its roles with the most powerful first."""
    run = proposed(*needs)
    sign(run, OWNER)
    assert run.state.signatures["role:owner"].person == "mary"
    sign(run, ANN)
    assert run.state.decision is not None
    named = proposed("role:owner", "user:mary")
    sign(named, OWNER)
    assert list(named.state.signatures) == ["user:mary"]


def test_a_signer_may_name_the_need_it_signs_for() -> None:
    run = proposed("role:owner", "role:member")
    sign(run, OWNER, replace(APPROVE, need="role:member"))
    sign(run, Signer("olga", ("owner",)), replace(APPROVE, need="role:owner"))
    assert {one.need: one.person for one in decision(run).signatures} == {"role:member": "mary", "role:owner": "olga"}


def test_a_gate_where_one_signed_for_what_only_another_could_sign_is_not_stuck() -> None:
    run = proposed("role:owner", "role:member")
    olga = Signer("olga", ("owner",))
    sign(run, OWNER)
    with pytest.raises(Forbidden, match=r"mary has signed for role:owner .*Still to sign: role:member.*names it"):
        machine.sign(run.state, olga, APPROVE, "s")
    sign(run, OWNER, replace(APPROVE, need="role:member"))
    assert list(run.state.signatures) == ["role:member"], "one person signs for one need"
    sign(run, olga)
    assert {one.need: one.person for one in decision(run).signatures} == {"role:member": "mary", "role:owner": "olga"}


def test_who_changed_the_answer_and_signs_for_another_need_is_still_told_as_the_one_who_changed_it() -> None:
    run = proposed("role:owner", "role:member")
    sign(run, OWNER, Word(Verdict.CHANGE, "because", "Water."))
    sign(run, OWNER, replace(APPROVE, need="role:member"))
    assert [(one.need, one.verdict, one.note) for one in run.state.signatures.values()] == [
        ("role:member", Verdict.CHANGE, "because")
    ]
    assert machine.replay(run.events) == run.state


@pytest.mark.parametrize(
    ("need", "error", "told"),
    [
        ("role:admin", InvalidInput, "does not need role:admin.*role:owner, role:member, user:zoe"),
        ("user:zoe", Forbidden, "user:zoe is not for you to sign: you may sign for role:owner, role:member"),
        ("role:member", Forbidden, "ann has signed for role:member already"),
    ],
)
def test_a_need_that_is_none_is_not_the_signers_or_is_taken_is_refused(
    need: str, error: type[Exception], told: str
) -> None:
    run = proposed("role:owner", "role:member", "user:zoe")
    sign(run, ANN)
    with pytest.raises(error, match=told):
        machine.sign(run.state, OWNER, replace(APPROVE, need=need), "s")


def test_whoever_lost_the_role_it_signed_with_signs_for_it_no_more() -> None:
    run = proposed("role:owner", "user:ann")
    sign(run, OWNER)
    with pytest.raises(Forbidden, match="you are none of them"):
        machine.sign(run.state, Signer("mary", ("member",)), Word(Verdict.CHANGE, "", "Water."), "s")


def test_who_is_not_needed_cannot_sign() -> None:
    with pytest.raises(Forbidden, match="needs user:ann: you are none of them"):
        machine.sign(proposed("user:ann").state, OWNER, APPROVE, "s")


@pytest.mark.parametrize(
    ("word", "told"),
    [
        (Word(Verdict.CHANGE), "needs the answer"),
        (Word(Verdict.APPROVE, "", "other words"), "Only a change"),
        (Word(Verdict.CHANGE, "", "Water.", "water"), "none of the options"),
        (Word(Verdict.VETO, "x" * 1_001), "shorten"),
    ],
)
def test_a_word_that_makes_no_sense_is_refused(word: Word, told: str) -> None:
    with pytest.raises(InvalidInput, match=told):
        machine.sign(proposed("user:ann", options=("tea", "coffee")).state, ANN, word, "s")


def test_signing_too_early_too_late_or_without_a_gate_is_a_conflict() -> None:
    early = debating.start(debating.spec_of(needs=("user:ann",)))
    with pytest.raises(Conflict, match="not decided yet"):
        machine.sign(early.state, ANN, APPROVE, "s")
    late = proposed("user:ann")
    sign(late, ANN)
    with pytest.raises(Conflict, match="too late"):
        machine.sign(late.state, ANN, Word(Verdict.VETO), "s")
    with pytest.raises(Conflict, match="nobody's signature"):
        machine.sign(debating.start().state, ANN, APPROVE, "s")


def test_a_vote_at_the_gate_makes_the_count_anew_and_voids_what_was_signed() -> None:
    run = proposed("user:ann", "role:owner")
    sign(run, ANN)
    before = run.of(DecisionProposed)[-1].decision
    loser = next(tally.agent for tally in before.tallies if tally.agent != before.winner)
    run.take([PersonVoted(1, "zoe", loser, 10)])
    run.advance()
    assert len(run.of(DecisionProposed)) == 2
    assert run.state.signatures == {}
    assert machine.status(run.state) is DebateStatus.WAITING


def test_a_journal_with_a_gate_is_replayed_to_the_same_state() -> None:
    run = proposed("user:ann", "role:owner")
    sign(run, ANN)
    assert machine.replay(run.events) == run.state
    sign(run, OWNER)
    assert machine.replay(run.events) == run.state


def test_a_debate_at_its_gate_can_be_cancelled() -> None:
    run = proposed("user:ann")
    run.take(machine.cancel(run.state, "cancelled by ann"))
    assert machine.status(run.state) is DebateStatus.CANCELLED


@pytest.mark.parametrize("needs", [("ann",), ("user:",), ("user:a", "user:a"), tuple(f"user:{n}" for n in range(11))])
def test_needs_that_name_nobody_or_too_many_are_refused(needs: tuple[str, ...]) -> None:
    with pytest.raises(InvalidInput):
        machine.first_event(replace(debating.spec_of(), needs=needs))


def test_votes_stand_behind_a_persons_words_only_where_they_are_for_the_option_that_won() -> None:
    run = proposed("user:ann", options=("tea", "coffee"))
    before = run.of(DecisionProposed)[-1].decision
    loser = next(option for option in ("tea", "coffee") if option != before.position)
    sign(run, ANN, Word(Verdict.CHANGE, "", "Rather this.", loser))
    assert (decision(run).position, decision(run).winner, decision(run).confidence) == (loser, None, 0.0)
    assert decision(run).support == "ann put it in place of the agents' answer"
    assert decision(run).headline.startswith("Changed by ann. The agents' own result: ")
    same = proposed("user:ann", options=("tea", "coffee"))
    sign(same, ANN, Word(Verdict.CHANGE, "", "Shorter words.", before.position))
    assert (decision(same).winner, decision(same).confidence) == (before.winner, before.confidence)


def test_who_changed_the_answer_and_approves_it_is_still_told_as_the_one_who_changed_it() -> None:
    run = proposed("user:ann", "role:owner")
    sign(run, OWNER, Word(Verdict.CHANGE, "", "Tea, but after noon."))
    stands = run.state.signatures["role:owner"]
    assert machine.sign(run.state, OWNER, APPROVE, "s9") is stands
    sign(run, ANN)
    assert [one.verdict for one in decision(run).signatures if one.person == "mary"] == [Verdict.CHANGE]
