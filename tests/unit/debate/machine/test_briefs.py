"""What agents get to see: enough to answer, and never who said it."""

from dataclasses import replace

import pytest
from worlds import debating

from aragora import encoding
from aragora.debate import machine
from aragora.debate.machine.consensus import decide
from aragora.debate.model import AskKind, Proposal, Protocol, Topology
from aragora.debate.protocol import PRESETS, preset

NAMES = ("zz-claude-zz", "zz-gpt-zz", "zz-gemini-zz", "zz-grok-zz")


@pytest.mark.parametrize("name", PRESETS)
def test_no_brief_ever_names_an_agent(name: str) -> None:
    run = debating.start(debating.spec_of(NAMES, preset(name), context="hot drinks")).play()
    told = " ".join(encoding.encode_text(request.brief) for request in run.requests)
    assert not any(agent in told for agent in NAMES)


def test_a_first_answer_is_independent() -> None:
    brief = debating.start(debating.spec_of(context="hot drinks")).pending()[0].brief
    assert (brief.question, brief.context) == ("Tea or coffee?", "hot drinks")
    assert brief.own == ""
    assert brief.candidates == brief.critiques == ()


def test_a_critic_sees_the_one_answer_it_criticises() -> None:
    run = debating.start().until(AskKind.CRITIQUE)
    for request in run.pending():
        assert [candidate.text for candidate in request.brief.candidates] == [
            run.state.answers[request.ask.target].content
        ]


def test_who_revises_sees_its_own_answer_the_others_and_what_was_said_against_it() -> None:
    run = debating.start().until(AskKind.REVISE)
    request = run.pending()[0]
    shown = {candidate.text for candidate in request.brief.candidates}
    assert request.brief.own == run.state.answers["claude"].content
    assert shown == {answer.content for agent, answer in run.state.answers.items() if agent != "claude"}
    assert request.brief.critiques == ("too vague. Suggested: say why",) * 3


def test_in_a_ring_who_revises_rereads_its_neighbour_only() -> None:
    protocol = replace(preset("society"), topology=Topology.RING)
    run = debating.start(debating.spec_of(protocol=protocol)).until(AskKind.REVISE)
    assert [len(request.brief.candidates) for request in run.pending()] == [1, 1, 1, 1]


def test_a_voter_sees_all_answers_without_knowing_its_own() -> None:
    run = debating.start().until(AskKind.VOTE)
    for request in run.pending():
        assert {candidate.text for candidate in request.brief.candidates} == {
            answer.content for answer in run.state.answers.values()
        }
        assert request.brief.own == ""
        assert len(request.brief.critiques) == 12


def test_voters_see_different_orders_and_the_same_at_every_replay() -> None:
    first, again = (debating.start().until(AskKind.VOTE).pending() for _ in range(2))
    assert first == again
    assert len({tuple(candidate.text for candidate in request.brief.candidates) for request in first}) > 1


def test_another_seed_shuffles_differently() -> None:
    orders = {
        debating.start(debating.spec_of(seed=seed)).until(AskKind.VOTE).pending()[0].brief.candidates
        for seed in range(20)
    }
    assert len(orders) > 5


def test_critiques_of_answers_that_have_changed_since_are_not_held_against_them() -> None:
    same = "Tea it is. It wakes without haste."

    def converging_later(request):  # noqa: ANN001, ANN202 (an answerer)
        reply = debating.answer_to(request)
        revised = request.ask.kind is AskKind.REVISE
        return replace(reply, content=Proposal(same, 0.9, ("a study",))) if revised else reply

    run = debating.start(debating.spec_of(protocol=Protocol("structured"))).until(AskKind.VOTE, converging_later)
    assert run.state.critiques
    assert all(request.brief.critiques == () for request in run.pending())


def test_the_chair_is_told_which_position_the_votes_put_first() -> None:
    run = debating.start(debating.spec_of(protocol=preset("council"))).until(AskKind.SYNTHESIZE)
    (request,) = run.pending()
    assert len(request.brief.candidates) == 4
    texts = {candidate.label: candidate.text for candidate in request.brief.candidates}
    assert texts[request.brief.leading] == run.state.answers[decide(run.state).winner].content


def test_the_timeout_is_handed_on() -> None:
    assert debating.start().pending()[0].timeout_s == 30.0


def test_who_revises_is_shown_the_same_whenever_it_is_asked_in_the_phase() -> None:
    """After a crash, and where asks wait for a budget, later ones must not read answers that are revised already."""
    for protocol in (Protocol("structured", early_stop=False, trickster=False), preset("structured")):
        run = debating.start(debating.spec_of(protocol=protocol)).until(AskKind.REVISE)
        before = {request.ask.ask_id: request.brief for request in run.pending()}
        run.give(debating.answer_to(run.pending()[0]))
        resumed = machine.replay(run.events)
        for ask in machine.asks(resumed):
            assert machine.request(resumed, ask, 30.0).brief == before[ask.ask_id]
