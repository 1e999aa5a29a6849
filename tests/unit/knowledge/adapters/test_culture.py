"""How a workspace decides, and which settings that suggests."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from random import Random

from hypothesis import given
from hypothesis import strategies as st
from worlds.taught import spec, taught

from aragora.debate.model import (
    ConsensusMode,
    ConsensusReached,
    DebateSpec,
    DecisionProposed,
    DecisionSigned,
    Event,
    PositionsCorrected,
    Verdict,
)
from aragora.debate.protocol import preset
from aragora.knowledge.mound.adapters import culture
from aragora.knowledge.mound.adapters.culture import Held, Setting
from aragora.knowledge.taught import TaughtDebate

PLANNED = replace(spec(99), protocol=preset("structured"), domain="storage")


def noted(debate: TaughtDebate) -> Held:
    (one,) = culture.observe(debate)
    return culture.read(one)


def with_events(debate: TaughtDebate, *more: Event) -> TaughtDebate:
    return replace(debate, events=(*debate.events, *enumerate(more, 100)))


def held(number: int, **of: object) -> Held:
    """A debate that settled in its first round."""
    made = Held(f"deb_{number}", "structured", "storage", rounds=3, played=1, reached=True, stopped_by="agreement")
    return replace(made, **of)  # type: ignore[arg-type]


def many(count: int, first: int = 0, **of: object) -> list[Held]:
    return [held(number, **of) for number in range(first, first + count)]


def suggested(seen: Iterable[Held], planned: DebateSpec = PLANNED) -> dict[Setting, object]:
    return {one.setting: one.value for one in culture.suggestions(planned, seen)}


def test_a_debate_is_noted_under_its_protocol_with_how_it_was_decided() -> None:
    debate = taught()
    (one,) = culture.observe(debate)
    found = culture.read(one)
    assert one.key == "structured"
    assert (found.domain, found.mode, found.rounds, found.played) == ("storage", ConsensusMode.MAJORITY, 1, 1)
    assert (found.reached, found.stopped_by) == (True, "rounds")
    assert (found.gated, found.overridden, found.corrected) == (False, False, False)
    assert "three" not in one.body


def test_a_debate_whose_votes_were_never_counted_says_nothing() -> None:
    debate = taught()
    cut = tuple((seq, event) for seq, event in debate.events if not isinstance(event, ConsensusReached))
    assert culture.observe(replace(debate, events=cut)) == ()


def test_what_people_did_at_the_gate_is_noted_and_no_person_is() -> None:
    debate = taught()
    gated = replace(debate, spec=replace(debate.spec, needs=("user:usr_7", "role:admin")))
    decision = debate.decision
    assert decision is not None
    proposed = DecisionProposed(1, decision[1], ("role:admin",))
    approved = noted(with_events(gated, proposed, DecisionSigned(1, "usr_7", "user:usr_7", Verdict.APPROVE)))
    assert (approved.gated, approved.roles, approved.overridden) == (True, ("role:admin",), False)
    vetoed = with_events(gated, proposed, DecisionSigned(1, "usr_7", "user:usr_7", Verdict.VETO))
    refused = ConsensusReached(1, replace(decision[1], reached=False))
    after = with_events(vetoed, refused)
    assert (noted(after).overridden, noted(after).reached) == (True, True), "a veto says nothing of the mode"
    assert noted(with_events(gated, PositionsCorrected(1, "usr_7", (("claude",),)))).corrected
    assert "usr_7" not in culture.observe(after)[0].body


def test_fewer_rounds_are_suggested_where_nine_of_ten_debates_settled_earlier() -> None:
    assert suggested(many(9)) == {}, "too few to say"
    assert suggested(many(10)) == {Setting.ROUNDS: 2}
    assert suggested([*many(9), held(9, played=3, stopped_by="rounds")]) == {Setting.ROUNDS: 2}
    assert suggested([*many(8), *many(2, 8, played=3, stopped_by="rounds")]) == {}
    (one,) = culture.suggestions(PLANNED, [*many(9), held(9, reached=False)])
    assert one.reason == "9 of 10 debates about storage settled by the first round"
    assert (one.debates, one.share, one.domain) == (10, 0.9, "storage")
    assert one.low < 0.9 < one.high


def test_never_fewer_rounds_than_one_more_than_it_took() -> None:
    five = replace(PLANNED, protocol=preset("structured", rounds=5))
    assert suggested(many(12, rounds=5, played=3, stopped_by="unmoved"), five) == {Setting.ROUNDS: 4}
    assert suggested(many(12, rounds=5, played=4), five) == {}
    two = replace(PLANNED, protocol=preset("structured", rounds=2))
    assert suggested(many(12), two) == {}


def test_debates_that_had_fewer_rounds_or_were_stopped_by_their_budget_say_nothing_of_rounds() -> None:
    assert suggested(many(12, rounds=2)) == {}
    assert suggested(many(12, stopped_by="budget")) == {}
    assert suggested(many(12, protocol="society")) == {}
    whole = replace(PLANNED, protocol=preset("duel"))
    assert suggested(many(12, protocol="duel", mode=ConsensusMode.JUDGE), whole) == {}, "it runs all its rounds"


def test_the_domain_comes_before_the_workspace() -> None:
    elsewhere = many(20, 100, domain="law", played=3, stopped_by="rounds")
    assert suggested([*many(10), *elsewhere]) == {Setting.ROUNDS: 2}
    assert suggested([*many(9), *elsewhere]) == {}
    (one,) = culture.suggestions(PLANNED, many(12, domain="law"))
    assert (one.domain, one.reason) == ("", "12 of 12 debates in this workspace settled by the first round")


def test_another_mode_is_suggested_only_where_it_surely_reaches_more_decisions() -> None:
    planned = replace(PLANNED, protocol=preset("structured", consensus="unanimous"))
    rarely = [held(n, mode=ConsensusMode.UNANIMOUS, reached=n < 4, played=3, stopped_by="rounds") for n in range(20)]
    often = many(20, 100, mode=ConsensusMode.SUPERMAJORITY, played=3, stopped_by="rounds")
    assert suggested([*rarely, *often], planned) == {Setting.CONSENSUS: "supermajority"}
    (one,) = culture.suggestions(planned, [*rarely, *often])
    assert one.reason == (
        "supermajority reached a decision in 20 of 20 debates about storage, unanimous in 4 of 20 (0.08 to 0.42)"
    )
    assert suggested([*rarely, *often[:9]], planned) == {}
    half = [replace(one, reached=number % 2 == 0) for number, one in enumerate(often)]
    assert suggested([*rarely, *half], planned) == {}
    unwanted = replace(PLANNED, protocol=preset("structured", consensus="none"))
    assert suggested([*many(20, mode=ConsensusMode.NONE, reached=False), *often], unwanted) == {}


def test_people_are_suggested_where_those_who_had_to_sign_often_stepped_in() -> None:
    gate = {"gated": True, "played": 3, "stopped_by": "rounds"}
    calm = many(6, roles=("role:admin",), **gate)
    changed = many(6, 50, roles=("role:owner",), overridden=True, **gate)
    assert suggested([*calm, *changed]) == {Setting.NEEDS: ("role:owner",)}
    assert suggested([*calm, *changed], replace(PLANNED, needs=("role:admin",))) == {}
    assert suggested([*many(11, roles=("role:admin",), **gate), changed[0]]) == {}
    assert suggested(many(12, overridden=True, **gate)) == {}, "nobody but named people ever signed"
    assert suggested(many(12, roles=("role:admin",), corrected=True, **gate)) == {Setting.NEEDS: ("role:admin",)}


SEEN = st.lists(
    st.builds(
        held,
        st.integers(0, 60),
        mode=st.sampled_from([ConsensusMode.MAJORITY, ConsensusMode.UNANIMOUS]),
        domain=st.sampled_from(["storage", "law"]),
        played=st.integers(1, 3),
        reached=st.booleans(),
        gated=st.booleans(),
        overridden=st.booleans(),
        roles=st.sampled_from([(), ("role:admin",), ("role:owner",)]),
    ),
    max_size=60,
    unique_by=lambda one: one.debate_id,
)


@given(SEEN, st.randoms(use_true_random=False))
def test_neither_order_nor_repetition_changes_what_is_suggested(seen: list[Held], random: Random) -> None:
    found = culture.suggestions(PLANNED, seen)
    again = [*seen, *random.choices(seen, k=5)] if seen else []
    random.shuffle(again)
    assert culture.suggestions(PLANNED, again) == found
    assert all(one.debates >= culture.LEAST for one in found)
    assert all(1 < int(one.value) < PLANNED.protocol.rounds for one in found if one.setting is Setting.ROUNDS)  # type: ignore[arg-type]
