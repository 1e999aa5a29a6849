"""Who does well in a domain, and the team that this suggests."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from hypothesis import given
from hypothesis import strategies as st
from worlds.taught import spec, taught

from aragora.debate.model import Abstained, AgentFailed, AskKind, ConsensusReached, RoundStarted, Usage
from aragora.knowledge.mound.adapters import ranking
from aragora.knowledge.mound.adapters.ranking import Debated, Expert, Part
from aragora.knowledge.taught import TaughtDebate

TEAM = ("claude", "gpt", "gemini")


def noted(debate: TaughtDebate) -> Debated:
    (one,) = ranking.observe(debate)
    return ranking.read(one)


def debates(count: int, *winners: str, losers: tuple[str, ...] = (), first: int = 0) -> dict[str, Debated]:
    """So many contested debates that the same agents win."""
    parts = (*(Part(agent, 1.0 / len(winners)) for agent in winners), *map(Part, losers))
    return {f"deb_{number}": Debated(True, parts) for number in range(first, first + count)}


def test_a_contested_debate_says_who_stood_in_the_winning_position() -> None:
    debate = taught()
    (one,) = ranking.observe(debate)
    assert (one.key, one.debate_id, one.at) == ("storage", "deb_1", debate.at)
    found = ranking.read(one)
    assert found.contested
    assert {part.agent: part.won for part in found.agents} == {"claude": 0.5, "gpt": 0.5, "gemini": 0.0}


def test_a_debate_in_which_all_agree_tells_nobody_apart() -> None:
    agreed = noted(taught(1, claude="three", gpt="three", gemini="three"))
    assert not agreed.contested
    assert ranking.experts({"deb_1": agreed}) == ()
    assert ranking.contested([agreed, noted(taught())]) == 1


def test_a_debate_that_missed_its_threshold_or_was_never_decided_has_no_winner() -> None:
    debate = taught()
    missed = tuple(
        (seq, replace(event, decision=replace(event.decision, reached=False)))
        if isinstance(event, ConsensusReached)
        else (seq, event)
        for seq, event in debate.events
    )
    assert not noted(replace(debate, events=missed)).contested
    undecided = tuple((seq, event) for seq, event in debate.events if not isinstance(event, ConsensusReached))
    assert not noted(replace(debate, events=undecided)).contested
    unbegun = tuple((seq, event) for seq, event in debate.events if not isinstance(event, RoundStarted))
    assert ranking.observe(replace(debate, events=unbegun)) == ()


def test_failures_and_abstentions_are_counted_of_each_agent() -> None:
    debate, usage = taught(), Usage("openai", "gpt")
    more = (
        (90, AgentFailed(1, "gpt", "x", "timeout", "too late")),
        (91, Abstained(1, "gemini", "y", AskKind.VOTE, "cannot tell", usage)),
    )
    found = {one.agent: one for one in noted(replace(debate, events=(*debate.events, *more))).agents}
    assert [(found[agent].failures, found[agent].abstentions) for agent in TEAM] == [(0, 0), (1, 0), (0, 1)]


def test_what_is_noted_holds_no_word_of_the_debate() -> None:
    debate = taught()
    (one,) = ranking.observe(debate)
    said = [getattr(event, name, "") for _, event in debate.events for name in ("content", "reason")]
    assert not [word for word in (*said, debate.spec.question) if word and word in one.body]


def test_one_of_one_does_not_come_before_ninety_of_a_hundred() -> None:
    seen = debates(90, "sure", losers=("other",)) | debates(10, "other", losers=("sure",), first=90)
    seen |= debates(1, "lucky", first=100)
    known = ranking.experts(seen)
    assert [one.agent for one in known] == ["sure", "lucky", "other"]
    assert [(one.won, one.debates, one.rate) for one in known] == [(90, 100, 0.9), (1, 1, 1.0), (10, 100, 0.1)]
    assert all(one.low <= one.rate <= one.high for one in known)


def test_a_team_has_a_reason_for_each_of_its_members() -> None:
    seen = debates(12, "ada", losers=("claude",)) | debates(8, "gpt", losers=("ada", "claude"), first=12)
    known = ranking.experts(seen)
    team = ranking.team(spec(), known, ("ada", *TEAM))
    assert [one.agent for one in team] == ["gpt", "ada", "gemini"]
    assert [one.reason for one in team] == [
        "won 8 of 8 debates in storage, at least 0.68",
        "won 12 of 20 debates in storage, at least 0.39",
        "would debate anyhow: nothing is known of it in storage",
    ]


def test_who_cannot_debate_now_is_not_suggested() -> None:
    known = ranking.experts(debates(5, "gone", "gpt", losers=("claude",)))
    assert [one.agent for one in ranking.team(spec(), known, TEAM)] == ["gpt", "gemini", "claude"]


AGENTS = st.sampled_from(("ada", "bob", "claude", "gpt", "gemini", "grok"))
SEEN = st.dictionaries(
    st.integers(0, 500).map("deb_{}".format),
    st.builds(
        Debated,
        st.booleans(),
        st.lists(
            st.builds(Part, AGENTS, st.sampled_from((0.0, 0.5, 1.0))), max_size=6, unique_by=lambda one: one.agent
        ).map(tuple),
    ),
    max_size=40,
)


@given(SEEN, st.randoms(use_true_random=False))
def test_experts_and_teams_depend_on_no_order(seen: dict[str, Debated], random: Random) -> None:
    order = list(seen.items())
    random.shuffle(order)
    known = ranking.experts(seen)
    assert ranking.experts(dict(order)) == known
    assert [one.low for one in known] == sorted((one.low for one in known), reverse=True)
    there = ["ada", "bob", *TEAM]
    team = ranking.team(spec(), known, there)
    random.shuffle(there)
    assert ranking.team(spec(), known, there) == team
    assert len({one.agent for one in team}) == len(TEAM)
    assert {one.agent for one in team} <= set(there)


@given(st.integers(0, 300), st.integers(1, 300))
def test_another_win_never_puts_an_agent_lower(won: int, more: int) -> None:
    def low(count: int) -> float:
        seen = debates(count, "ada", losers=("bob",)) | debates(more, "bob", losers=("ada",), first=count)
        found: dict[str, Expert] = {one.agent: one for one in ranking.experts(seen)}
        return found["ada"].low

    assert low(won + 1) >= low(won)
