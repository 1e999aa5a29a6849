"""Which questions are asked again, and what they were settled on before."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from hypothesis import given
from hypothesis import strategies as st
from worlds.taught import HOME, QUESTION, taught

from aragora.debate.knowledge import question_digest
from aragora.debate.model import ConsensusReached, DebateEnded, DebateStatus
from aragora.knowledge.mound.adapters import consensus, pulse
from aragora.knowledge.mound.adapters.pulse import Asked
from aragora.knowledge.sameness import item_id_of
from aragora.knowledge.taught import Offered, TaughtDebate

DAY_S = pulse.DAY_S


def noted(debate: TaughtDebate) -> Asked:
    (one,) = pulse.observe(debate)
    return pulse.read(one)


def asked(number: int, answer: str = "three", **of: object) -> Asked:
    """The debate that ended on this day; with an empty answer it reached no decision."""
    made = Asked(f"deb_{number}", number * DAY_S, decided=True, reached=bool(answer), confidence=0.7, item_id=answer)
    return replace(made, **of)  # type: ignore[arg-type]


def decided_otherwise(debate: TaughtDebate, *, reached: bool) -> TaughtDebate:
    events = tuple(
        (seq, replace(event, decision=replace(event.decision, reached=reached)))
        if isinstance(event, ConsensusReached)
        else (seq, event)
        for seq, event in debate.events
    )
    return replace(debate, events=events)


def test_a_decision_is_noted_under_its_question_with_the_id_of_its_item() -> None:
    debate = taught()
    (one,) = pulse.observe(debate)
    found = pulse.read(one)
    decision = consensus.decided(debate)
    assert decision is not None
    assert one.key == question_digest(QUESTION)
    assert found.item_id == item_id_of(HOME, decision)
    assert (found.decided, found.reached, found.at, found.shown) == (True, True, debate.at, False)


def test_another_spacing_and_case_is_the_same_question() -> None:
    debate = taught()
    shouted = replace(debate, spec=replace(debate.spec, question=f"  {QUESTION.upper()} "))
    assert pulse.observe(shouted)[0].key == pulse.observe(debate)[0].key


def test_a_debate_without_a_decision_is_noted_as_asked() -> None:
    open_end = noted(decided_otherwise(taught(), reached=False))
    assert (open_end.decided, open_end.reached, open_end.item_id) == (True, False, "")
    debate = taught()
    events = tuple(
        (seq, DebateEnded(DebateStatus.CANCELLED, "by hand") if isinstance(event, DebateEnded) else event)
        for seq, event in debate.events
        if not isinstance(event, ConsensusReached)
    )
    cancelled = noted(replace(debate, events=events))
    assert (cancelled.decided, cancelled.reached, cancelled.at) == (False, False, debate.at)


def test_a_debate_that_was_offered_the_answer_says_so() -> None:
    item_id = noted(taught()).item_id
    assert noted(taught(2, Offered(item_ids=(item_id,)))).shown
    assert not noted(taught(2, Offered(item_ids=("kn_other",)))).shown


def test_what_is_noted_holds_no_word_of_the_debate() -> None:
    (one,) = pulse.observe(taught())
    assert "three" not in one.body
    assert "replicas" not in one.body + one.key


def test_what_no_debate_reached_a_decision_on_is_not_settled() -> None:
    assert pulse.settled([]) is None
    assert pulse.settled([asked(1, ""), asked(2, "")]) is None


def test_the_newest_decision_stands_with_how_many_in_a_row_came_to_it() -> None:
    found = pulse.settled([asked(1, "five"), asked(2), asked(3), asked(4, ""), asked(5, "", decided=False)])
    assert found is not None
    assert (found.item_id, found.debate_id, found.at) == ("three", "deb_3", 3 * DAY_S)
    assert (found.debates, found.changes, found.undecided) == (2, 1, 1)


def test_each_change_halves_how_long_an_answer_is_good_for_and_each_debate_that_repeats_it_doubles_it() -> None:
    assert pulse.valid_days(0, 0) == 90.0
    assert pulse.valid_days(1, 0) == 45.0
    assert pulse.valid_days(0, 1) == 180.0
    assert pulse.valid_days(9, 0) == pulse.VALID_DAYS_LEAST
    assert pulse.valid_days(0, 9) == pulse.VALID_DAYS_MOST
    assert pulse.valid_days(100_000, 0) == pulse.VALID_DAYS_LEAST
    twice = pulse.settled([asked(1), asked(2)])
    prompted = pulse.settled([asked(1), asked(2, shown=True)])
    assert twice is not None
    assert prompted is not None
    assert twice.valid_until == 2 * DAY_S + 180 * DAY_S
    assert prompted.valid_until == 2 * DAY_S + 90 * DAY_S


def test_debates_of_late_are_those_that_ended_since_then() -> None:
    assert pulse.asked_since([asked(1), asked(1), asked(2, ""), asked(3)], 2 * DAY_S) == 2


SEEN = st.lists(
    st.builds(asked, st.integers(1, 30), st.sampled_from(["three", "five", ""]), shown=st.booleans()),
    max_size=20,
    unique_by=lambda one: one.debate_id,
)


@given(SEEN, st.randoms(use_true_random=False))
def test_neither_order_nor_repetition_changes_what_a_question_is_settled_on(seen: list[Asked], random: Random) -> None:
    found = pulse.settled(seen)
    again = [*seen, *random.choices(seen, k=3)] if seen else []
    random.shuffle(again)
    assert pulse.settled(again) == found
    assert pulse.asked_since(again, 10 * DAY_S) == pulse.asked_since(seen, 10 * DAY_S)
    assert (found is None) == (not any(one.reached for one in seen))
    if found is not None:
        days = (found.valid_until - found.at) / DAY_S
        assert pulse.VALID_DAYS_LEAST <= days <= pulse.VALID_DAYS_MOST
        assert 1 <= found.debates <= sum(one.reached for one in seen)
