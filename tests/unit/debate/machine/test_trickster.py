"""Hollow agreement, seen and challenged once."""

from dataclasses import replace

from worlds import debating

from aragora.debate import machine
from aragora.debate.machine.trickster import look
from aragora.debate.model import (
    AgentAnswer,
    AgentRequest,
    AgreementChallenged,
    AskKind,
    ConvergenceMeasured,
    Proposal,
    Protocol,
)

SAME = "Use PostgreSQL for the ledger. Transactions keep it consistent and operators know it well."
STRUCTURED = Protocol("structured")


def test_agreement_on_shared_reasons_with_evidence_is_sound() -> None:
    answers = [debating.given(agent, SAME, ("ACID is documented",)) for agent in "abc"]
    assert look(answers, converged=True) is None


def test_agreement_without_evidence_is_hollow() -> None:
    hollow = look([debating.given(agent, SAME) for agent in "abc"], converged=True)
    assert hollow is not None
    assert hollow.reasons == ("0 of 3 answers name evidence",)
    assert "own reasons" in hollow.challenge


def test_close_conclusions_with_distant_arguments_are_hollow() -> None:
    left = debating.given("a", "Use PostgreSQL for the ledger. Its licence costs nothing.", ("price list",))
    right = debating.given("b", "Use PostgreSQL for the ledger. Our operators trained on backups.", ("survey",))
    hollow = look([left, right], converged=False)
    assert hollow is not None
    assert "arguments share only" in hollow.reasons[0]


def test_different_conclusions_are_no_agreement_to_challenge() -> None:
    answers = [debating.given("a", "Use PostgreSQL."), debating.given("b", "Keep the spreadsheet.")]
    assert look(answers, converged=False) is None


def test_a_challenge_names_no_agent() -> None:
    hollow = look([debating.given(agent, SAME) for agent in debating.AGENTS], converged=True)
    assert hollow is not None
    assert not any(agent in hollow.challenge for agent in debating.AGENTS)


def agreeing(text: str = SAME, evidence: tuple[str, ...] = ()):  # noqa: ANN201 (a closure)
    def answer(request: AgentRequest) -> AgentAnswer:
        plain: AgentAnswer = debating.answer_to(request)
        return replace(plain, content=Proposal(text, 0.9, evidence)) if isinstance(plain.content, Proposal) else plain

    return answer


def test_hollow_agreement_is_challenged_once_and_then_counts() -> None:
    run = debating.start(debating.spec_of(protocol=STRUCTURED)).play(agreeing())
    assert len(run.of(AgreementChallenged)) == 1
    assert run.kinds() == [AskKind.PROPOSE] * 4 + [AskKind.CHALLENGE] * 4 + [AskKind.VOTE] * 4
    assert run.state.decision.stopped_by == "convergence"
    assert run.of(ConvergenceMeasured)[-1].converged


def test_the_challenge_shows_the_own_answer_and_nobody_elses() -> None:
    run = debating.start(debating.spec_of(protocol=STRUCTURED)).until(AskKind.CHALLENGE, agreeing())
    brief = run.pending()[0].brief
    assert brief.own == SAME
    assert brief.candidates == ()
    assert "own reasons" in brief.challenge


def test_who_changes_its_mind_at_the_challenge_reopens_the_debate() -> None:
    def answer(request: AgentRequest) -> AgentAnswer:
        moved = request.ask.kind is AskKind.CHALLENGE and request.ask.agent == "gpt"
        return agreeing("Keep the spreadsheet. Nobody asked for more.")(request) if moved else agreeing()(request)

    run = debating.start(debating.spec_of(protocol=STRUCTURED)).until(AskKind.CRITIQUE, answer)
    assert not run.state.converged
    assert run.state.answers["gpt"].content.startswith("Keep")


def test_sound_agreement_stops_early_without_a_challenge() -> None:
    run = debating.start(debating.spec_of(protocol=STRUCTURED)).play(agreeing(SAME, ("ACID",)))
    assert run.kinds() == [AskKind.PROPOSE] * 4 + [AskKind.VOTE] * 4
    assert run.of(AgreementChallenged) == []


def test_without_early_stop_only_the_last_round_is_challenged() -> None:
    protocol = Protocol("structured", early_stop=False)
    run = debating.start(debating.spec_of(protocol=protocol)).play(agreeing())
    assert [event.round for event in run.of(AgreementChallenged)] == [3]
    assert machine.replay(run.events) == run.state
