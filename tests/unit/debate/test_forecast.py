"""What a debate will take is what it takes: the forecast against debates that are run."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from worlds import debating

from aragora.debate.forecast import forecast
from aragora.debate.model import AgentRequest, Grouping, Proposal, Reply
from aragora.debate.protocol import PRESETS, preset


def agreeing(request: AgentRequest) -> Reply:
    reply = debating.answer_to(request)
    if isinstance(reply.content, Proposal):
        option = request.brief.options[0] if request.brief.options else ""
        return replace(reply, content=Proposal("Tea. It wakes.", 0.9, ("the same fact",), option))
    return reply


def moving(request: AgentRequest) -> Reply:
    """Nobody agrees with all, and in every other round two come together and part again."""
    reply = debating.answer_to(request)
    if isinstance(reply.content, Grouping) and request.ask.round % 2 == 0:
        first, second, *rest = (candidate.label for candidate in request.brief.candidates)
        return replace(reply, content=Grouping(((first, second), *((label,) for label in rest))))
    return reply


protocols = st.builds(
    preset,
    st.sampled_from(list(PRESETS)),
    consensus=st.sampled_from([None, "majority", "judge", "none"]),
    topology=st.sampled_from([None, "all_to_all", "ring", "star", "sparse"]),
)


@given(protocols, st.integers(2, 6), st.booleans())
def test_a_debate_takes_no_less_than_the_least_and_no_more_than_the_most(
    protocol: object, count: int, options: bool
) -> None:
    agents = tuple(f"agent-{number}" for number in range(count))
    spec = debating.spec_of(agents, protocol, options=("tea", "coffee") if options else ())  # type: ignore[arg-type]
    told = forecast(spec)
    for answerer in (agreeing, moving, debating.answer_to):
        asks = len(debating.start(spec).play(answerer).requests)
        assert told.asks_least <= asks <= told.asks_most


@pytest.mark.parametrize("name", PRESETS)
def test_the_least_is_what_agreement_takes(name: str) -> None:
    spec = debating.spec_of(protocol=preset(name), options=("tea", "coffee"))
    assert forecast(spec).asks_least == len(debating.start(spec).play(agreeing).requests)


def test_the_full_exchange_takes_52_asks_and_a_challenge_at_most() -> None:
    spec = debating.spec_of(protocol=preset("structured", topology="all_to_all"), options=("tea", "coffee"))
    assert forecast(spec).asks_most == 52 + 4
    assert forecast(replace(spec, budget_usd=0.5)).usd_most == 0.5
