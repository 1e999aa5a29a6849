"""What debates took, and what is told from that of the next one."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from worlds.taught import taught

from aragora.debate.model import AgentFailed, DebateEnded, DebateStatus, LateAnswer, RoundStarted, Usage
from aragora.knowledge.mound.adapters import cost
from aragora.knowledge.mound.adapters.cost import AgentSpent, Likeness, Spent
from aragora.knowledge.taught import TaughtDebate

DEBATE = taught()


def noted(debate: TaughtDebate) -> Spent:
    (one,) = cost.observe(debate)
    return cost.read(one)


def spent(usd: float, *, team: tuple[str, ...] = ("claude", "gpt", "gemini"), **of: object) -> Spent:
    agents = tuple(AgentSpent(name, 2, usd=usd / len(team), input_tokens=10) for name in team)
    protocol = DEBATE.spec.protocol
    made = Spent(protocol.name, protocol.rounds, played=1, seconds=10.0 * usd, agents=agents)
    return replace(made, **of)  # type: ignore[arg-type]


def test_a_debate_takes_what_its_journal_says_of_each_agent() -> None:
    found = noted(DEBATE)
    assert (found.protocol, found.rounds, found.played, found.seconds) == ("structured", 1, 1, 100.0)
    assert found.team == {"claude", "gpt", "gemini"}
    usages = [event.usage for _, event in DEBATE.events if isinstance(getattr(event, "usage", None), Usage)]
    assert found.asks == len(usages)
    assert found.tokens == sum(one.input_tokens + one.output_tokens for one in usages)
    assert found.usd == pytest.approx(sum(one.cost_usd for one in usages))


def test_a_late_answer_is_the_same_ask_and_costs_what_it_cost() -> None:
    before = noted(DEBATE)
    late = Usage("openai", "gpt", 5, 7, 0.25, 3.0)
    more = ((90, AgentFailed(1, "gpt", "x", "deadline", "too late")), (91, LateAnswer(1, "gpt", "x", late)))
    after = noted(replace(DEBATE, events=(*DEBATE.events, *more)))
    assert (after.asks, after.tokens) == (before.asks + 1, before.tokens + 12)
    assert after.usd == pytest.approx(before.usd + 0.25)
    assert [one.failures for one in after.agents if one.agent == "gpt"] == [1]


def test_a_debate_that_did_not_begin_took_nothing() -> None:
    begun = tuple((seq, event) for seq, event in DEBATE.events if not isinstance(event, RoundStarted))
    assert cost.observe(replace(DEBATE, events=begun)) == ()


def test_what_is_noted_holds_no_word_of_the_debate() -> None:
    (one,) = cost.observe(DEBATE)
    for _, event in DEBATE.events:
        for word in (getattr(event, "content", ""), getattr(event, "reason", "")):
            assert not word or word not in one.body
    assert DEBATE.spec.question not in one.body


def test_an_estimate_needs_three_debates_like_it() -> None:
    seen = [spent(1.0), spent(2.0)]
    assert cost.like(DEBATE.spec, seen) is None
    found = cost.like(DEBATE.spec, [*seen, spent(4.0)])
    assert found is not None
    assert (found.debates, found.likeness) == (3, Likeness.SAME_TEAM)
    assert (found.usd.p50, found.usd.p90) == (2.0, 4.0)
    assert (found.seconds.p50, found.seconds.p90) == (20.0, 40.0)


def test_the_same_team_comes_before_another_one_of_its_size() -> None:
    other = [spent(9.0, team=("a", "b", "c"))] * 5
    alone = cost.like(DEBATE.spec, other)
    assert alone is not None
    assert (alone.likeness, alone.usd.p50) == (Likeness.SAME_SIZE, 9.0)
    both = cost.like(DEBATE.spec, [*other, *[spent(1.0)] * 3])
    assert both is not None
    assert (both.likeness, both.usd.p90) == (Likeness.SAME_TEAM, 1.0)


def test_debates_of_another_kind_or_that_were_cut_off_say_nothing() -> None:
    unlike = [
        spent(1.0, protocol="duel"),
        spent(1.0, rounds=7),
        spent(1.0, status=DebateStatus.CANCELLED),
        spent(1.0, team=("claude", "gpt")),
    ]
    assert cost.like(DEBATE.spec, unlike * 5) is None


def test_a_cancelled_debate_is_noted_as_that() -> None:
    ends = tuple(
        (seq, DebateEnded(DebateStatus.CANCELLED, "by hand") if isinstance(event, DebateEnded) else event)
        for seq, event in DEBATE.events
    )
    assert noted(replace(DEBATE, events=ends)).status is DebateStatus.CANCELLED


@given(st.lists(st.floats(0.0, 1_000.0), min_size=3, max_size=60), st.randoms(use_true_random=False))
def test_an_estimate_does_not_depend_on_the_order_and_is_what_some_debate_took(
    costs: list[float], random: Random
) -> None:
    seen = [spent(usd) for usd in costs]
    found = cost.like(DEBATE.spec, seen)
    random.shuffle(seen)
    assert found is not None
    again = cost.like(DEBATE.spec, seen)
    assert again is not None
    assert replace(again, dear=()) == replace(found, dear=()), "but for what was dear at its time"
    usds = [one.usd for one in seen]
    assert found.usd.p50 in usds
    assert found.usd.p90 in usds
    assert found.usd.p50 <= found.usd.p90
    assert sum(usd <= found.usd.p50 for usd in usds) >= len(usds) / 2
    assert sum(usd <= found.usd.p90 for usd in usds) >= 0.9 * len(usds)


def test_a_debate_that_cost_far_more_than_those_before_it_is_told() -> None:
    before = [spent(1.0 + number / 100) for number in range(10)]
    assert cost.anomaly(spent(5.0), before[:9]) is None, "too few to say"
    found = cost.anomaly(spent(5.0), before)
    assert found is not None
    assert 4.7 < found < 4.9
    assert cost.anomaly(spent(1.2), before) is None
    assert cost.anomaly(spent(5.0, team=("a", "b", "c")), before) is None


def test_an_estimate_tells_which_of_the_newest_debates_of_the_team_were_dear() -> None:
    usual = [spent(1.0 + number / 100) for number in range(20)]
    found = cost.like(DEBATE.spec, [usual[0], spent(5.0), *usual])
    assert found is not None
    assert [round(one) for one in found.dear] == [5]
    assert cost.like(DEBATE.spec, usual).dear == ()  # type: ignore[union-attr]
    long_ago = cost.like(DEBATE.spec, [*usual, spent(5.0), *usual])
    assert long_ago is not None
    assert long_ago.dear == ()


def test_of_debates_that_cost_nothing_or_much_the_same_none_is_told() -> None:
    assert cost.anomaly(spent(0.001), [spent(0.0)] * 20) is None
    assert cost.anomaly(spent(1.01), [spent(1.0)] * 20) is None
    assert cost.anomaly(spent(2.5), [spent(1.0)] * 20) == 2.5
