"""What to expect of an agent without a rating, by what its model did."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from hypothesis import given
from hypothesis import strategies as st
from worlds.taught import taught

from aragora.debate.model import AnswerGiven, ConsensusReached, Usage
from aragora.knowledge.mound.adapters import elo
from aragora.knowledge.mound.adapters.elo import Basis, Model, Place, Places, Prior

GPT = Model("openai", "gpt-5")


def prior(who: Model | None, seen: dict[str, Places]) -> Prior:
    (found,) = elo.priors({"new": who}, seen)
    return found


def test_each_agent_is_noted_with_the_model_that_answered_and_what_its_position_held() -> None:
    debate = taught()
    others = {"gpt": Usage("openrouter", "openai/gpt-5")}  # its fallback
    answered = tuple(
        (seq, replace(event, usage=others.get(event.agent, event.usage)) if isinstance(event, AnswerGiven) else event)
        for seq, event in debate.events
    )
    (one,) = elo.observe(replace(debate, events=answered))
    assert (one.key, one.debate_id, one.at) == ("storage", "deb_1", debate.at)
    found = {place.agent: place for place in elo.read(one).agents}
    assert {agent: (place.provider, place.model, place.won) for agent, place in found.items()} == {
        "claude": ("stub", "stub-1", 0.5),
        "gpt": ("openrouter", "openai/gpt-5", 0.5),
        "gemini": ("stub", "stub-1", 0.0),
    }
    assert found["claude"].share == found["gpt"].share > found["gemini"].share > 0.0
    assert abs(found["claude"].share + found["gemini"].share - 1.0) < 1e-9, "of two positions"
    assert debate.spec.question not in one.body


def test_a_debate_that_nobody_won_says_nothing() -> None:
    assert elo.observe(taught(1, claude="three", gpt="three", gemini="three")) == ()
    debate = taught()
    undecided = tuple((seq, event) for seq, event in debate.events if not isinstance(event, ConsensusReached))
    assert elo.observe(replace(debate, events=undecided)) == ()


def test_the_record_of_the_model_comes_before_that_of_the_provider_and_none_is_said() -> None:
    seen = {
        "deb_1": Places((Place("a", "openai", "gpt-5", 1.0, 0.75), Place("b", "openai", "o3", 0.0, 0.25))),
        "deb_2": Places((Place("a", "openai", "gpt-5", 0.0, 0.25), Place("c", "xai", "grok", 1.0, 0.75))),
    }
    found = prior(GPT, seen)
    assert (found.agent, found.basis, found.of, found.n, found.won) == ("new", Basis.MODEL, "openai/gpt-5", 2, 1)
    assert (found.rate, found.share) == (0.5, 0.5)
    assert found.low < 0.5 < found.high
    other = prior(Model("openai", "gpt-6"), seen)
    assert (other.basis, other.of, other.n, other.won) == (Basis.PROVIDER, "openai", 3, 1)
    assert prior(Model("openai"), seen).basis is Basis.PROVIDER, "its model is not known"
    for who in (Model("mistral", "gpt-5"), None):
        none = prior(who, seen)
        assert (none.basis, none.of, none.n, none.rate, none.share) == (Basis.NOTHING, "", 0, None, None)
        assert (none.low, none.high) == (0.0, 1.0)


SEEN = st.dictionaries(
    st.integers(0, 99).map("deb_{}".format),
    st.lists(
        st.builds(
            Place,
            st.sampled_from("abc"),
            st.sampled_from(("openai", "xai")),
            st.sampled_from(("gpt-5", "o3", "")),
            st.sampled_from((0.0, 0.5, 1.0)),
            st.floats(0.0, 1.0),
        ),
        max_size=4,
    ).map(lambda places: Places(tuple(places))),
    max_size=30,
)


@given(SEEN, st.randoms(use_true_random=False))
def test_a_record_depends_on_no_order(seen: dict[str, Places], random: Random) -> None:
    order = list(seen.items())
    random.shuffle(order)
    found = prior(GPT, seen)
    assert prior(GPT, dict(order)) == found
    assert (found.n == 0) == (found.basis is Basis.NOTHING) == (found.rate is None)
    assert 0 <= found.won <= found.n
    if found.rate is not None:
        assert found.low <= found.rate <= found.high
