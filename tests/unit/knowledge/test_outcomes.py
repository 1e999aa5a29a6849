"""Which answer an outcome names, and which version follows."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aragora import limits
from aragora.debate.model import ConsensusMode, Decision, Signature, Tally, Verdict
from aragora.errors import Conflict, InvalidInput
from aragora.knowledge.outcomes import (
    Answer,
    Outcome,
    Wish,
    answer_named,
    answers_of,
    next_version,
    repeats,
    stands,
    voted,
)

POSTGRES = Tally("ann", 2, 2.0, ("ann", "bob"), "PostgreSQL", ("ann", "bob"))
SQLITE = Tally("cat", 1, 1.0, ("cat",), "SQLite", ("cat",))
DECISION = Decision(
    True, "PostgreSQL, because ...", "ann", 2 / 3, ConsensusMode.MAJORITY, (POSTGRES, SQLITE), (), 2, 0.0,
    position="PostgreSQL",
)  # fmt: skip
CHANGED = replace(
    DECISION,
    answer="MariaDB.",
    position="MariaDB",
    winner=None,
    confidence=0.0,
    signatures=(Signature("user:eve", "eve", Verdict.CHANGE),),
)
OUTCOME = Outcome(
    "deb_1",
    "local",
    "default",
    "general",
    "PostgreSQL",
    ("ann", "bob"),
    True,
    0.667,
    "eve",
    "seen",
    90.0,
    100.0,
    version=3,
)


@pytest.mark.parametrize("name", ["PostgreSQL", "postgresql", "  PostgreSQL ", "ann", "bob"])
def test_an_answer_is_named_by_its_text_or_by_an_agent_that_gave_it(name: str) -> None:
    assert answer_named(answers_of(DECISION), name) == Answer("PostgreSQL", ("ann", "bob"))


@pytest.mark.parametrize("name", ["", "MySQL", "Postgre", "eve", "ANN", "%", "PostgreSQL\u200b"])
def test_an_answer_that_the_debate_did_not_have_is_refused_with_those_it_had(name: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        answer_named(answers_of(DECISION), name)
    assert refused.value.code == "unknown_answer"
    assert "'PostgreSQL' (ann, bob); 'SQLite' (cat)" in refused.value.message


def test_the_text_of_an_answer_goes_before_the_name_of_an_agent() -> None:
    answers = (Answer("cat", ("ann",)), Answer("dog", ("cat",)))
    assert answer_named(answers, "cat") == answers[0]


def test_answers_with_one_text_are_told_apart_by_their_agents() -> None:
    answers = (Answer("yes", ("ann",)), Answer("yes", ("bob",)))
    assert answer_named(answers, "bob") == answers[1]
    with pytest.raises(InvalidInput):
        answer_named(answers, "yes")


def test_a_refusal_is_short_however_many_and_long_the_answers_are() -> None:
    answers = [Answer("x" * 300 + str(number), (f"a{number}",)) for number in range(500)]
    with pytest.raises(InvalidInput) as refused:
        answer_named(answers, "y" * 300)
    assert len(refused.value.message) < 4_000


def test_decisions_of_versions_that_knew_no_positions_name_their_agents() -> None:
    old = replace(DECISION, position="", tallies=(Tally("ann", 2, 2.0), Tally("cat", 1, 1.0)))
    assert answers_of(old) == (Answer("ann", ("ann",)), Answer("cat", ("cat",)))
    assert stands(old, answer_named(answers_of(old), "ann"))
    assert answers_of(replace(old, tallies=())) == (Answer("ann", ("ann",)),)


def test_a_persons_words_are_an_answer_of_nobody() -> None:
    held = answer_named(answers_of(CHANGED), "MariaDB")
    assert held == Answer("MariaDB")
    assert stands(CHANGED, held)
    assert not stands(CHANGED, answer_named(answers_of(CHANGED), "ann"))
    assert voted(CHANGED) is None


def test_a_person_who_chose_another_position_made_no_new_answer() -> None:
    chosen = replace(CHANGED, position="SQLite")
    assert len(answers_of(chosen)) == 2
    assert stands(chosen, answer_named(answers_of(chosen), "cat"))


def test_the_decision_was_right_where_its_position_held() -> None:
    assert stands(DECISION, answer_named(answers_of(DECISION), "bob"))
    assert not stands(DECISION, answer_named(answers_of(DECISION), "cat"))
    assert not stands(DECISION, None)


@given(st.floats(allow_nan=False))
def test_a_voted_confidence_is_kept_in_thousandths(confidence: float) -> None:
    kept = voted(replace(DECISION, confidence=confidence))
    assert kept is not None
    assert 0.0 <= kept <= 1.0
    assert round(kept * 1000) / 1000 == kept


# --- versions -----------------------------------------------------------------------------------------------


def test_the_same_again_is_the_same_whoever_says_it() -> None:
    assert repeats(OUTCOME, "PostgreSQL", Wish("ann", "somebody else", "seen"))
    assert repeats(OUTCOME, "PostgreSQL", Wish("ann", "eve", "seen", at=90.0, replaces=2))


@pytest.mark.parametrize(
    ("right", "wish"),
    [
        ("SQLite", Wish("SQLite", "eve", "seen")),
        (None, Wish(None, "eve", "seen")),
        ("PostgreSQL", Wish("ann", "eve", "seen elsewhere")),
        ("PostgreSQL", Wish("ann", "eve", "seen", at=91.0)),
    ],
)
def test_what_differs_in_answer_note_or_time_is_another_outcome(right: str | None, wish: Wish) -> None:
    assert not repeats(OUTCOME, right, wish)
    assert not repeats(None, right, wish)


def test_the_first_outcome_is_version_1_and_each_next_one_names_the_one_before() -> None:
    assert next_version(None, None) == 1
    assert next_version(OUTCOME, 3) == 4


@pytest.mark.parametrize(
    ("newest", "replaces", "code"),
    [
        (OUTCOME, None, "outcome_exists"),
        (OUTCOME, 2, "outcome_changed"),
        (OUTCOME, 4, "outcome_changed"),
        (None, 1, "outcome_changed"),
        (replace(OUTCOME, version=limits.OUTCOME_VERSIONS_MAX), limits.OUTCOME_VERSIONS_MAX, "too_many_outcomes"),
    ],
)
def test_another_outcome_without_the_newest_version_is_a_conflict(
    newest: Outcome | None, replaces: int | None, code: str
) -> None:
    with pytest.raises(Conflict) as refused:
        next_version(newest, replaces)
    assert refused.value.code == code
