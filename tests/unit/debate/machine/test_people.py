"""What people may do to a debate."""

from dataclasses import replace
from typing import Any

import pytest
from worlds import debating

from aragora.debate import machine
from aragora.debate.model import AskKind, DebateStatus, PersonVoted, Protocol
from aragora.errors import Conflict, InvalidInput
from aragora.limits import SUGGESTIONS_MAX, SUGGESTIONS_PER_PERSON_MAX, VOTES_PER_PERSON_MAX


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"question": "  "}, "question is empty"),
        ({"question": "x" * 20_001}, "20001 characters"),
        ({"agents": ("claude",)}, "2 to 20 agents, not 1"),
        ({"agents": ("claude", "claude")}, "named twice"),
        ({"agents": ("claude", "a>b")}, "'a>b' is no agent's name"),
        ({"domain": "org_1\x1flaw"}, "domain has characters"),
        ({"judge": ""}, "no agent's name"),
        ({"budget_usd": 0.0}, "budget is 0.0 USD"),
        ({"budget_usd": float("nan")}, "budget is nan USD"),
        ({"protocol": Protocol("own", rounds=0)}, "rounds"),
        ({"debate_id": ""}, "no id"),
        ({"options": ("caf\u00e9", "cafe\u0301")}, "Two options are the same"),
        ({"options": ("A", "\uff21")}, "Two options are the same"),
        ({"options": ("yes", "YES")}, "Two options are the same"),
        ({"options": ("yes", "\u2800")}, "cannot be printed"),
        ({"options": ("yes", "\u3164")}, "cannot be printed"),
        ({"options": ("yes", "\ufe0f")}, "cannot be printed"),
    ],
)
def test_what_cannot_be_debated_is_refused(change: dict[str, Any], told: str) -> None:
    with pytest.raises(InvalidInput, match=told):
        machine.first_event(replace(debating.spec_of(), **change))


def test_a_persons_vote_can_turn_the_decision() -> None:
    plain = debating.start().play().state.decision
    other = next(tally.agent for tally in plain.tallies if tally.weight and tally.agent != plain.winner)
    run = debating.start().until(AskKind.VOTE)
    for person in ("ann", "bob", "eve"):
        run.take([machine.vote(run.state, person, other, 10, "")])
    decision = run.play().state.decision
    assert decision.winner == other
    assert "person:ann" in next(tally.voters for tally in decision.tallies if tally.agent == other)


def test_the_latest_vote_of_a_person_counts() -> None:
    run = debating.start()
    run.take([machine.vote(run.state, "ann", "gpt", 10, "v1")])
    run.take([machine.vote(run.state, "ann", "grok", 3, "v2")])
    assert (run.state.persons["ann"].choice, run.state.persons["ann"].intensity) == ("grok", 3)


def test_a_vote_that_changes_nothing_is_the_earlier_one() -> None:
    run = debating.start()
    first = machine.vote(run.state, "ann", "gpt", 10, "v1")
    run.take([first])
    assert machine.vote(run.state, "ann", "gpt", 10, "v2") is first
    assert machine.vote(run.state, "bob", "gpt", 10, "v3") is not first
    run.take([machine.vote(run.state, "ann", "grok", 10, "v4")])
    assert machine.vote(run.state, "ann", "gpt", 10, "v5").vote_id == "v5"


def test_a_person_changes_a_vote_only_so_often() -> None:
    run = debating.start()
    for number in range(VOTES_PER_PERSON_MAX):
        run.take([machine.vote(run.state, "ann", "gpt", 1 + number % 2, f"v{number}")])
    with pytest.raises(Conflict, match="20 times") as refused:
        machine.vote(run.state, "ann", "grok", 5, "one more")
    assert refused.value.code == "too_many_votes"
    assert machine.vote(run.state, "ann", "gpt", 2, "again").vote_id == "v19"
    run.take([machine.vote(run.state, "bob", "grok", 5, "of another")])


def test_a_journal_with_more_votes_than_are_taken_today_still_replays() -> None:
    run = debating.start()
    run.take([PersonVoted(1, "ann", "gpt", 1 + number % 2, f"v{number}") for number in range(2_000)])
    assert machine.replay(run.events) == run.state
    assert run.play().state.decision is not None


def test_a_person_makes_only_so_many_suggestions_and_each_once() -> None:
    run = debating.start()
    first = machine.suggest(run.state, "ann", "idea 0", "s")
    run.take([first])
    assert machine.suggest(run.state, "ann", " idea 0 ", "again") is first
    for number in range(1, SUGGESTIONS_PER_PERSON_MAX):
        run.take([machine.suggest(run.state, "ann", f"idea {number}", f"s{number}")])
    with pytest.raises(Conflict, match="20 suggestions") as refused:
        machine.suggest(run.state, "ann", "one more", "s")
    assert refused.value.code == "too_many_suggestions"
    run.take([machine.suggest(run.state, "bob", "one more", "of another")])


@pytest.mark.parametrize(("choice", "intensity"), [("mistral", 5), ("gpt", 0), ("gpt", 11)])
def test_a_vote_for_nobody_or_out_of_scale_is_refused(choice: str, intensity: int) -> None:
    with pytest.raises(InvalidInput):
        machine.vote(debating.start().state, "ann", choice, intensity, "")


def test_a_suggestion_reaches_every_later_brief() -> None:
    run = debating.start()
    assert run.pending()[0].brief.suggestions == ()
    run.take([machine.suggest(run.state, "ann", " Think of the price. ", "s1")])
    run.play()
    assert all(request.brief.suggestions == ("Think of the price.",) for request in run.requests)


def test_a_suggestion_sent_twice_is_shown_once() -> None:
    run = debating.start()
    run.take([machine.suggest(run.state, "ann", "Think of the price.", "s1") for _ in range(2)])
    assert run.pending()[0].brief.suggestions == ("Think of the price.",)


def test_suggestions_are_bounded() -> None:
    run = debating.start()
    for number in range(SUGGESTIONS_MAX):
        person = f"person {number // SUGGESTIONS_PER_PERSON_MAX}"
        run.take([machine.suggest(run.state, person, f"idea {number}", f"s{number}")])
    assert len(run.pending()[0].brief.suggestions) == 10
    with pytest.raises(Conflict, match="100 suggestions"):
        machine.suggest(run.state, "ann", "one more", "s100")
    with pytest.raises(InvalidInput, match="empty"):
        machine.suggest(debating.start().state, "ann", "  ", "s1")


def test_a_cancelled_debate_ends_at_once_with_the_reason() -> None:
    run = debating.start()
    run.take(machine.cancel(run.state, "cancelled by ann"))
    assert machine.status(run.state) is DebateStatus.CANCELLED
    assert run.state.ended.reason == "cancelled by ann"
    assert machine.advance(run.state, machine.Timing(1e9)) == ()


def test_a_decided_debate_takes_no_vote_suggestion_or_cancellation() -> None:
    state = debating.start().play().state
    for act in (
        lambda: machine.vote(state, "ann", "gpt", 5, ""),
        lambda: machine.suggest(state, "ann", "tea", ""),
        lambda: machine.cancel(state, "no"),
    ):
        with pytest.raises(Conflict, match="decided"):
            act()


def test_an_undecided_debate_cannot_complete_and_no_debate_ends_twice() -> None:
    run = debating.start()
    with pytest.raises(Conflict):
        machine.ended(run.state)
    run.play()
    run.take([machine.ended(run.state)])
    with pytest.raises(Conflict):
        machine.ended(run.state)
    with pytest.raises(Conflict, match="ended"):
        machine.cancel(run.state, "too late")
