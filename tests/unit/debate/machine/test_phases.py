"""The order of the phases, and how many asks each protocol takes."""

from collections import Counter
from dataclasses import replace

import pytest
from worlds import debating

from aragora.debate import machine
from aragora.debate.model import (
    AgentRequest,
    AskKind,
    ConsensusReached,
    DebateEnded,
    DebateStatus,
    Reply,
    RoundStarted,
    Standing,
    Usage,
)
from aragora.debate.protocol import preset


def failing(*kinds: AskKind, agents: tuple[str, ...] = ()):  # noqa: ANN201 (a closure)
    def answer(request: AgentRequest) -> Reply:
        wanted = request.ask.kind in kinds and (not agents or request.ask.agent in agents)
        reply: Reply = debating.failure_of(request) if wanted else debating.answer_to(request)
        return reply

    return answer


def test_four_agents_and_three_rounds_take_52_asks() -> None:
    run = debating.start().play()
    assert Counter(run.kinds()) == {AskKind.PROPOSE: 4, AskKind.REVISE: 8, AskKind.CRITIQUE: 36, AskKind.VOTE: 4}
    assert [event.round for event in run.of(RoundStarted)] == [1, 2, 3]
    assert len({request.ask.ask_id for request in run.requests}) == 52


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("council", {AskKind.PROPOSE: 4, AskKind.GROUP: 1, AskKind.RANK: 4, AskKind.SYNTHESIZE: 1}),
        ("structured", {AskKind.PROPOSE: 4, AskKind.GROUP: 2, AskKind.CRITIQUE: 4, AskKind.REVISE: 4, AskKind.VOTE: 4}),
        ("society", {AskKind.PROPOSE: 4, AskKind.GROUP: 2, AskKind.REVISE: 4, AskKind.VOTE: 4}),
        ("ensemble", {AskKind.PROPOSE: 4, AskKind.GROUP: 1, AskKind.VOTE: 4}),
    ],
)
def test_each_preset_asks_what_it_promises(name: str, kinds: dict[AskKind, int]) -> None:
    run = debating.start(debating.spec_of(protocol=preset(name))).play()
    assert Counter(run.kinds()) == kinds


def test_a_duel_is_two_sides_and_a_judge() -> None:
    run = debating.start(debating.spec_of(("pro", "contra", "judge"), preset("duel"))).play()
    asked = {kind: {r.ask.agent for r in run.requests if r.ask.kind is kind} for kind in set(run.kinds())}
    assert asked[AskKind.PROPOSE] == asked[AskKind.REVISE] == asked[AskKind.CRITIQUE] == {"pro", "contra"}
    assert asked[AskKind.JUDGE] == {"judge"}
    assert run.state.decision.winner in ("pro", "contra")


def test_the_best_rated_agent_judges_unless_one_is_named() -> None:
    standings = {"gpt": Standing(1700.0)}
    by_rating = debating.start(debating.spec_of(protocol=preset("duel"), standings=standings))
    by_name = debating.start(debating.spec_of(protocol=preset("duel"), standings=standings, judge="grok"))
    assert "gpt" not in by_rating.state.participants
    assert "grok" not in by_name.state.participants


def test_where_the_judge_is_silent_the_participants_vote() -> None:
    run = debating.start(debating.spec_of(protocol=preset("duel"))).play(failing(AskKind.JUDGE))
    assert run.kinds()[-3:] == [AskKind.VOTE] * 3
    assert "no verdict" in run.state.decision.explanation


def test_the_chair_writes_the_answer_and_its_silence_leaves_the_winners() -> None:
    spec = debating.spec_of(protocol=preset("council"))
    spoken = debating.start(spec).play()
    silent = debating.start(spec).play(failing(AskKind.SYNTHESIZE))
    assert spoken.state.decision.answer == spoken.state.synthesis.content
    assert silent.state.decision.answer == silent.state.answers[silent.state.decision.winner].content


def test_an_agent_that_failed_to_propose_still_criticises_and_votes() -> None:
    run = debating.start().play(failing(AskKind.PROPOSE, AskKind.REVISE, agents=("gpt",)))
    others = [request.ask for request in run.requests if request.ask.agent == "gpt"]
    assert AskKind.CRITIQUE in {ask.kind for ask in others}
    assert AskKind.VOTE in {ask.kind for ask in others}
    assert not any(request.ask.target == "gpt" for request in run.requests)
    assert run.state.decision.reached is not None


