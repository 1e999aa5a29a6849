"""How agents come to agree: who changes sides, who does so without new evidence, and who turns when challenged."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from random import Random

from hypothesis import given
from hypothesis import strategies as st
from worlds import debating
from worlds.closed_debates import OPENED_AT, closed
from worlds.taught import HOME, PAPER, swayed, taught

from aragora.debate.journal import events_of
from aragora.debate.model import (
    AgreementChallenged,
    AnswerGiven,
    AskKind,
    ConvergenceMeasured,
    Event,
    Position,
)
from aragora.knowledge.mound.adapters import insights
from aragora.knowledge.mound.adapters.insights import Sides, Steadiness
from aragora.knowledge.taught import TaughtDebate

NEW = "the invoices of April, counted twice"
OTHER = "what the vendor says of its disks"


def noted(*events: Event) -> dict[str, Sides]:
    debate = replace(taught(), events=tuple(enumerate(events, 1)))
    return {one.key: insights.read(one) for one in insights.observe(debate)}


def said(agent: str, *evidence: str, kind: AskKind = AskKind.REVISE, option: str = "") -> AnswerGiven:
    return replace(debating.given(agent, "Three.", evidence), kind=kind, option=option)


def measured(*positions: tuple[str, ...], moved: Iterable[str] = ()) -> ConvergenceMeasured:
    held = tuple(Position(f"position {number}", authors[0], authors) for number, authors in enumerate(positions))
    return ConvergenceMeasured(1, 0.5, len(held) == 1, positions=held, found_by="options", moved=tuple(moved))


FIRST = (said("ada", PAPER), said("bob", OTHER), measured(("ada",), ("bob",), moved=("ada", "bob")))


def test_in_its_first_round_nobody_can_change_sides() -> None:
    assert noted(*FIRST) == {}


def test_who_changes_sides_with_nothing_new_flips() -> None:
    found = noted(
        *FIRST, said("ada", PAPER), said("bob", PAPER.upper(), "yes"), measured(("ada", "bob"), moved=("bob",))
    )
    assert found == {"ada": Sides(1), "bob": Sides(1, 1, 1)}


def test_who_brings_new_evidence_does_not_flip_whoever_else_brings_it_in_that_round() -> None:
    found = noted(*FIRST, said("ada", NEW), said("bob", NEW), measured(("ada", "bob"), moved=("bob",)))
    assert found["bob"] == Sides(1, 1, 0)
    later = said("ada"), said("bob", NEW), measured(("ada",), ("bob",), moved=("bob",))
    found = noted(*FIRST, said("ada", NEW), said("bob", NEW), measured(("ada", "bob"), moved=("bob",)), *later)
    assert found["bob"] == Sides(2, 2, 1), "it is new once"


def test_who_did_not_answer_in_a_round_could_not_change_sides_in_it() -> None:
    assert noted(*FIRST, said("ada"), measured(("ada", "bob"), moved=("bob",))) == {"ada": Sides(1)}


def test_who_turns_after_a_challenge_is_told_by_the_options_else_by_who_stands_apart() -> None:
    challenged = AgreementChallenged(1, ("no shared reason",), "Why?")
    first = said("ada", option="three"), said("bob", option="three"), said("eve", option="three"), challenged
    turned = (
        said("ada", kind=AskKind.CHALLENGE, option="three"),
        said("bob", kind=AskKind.CHALLENGE, option="five"),
        measured(("ada", "eve"), ("bob",)),
    )
    assert noted(*first, *turned) == {"ada": Sides(challenges=1), "bob": Sides(challenges=1, turned=1)}
    bare = [replace(event, option="") if isinstance(event, AnswerGiven) else event for event in (*first, *turned)]
    assert noted(*bare) == noted(*first, *turned)
    assert noted(*bare[:-1]) == {}, "the debate ended before anybody could see"


def test_journals_that_knew_no_positions_say_nothing() -> None:
    old = ConvergenceMeasured(1, 0.9, True)
    assert noted(said("ada"), old, said("ada"), old) == {}
    assert insights.observe(taught()) == (), "it had one round"


def test_a_debate_of_the_machine_says_who_followed_the_others() -> None:
    run = swayed()
    events = tuple(enumerate(events_of(closed(run).lines), 1))
    debate = TaughtDebate(HOME, run.state.spec, events, OPENED_AT + 100.0)
    found = insights.observe(debate)
    assert {one.key: insights.read(one) for one in found} == {
        "claude": Sides(1),
        "gemini": Sides(1, 1, 1),
        "gpt": Sides(1),
    }
    assert not [one for one in found if PAPER in one.body or "three" in one.body]


SEEN = st.dictionaries(
    st.integers(0, 99).map("deb_{}".format),
    st.tuples(*[st.integers(0, 4)] * 3, *[st.integers(0, 3)] * 2).map(
        lambda of: Sides(sum(of[:3]), of[0] + of[1], of[0], of[3] + of[4], of[3])
    ),
    max_size=30,
)


@given(SEEN, st.randoms(use_true_random=False))
def test_how_steady_an_agent_is_depends_on_no_order(seen: dict[str, Sides], random: Random) -> None:
    order = list(seen.items())
    random.shuffle(order)
    found = insights.steadiness("ada", seen)
    assert insights.steadiness("ada", dict(order)) == found
    rounds = sum(one.rounds for one in seen.values())
    assert (found is None) == (rounds < insights.LEAST)
    if found is not None:
        assert (found.rounds, found.debates) == (rounds, len(seen))
        assert 0.0 <= found.low <= found.rate <= found.high <= 1.0


def steady(flips: int, rounds: int, turned: int = 0, challenges: int = 0) -> Steadiness:
    found = insights.steadiness("ada", {"deb_1": Sides(rounds, flips, flips, challenges, turned)})
    assert found is not None
    return found


def test_the_trickster_is_suggested_only_where_the_record_is_sure() -> None:
    assert insights.setting([]) is None
    assert insights.setting([steady(3, 5)]) is not None
    assert insights.setting([steady(2, 5)]) is None, "too few to say"
    flippy = insights.setting([steady(20, 50)])
    assert flippy is not None
    assert (flippy.trickster, flippy.reason) == (
        True,
        "its agents change sides without new evidence in at least 0.28 of rounds",
    )
    idle = insights.setting([steady(0, 50, 0, 20), steady(1, 50, 0, 20)])
    assert idle is not None
    assert (idle.trickster, idle.reason) == (False, "of its agents at most 0.09 change sides where they are challenged")
    assert insights.setting([steady(0, 50, 0, 20)]) is None
    both = insights.setting([steady(20, 50, 0, 100)])
    assert both is not None
    assert both.trickster, "a challenge that turns nobody may still keep an agreement from counting too soon"
