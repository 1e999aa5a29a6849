"""Who said nothing was never right, and never wrong either: silence is not scored."""

from __future__ import annotations

from dataclasses import replace

from worlds import debating

from aragora.debate.model import Abstention, AgentRequest, AskKind, Reply
from aragora.debate.protocol import preset
from aragora.ranking.calibration import Calibration, forecasts_of


def test_a_failed_vote_and_an_abstention_are_no_forecast_whatever_turns_out_to_be_right() -> None:
    def answer(request: AgentRequest) -> Reply:
        if request.ask.kind is not AskKind.VOTE or request.ask.agent in ("claude", "gpt"):
            return debating.answer_to(request)
        if request.ask.agent == "grok":
            return debating.failure_of(request, "malformed_answer")
        reply = debating.answer_to(request)
        return replace(reply, content=Abstention("I cannot tell."))

    run = debating.start(debating.spec_of(protocol=preset("ensemble"))).play(answer)
    for right in debating.AGENTS:
        assert {forecast.agent for forecast in forecasts_of(run.events, {right})} == {"claude", "gpt"}
    assert Calibration().value is None, "an agent without a forecast is neither good nor bad"


def test_a_debate_that_nobody_answered_makes_nobody_right() -> None:
    run = debating.start().play(debating.failure_of)
    assert run.state.decision is None
    assert forecasts_of(run.events, {"claude"}) == ()