def test_an_answer_stands_where_its_revision_fails() -> None:
    run = debating.start().play(failing(AskKind.REVISE, agents=("gpt",)))
    assert run.state.answers["gpt"].round == 1
    assert run.state.answers["claude"].round == 3


def test_a_debate_nobody_answers_fails_and_says_why_and_what_to_do() -> None:
    run = debating.start().play(failing(AskKind.PROPOSE))
    end = run.events[-1]
    assert isinstance(end, DebateEnded)
    assert end.status is DebateStatus.FAILED
    assert "claude: timeout (no luck)" in end.reason
    assert "aragora doctor" in end.reason
    assert machine.status(run.state) is DebateStatus.FAILED


def test_with_one_answer_there_is_nothing_to_vote_on() -> None:
    others = ("claude", "gemini", "grok")
    run = debating.start().play(failing(AskKind.PROPOSE, AskKind.REVISE, agents=others))
    assert AskKind.VOTE not in run.kinds()
    assert run.state.decision.winner == "gpt"
    assert not run.state.decision.reached
    assert "Only gpt" in run.state.decision.explanation


def test_a_spent_budget_ends_the_asking_and_is_told() -> None:
    spec = debating.spec_of(budget_usd=0.004)
    run = debating.start(spec).play()
    assert run.kinds() == [AskKind.PROPOSE] * 4
    decision = run.state.decision
    assert (decision.stopped_by, decision.reached) == ("budget", False)
    assert "budget of 0.004 USD" in decision.explanation


def test_a_budget_spent_by_failures_counts_too() -> None:
    def costly(request: AgentRequest) -> Reply:
        return replace(debating.failure_of(request), usage=replace(debating.USAGE, cost_usd=1.0))

    run = debating.start()
    run.give(costly(run.pending()[0]))
    assert run.state.cost_usd == 1.0


def test_answers_without_a_count_of_tokens_are_told_where_a_budget_should_hold() -> None:
    def uncounted(request: AgentRequest) -> Reply:
        return replace(debating.answer_to(request), usage=Usage("openai", "gpt"))

    told = "52 answer(s) came too late or without a count of tokens"
    assert told in debating.start(debating.spec_of(budget_usd=1.0)).play(uncounted).state.decision.explanation
    assert told not in debating.start().play(uncounted).state.decision.explanation


def test_an_answer_that_is_not_waited_for_is_told_too() -> None:
    run = debating.start(debating.spec_of(budget_usd=1.0))
    for request in run.pending()[1:]:
        run.give(debating.answer_to(request))
    run.advance(machine.Timing(1e9))
    assert "1 answer(s) came too late" in run.play().state.decision.explanation


def test_a_budget_that_suffices_changes_nothing() -> None:
    run = debating.start(debating.spec_of(budget_usd=1.0)).play()
    assert len(run.requests) == 52
    assert run.state.decision.stopped_by == "rounds"


def test_a_debate_is_queued_then_active_then_completed() -> None:
    state = machine.replay([machine.first_event(debating.spec_of())])
    assert (machine.status(state), machine.rounds(state)) == (DebateStatus.QUEUED, 0)
    run = debating.start()
    assert (machine.status(run.state), machine.rounds(run.state)) == (DebateStatus.ACTIVE, 1)
    run.play()
    assert machine.advance(run.state, machine.Timing(1e9, 1e9)) == ()
    run.take([machine.ended(run.state)])
    assert machine.status(run.state) is DebateStatus.COMPLETED
    assert run.events[-1].reason == "decided"


def test_nothing_changes_after_the_end() -> None:
    run = debating.start()
    answers = run.pending()
    run.take(machine.cancel(run.state, "enough"))
    before = machine.replay(run.events)
    run.give(debating.answer_to(answers[0]))
    run.take([RoundStarted(9, ())])
    assert run.state == before
    assert machine.asks(run.state) == ()


def test_an_empty_state_wants_nothing() -> None:
    state = machine.DebateState()
    assert machine.advance(state, machine.Timing(0.0)) == ()
    assert machine.asks(state) == ()


def test_a_journal_that_does_not_begin_with_the_opening_is_refused() -> None:
    with pytest.raises(ValueError, match="DebateOpened comes first"):
        machine.replay([RoundStarted(1, debating.AGENTS)])


def test_the_decision_is_announced_once() -> None:
    assert len(debating.start().play().of(ConsensusReached)) == 1
