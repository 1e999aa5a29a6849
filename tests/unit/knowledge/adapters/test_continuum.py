"""What is remembered of items, by how debates use them."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from worlds.knowledge import AT, HOME, addition, source
from worlds.taught import taught

from aragora.debate.knowledge import OfferedItem, about, digest_of
from aragora.debate.model import Event, KnowledgeCited, KnowledgeOffered
from aragora.knowledge.model import Bearing, Item, Outcome
from aragora.knowledge.mound.adapters import continuum
from aragora.knowledge.mound.adapters.continuum import FADES, SPAN_S, TIERS, Memory, Tier, Used, memory_of, remembered
from aragora.knowledge.offering import offered
from aragora.knowledge.planning import Plan
from aragora.knowledge.taught import TaughtDebate

MINUTE, HOUR, DAY, WEEK = 60.0, 3_600.0, 86_400.0, 604_800.0


def item(*outcomes: Outcome) -> Item:
    (planned,) = Plan(HOME, 0, AT, ()).take([addition("The cache holds 3 replicas.", source(1, at=AT))])
    return replace(planned.item, outcomes=outcomes)


def used(number: int, after: float, *, rests: bool = True) -> Used:
    return Used(f"deb_{number}", AT + after, rests)


def seen(held: bool, after: float, bears: Bearing = Bearing.ITEM) -> Outcome:
    return Outcome("debate:deb_1", held, AT + after, by="person:usr_1", bears=bears)


def told(label: str, number: int) -> OfferedItem:
    text = f"fact {number}"
    return OfferedItem(label, f"kn_{number}", 1, digest_of(text), "fact", text, 0.6, "likely", 1.0)


def citing(*more: Event) -> TaughtDebate:
    """A debate that was offered three items; claude, whose answer stands, cites the first."""
    debate = taught()
    answers = {answer.agent: answer for _, answer in debate.answers}  # the last one of each
    winner = debate.decision[1].winner if debate.decision else None
    loser = next(name for name in answers if name != winner)
    assert winner is not None
    events = (
        KnowledgeOffered((told("K1", 1), told("K2", 2), told("K3", 3))),
        KnowledgeCited(1, winner, answers[winner].ask_id, ("K1",)),
        KnowledgeCited(1, loser, answers[loser].ask_id, ("K1", "K2")),
        *more,
    )
    return replace(debate, events=(*debate.events, *enumerate(events, 100)))


def test_a_debate_uses_what_its_decision_rests_on_and_cites_the_rest_and_tells_nothing_of_what_nobody_cites() -> None:
    noted = {one.key: continuum.read(one).rests for one in continuum.observe(citing())}
    assert noted == {"kn_1": True, "kn_2": False}


def test_a_label_that_was_never_offered_is_no_use() -> None:
    debate = citing(KnowledgeCited(1, "gpt", "x", ("K9",)))
    assert {one.key for one in continuum.observe(debate)} == {"kn_1", "kn_2"}


def test_a_debate_that_was_offered_nothing_uses_nothing() -> None:
    assert continuum.observe(taught()) == ()


@pytest.mark.parametrize(
    ("uses", "tier"),
    [
        ((), Tier.FAST),
        ((10.0,), Tier.FAST),  # within a minute it only repeats
        ((2 * MINUTE,), Tier.MEDIUM),
        ((2 * MINUTE, 3 * MINUTE, 4 * MINUTE), Tier.MEDIUM),
        ((2 * MINUTE, 2 * HOUR), Tier.SLOW),
        ((2 * MINUTE, 2 * HOUR, 2 * DAY), Tier.GLACIAL),
    ],
)
def test_what_recurs_over_longer_times_is_remembered_longer(uses: tuple[float, ...], tier: Tier) -> None:
    now = AT + max(uses, default=0.0) + 1.0
    assert memory_of(item(), [used(number, after) for number, after in enumerate(uses, 2)], now).tier is tier


def test_what_is_only_cited_is_counted_and_promotes_nothing() -> None:
    memory = memory_of(item(), [used(2, HOUR, rests=False), used(3, HOUR, rests=False)], AT + DAY)
    assert memory == Memory(Tier.FAST, uses=0, cited=2)


def test_an_outcome_that_held_promotes_and_one_that_did_not_forgets() -> None:
    assert memory_of(item(seen(True, 1.0)), [], AT + 2.0).tier is Tier.MEDIUM
    assert memory_of(item(seen(True, 1.0, Bearing.NOTHING)), [], AT + 2.0).tier is Tier.FAST
    recurring = [used(2, 2 * MINUTE), used(3, 2 * HOUR)]
    assert memory_of(item(seen(False, 3 * HOUR)), recurring, AT + 4 * HOUR).tier is Tier.FAST


def test_what_nobody_uses_fades_tier_by_tier() -> None:
    recurring = [used(2, 2 * MINUTE), used(3, 2 * HOUR), used(4, 2 * DAY)]
    last = AT + 2 * DAY
    spans = [FADES * SPAN_S[tier] for tier in reversed(TIERS[1:])]
    moments = [last, last + spans[0], last + sum(spans[:2]), last + sum(spans)]
    assert [memory_of(item(), recurring, at).tier for at in moments] == list(reversed(TIERS))


_USES = st.lists(
    st.builds(used, st.integers(2, 30), st.floats(0.0, 30 * DAY), rests=st.booleans()),
    max_size=12,
    unique_by=lambda one: one.debate_id,
)


@given(uses=_USES, seed=st.integers())
def test_neither_the_order_of_the_debates_nor_repetition_counts(uses: list[Used], seed: int) -> None:
    again = [*uses, *uses]
    Random(seed).shuffle(again)
    assert memory_of(item(), again, AT + 31 * DAY) == memory_of(item(), uses, AT + 31 * DAY)


@given(uses=_USES)
def test_memory_never_moves_a_confidence_and_its_tier_takes_as_many_uses(uses: list[Used]) -> None:
    memory = memory_of(item(), uses, AT + 31 * DAY)
    assert TIERS.index(memory.tier) <= memory.uses
    assert memory.uses + memory.cited == len(uses)


def test_what_recurs_is_offered_a_little_earlier_and_the_agents_are_told_how_often_it_was_used() -> None:
    plan = Plan(HOME, 0, AT, ())
    hits = [one.item for one in plan.take([addition(f"fact number {number}") for number in range(6)])]
    memories = {hits[4].item_id: Memory(Tier.GLACIAL, uses=7, last_used_at=AT)}
    assert [hits.index(one) for one in remembered(hits, memories)] == [0, 4, 1, 2, 3, 5]
    shown = offered("a question", hits, {}, (), memories)
    assert [one.uses for one in shown] == [0, 7, 0, 0, 0, 0]
    assert about(shown[1]).endswith(", 7 later debates rested on it")
    assert shown[1].confidence == shown[0].confidence
