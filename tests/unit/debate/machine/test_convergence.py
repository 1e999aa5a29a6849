"""Similarity of answers; hollow agreement, seen and challenged once."""

from dataclasses import replace

from hypothesis import given, strategies
from worlds import debating

from aragora.debate import machine
from aragora.debate.machine.convergence import agreement, conclusion, features, hollow_agreement, similarity
from aragora.debate.model import (
    AgentAnswer,
    AgentRequest,
    AgreementChallenged,
    AskKind,
    ConvergenceMeasured,
    Proposal,
    Protocol,
)

LONG = (
    "Use PostgreSQL for the ledger. It has transactions, it is well known, and backups are simple to run and to test."
)


def test_the_same_text_agrees_wholly_whatever_its_case_and_punctuation() -> None:
    assert agreement([LONG, LONG.upper(), LONG.replace(",", " ;")]) == 1.0


def test_texts_without_a_common_word_do_not_agree() -> None:
    assert agreement(["red apples", "green pears"]) == 0.0


def test_one_dissenter_keeps_the_agreement_low_however_many_the_others_are() -> None:
    assert agreement([LONG] * 15 + ["Keep a spreadsheet instead"]) < 0.2


def test_a_small_change_of_words_keeps_texts_close() -> None:
    assert similarity(features(LONG), features(LONG.replace("simple", "easy"))) > 0.8


def test_opposite_conclusions_in_the_same_words_are_not_close() -> None:
    assert similarity(features(LONG), features(LONG.replace("Use", "Do not use"))) == 0.0
    assert similarity(features("The answer is 42."), features("The answer is 43.")) == 0.0


def test_scripts_without_spaces_are_compared_too() -> None:
    left = "我们应该使用关系数据库来保存账本因为它支持事务"
    assert similarity(features(left), features(left + "并且")) > 0.85
    assert similarity(features(left), features("今天天气很好适合出去散步")) < 0.2


def test_nobody_agrees_alone() -> None:
    assert agreement([]) == agreement([LONG]) == 0.0


def test_the_conclusion_is_the_first_sentence() -> None:
    assert conclusion(" Pay 3.50 euros. It is fair.") == "Pay 3.50 euros"
    assert conclusion("no full stop") == "no full stop"


@given(strategies.text(), strategies.text())
def test_similarity_is_symmetric_and_within_bounds(left: str, right: str) -> None:
    forth, back = similarity(features(left), features(right)), similarity(features(right), features(left))
    assert forth == back
    assert 0.0 <= forth <= 1.0


@given(strategies.text())
def test_every_text_is_like_itself(text: str) -> None:
    assert similarity(features(text), features(text)) == 1.0


# --- The Trickster -----------------------------------------------------------------------------------------

SAME = "Use PostgreSQL for the ledger. Transactions keep it consistent and operators know it well."
STRUCTURED = Protocol("structured")


def test_agreement_on_shared_reasons_with_evidence_is_sound() -> None:
    answers = [debating.given(agent, SAME, ("ACID is documented",)) for agent in "abc"]
    assert hollow_agreement(answers, converged=True) is None


def test_agreement_without_evidence_is_hollow() -> None:
    hollow = hollow_agreement([debating.given(agent, SAME) for agent in "abc"], converged=True)
    assert hollow is not None
    assert hollow.reasons == ("0 of 3 answers name evidence",)
    assert "own reasons" in hollow.challenge


def test_close_conclusions_with_distant_arguments_are_hollow() -> None:
    left = debating.given("a", "Use PostgreSQL for the ledger. Its licence costs nothing.", ("price list",))
    right = debating.given("b", "Use PostgreSQL for the ledger. Our operators trained on backups.", ("survey",))
    hollow = hollow_agreement([left, right], converged=False)
    assert hollow is not None
    assert "arguments share only" in hollow.reasons[0]


def test_different_conclusions_are_no_agreement_to_challenge() -> None:
    answers = [debating.given("a", "Use PostgreSQL."), debating.given("b", "Keep the spreadsheet.")]
    assert hollow_agreement(answers, converged=False) is None


def test_a_challenge_names_no_agent() -> None:
    hollow = hollow_agreement([debating.given(agent, SAME) for agent in debating.AGENTS], converged=True)
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
