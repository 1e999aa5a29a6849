"""What a debate settled, who dissented, and what it left open."""

from __future__ import annotations

from dataclasses import replace

from worlds.taught import HOME, OPENED_AT, QUESTION, taught

from aragora.debate.model import ConsensusReached
from aragora.knowledge.confidence import confidence_of
from aragora.knowledge.learning import ADAPTERS
from aragora.knowledge.model import Basis, ItemKind, LinkKind, Status
from aragora.knowledge.mound.adapters import consensus
from aragora.knowledge.planning import Effect, Plan
from aragora.knowledge.sameness import item_id_of
from aragora.knowledge.taught import Offered, TaughtDebate


def undecided(one: TaughtDebate) -> TaughtDebate:
    events = tuple(
        (seq, replace(event, decision=replace(event.decision, reached=False)))
        if isinstance(event, ConsensusReached)
        else (seq, event)
        for seq, event in one.events
    )
    return replace(one, events=events)


def test_a_decision_becomes_an_item_with_the_way_back_to_its_receipt() -> None:
    debate = taught()
    decision, *_ = consensus.gather(debate)
    said, (source,) = decision.added.statement, decision.added.sources
    assert said.kind is ItemKind.DECISION
    assert said.content.startswith(f"{QUESTION}\nDecided: ")
    assert (said.value, said.domain, said.topics) == ("three", "storage", ("storage",))
    receipt, found = debate.receipt, debate.decision
    assert receipt is not None
    assert found is not None
    assert (source.debate_id, source.seq) == ("deb_1", found[0])
    assert (source.receipt_id, source.receipt_hash) == (receipt.receipt_id, receipt.hash)
    assert (decision.added.basis, decision.added.base) == (Basis.VOTED, found[1].confidence)


def test_each_dissent_is_an_item_that_dissents_from_the_decision() -> None:
    debate = taught()
    decision, dissent = consensus.gather(debate)
    said = consensus.decided(debate)
    assert said == decision.added.statement
    assert dissent.added.statement.kind is ItemKind.DISSENT
    assert "five is what the test shows" in dissent.added.statement.content
    (link,) = dissent.added.links
    assert (link.kind, link.item_id) == (LinkKind.DISSENTS_FROM, item_id_of(HOME, decision.added.statement))


def test_a_debate_without_consensus_leaves_an_open_question() -> None:
    (left,) = consensus.gather(undecided(taught()))
    assert left.added.statement.kind is ItemKind.OPEN_QUESTION
    assert "Not decided. Leading: three" in left.added.statement.content


def test_a_journal_without_an_end_teaches_nothing() -> None:
    debate = taught()
    assert consensus.gather(replace(debate, events=debate.events[:3])) == ()


def test_a_second_debate_of_the_question_that_decides_the_same_supports_the_decision() -> None:
    plan = Plan(HOME, 0, OPENED_AT, ())
    first, *_ = plan.take(consensus.gather(taught(1)))
    second, *_ = plan.take(consensus.gather(taught(2, claude="three", gpt="three", gemini="three")))
    assert (second.effect, second.item.item_id) == (Effect.SUPPORTED, first.item.item_id)
    assert confidence_of(second.item).support == 2


def test_a_debate_that_was_offered_the_decision_does_not_support_it() -> None:
    plan = Plan(HOME, 0, OPENED_AT, ())
    plan.take(consensus.gather(taught(1)))
    shown = Offered(item_ids=("kn_1",), roots=("debate:deb_1",))
    again, *_ = plan.take(consensus.gather(taught(2, shown)))
    assert confidence_of(again.item).support == 1


def test_two_decisions_of_one_question_that_differ_dispute_each_other() -> None:
    plan = Plan(HOME, 0, OPENED_AT, ())
    plan.take(consensus.gather(taught(1)))
    plan.take(consensus.gather(taught(2, claude="five", gpt="five", gemini="five")))
    decisions = [item for item in plan.touched.values() if item.statement.kind is ItemKind.DECISION]
    assert [item.status for item in decisions] == [Status.DISPUTED, Status.DISPUTED]


def test_a_debate_that_knew_the_decision_and_decides_otherwise_supersedes_it() -> None:
    plan = Plan(HOME, 0, OPENED_AT, ())
    first, *_ = plan.take(consensus.gather(taught(1)))
    shown = Offered(item_ids=(first.item.item_id,), roots=("debate:deb_1",))
    plan.take(consensus.gather(taught(2, shown, claude="five", gpt="five", gemini="five")))
    assert plan.touched[first.item.item_id].status is Status.SUPERSEDED


def test_what_the_debate_cited_is_what_its_decision_is_derived_from() -> None:
    shown = Offered(item_ids=("kn_1", "kn_2"), cited_ids=("kn_2",), roots=("debate:deb_9",))
    decision, *_ = consensus.gather(taught(1, shown))
    assert [(link.kind, link.item_id) for link in decision.added.links] == [(LinkKind.DERIVED_FROM, "kn_2")]


def test_the_same_journal_gives_the_same_items() -> None:
    assert consensus.gather(taught(1)) == consensus.gather(taught(1))


def test_no_word_of_an_agent_dates_what_a_debate_teaches() -> None:
    """Dates come from people and from files; what a model writes of a year is a part of its words."""
    debate = taught(1)
    said = [unit.added.statement for adapter in ADAPTERS.values() for unit in adapter.gather(debate)]
    assert said
    assert {(one.valid_from, one.valid_to) for one in said} == {(None, None)}
