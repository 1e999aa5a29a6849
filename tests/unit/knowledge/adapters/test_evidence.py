"""What answers rested on, and how well it fared."""

from __future__ import annotations

from dataclasses import replace

import pytest
from worlds.taught import HOME, OPENED_AT, PAPER, taught

from aragora.debate.model import AnswerGiven, CritiqueGiven
from aragora.knowledge.confidence import CEILING, confidence_of
from aragora.knowledge.model import ItemKind, LinkKind, SourceKind
from aragora.knowledge.mound.adapters import consensus, evidence
from aragora.knowledge.planning import Addition, Plan
from aragora.knowledge.sameness import item_id_of
from aragora.knowledge.taught import Offered, TaughtDebate


def pieces(debate: TaughtDebate) -> dict[str, Addition]:
    return {one.added.statement.content: one for one in evidence.gather(debate)}


def test_a_piece_that_several_agents_name_is_one_item_with_one_root() -> None:
    found = pieces(taught())
    assert set(found) == {PAPER, "claude counted it", "gpt counted it", "gemini counted it"}
    assert found[PAPER].added.statement.kind is ItemKind.EVIDENCE
    (source,) = found[PAPER].added.sources
    assert (source.debate_id, source.agent) == ("deb_1", "claude")


def test_what_stands_in_the_answer_that_won_is_better_and_supports_the_decision() -> None:
    debate = taught()
    found = pieces(debate)
    won, lost = found["claude counted it"].added, found["gemini counted it"].added
    assert won.base > lost.base
    decision = consensus.decided(debate)
    assert decision is not None
    assert [(link.kind, link.item_id) for link in won.links] == [(LinkKind.SUPPORTS, item_id_of(HOME, decision))]
    assert lost.links == ()


def test_what_more_agents_name_is_better() -> None:
    found = pieces(taught())
    assert found[PAPER].added.base > found["claude counted it"].added.base


def test_what_stands_in_an_answer_that_was_found_badly_wrong_is_worse() -> None:
    debate = taught()
    before = pieces(debate)["gemini counted it"].added.base
    bad = tuple(
        (seq, replace(event, severity=0.9) if isinstance(event, CritiqueGiven) and event.target == "gemini" else event)
        for seq, event in debate.events
    )
    assert pieces(replace(debate, events=bad))["gemini counted it"].added.base == pytest.approx(
        before - evidence.ATTACKED
    )


def test_what_an_agent_repeats_of_an_offered_item_is_no_evidence() -> None:
    shown = Offered(item_ids=("kn_1",), texts=(f" {PAPER.upper()}",), roots=("debate:deb_9",))
    assert PAPER not in pieces(taught(1, shown))


def test_a_piece_never_counts_for_more_than_a_document_would_and_short_ones_teach_nothing() -> None:
    debate = taught(claude="three", gpt="three", gemini="three")
    events = tuple(
        (seq, replace(event, evidence=("yes", PAPER)) if isinstance(event, AnswerGiven) else event)
        for seq, event in debate.events
    )
    found = pieces(replace(debate, events=events))
    assert set(found) == {PAPER}
    assert found[PAPER].added.base <= CEILING[SourceKind.DEBATE]


def test_another_debate_that_names_it_on_its_own_corroborates_it() -> None:
    plan = Plan(HOME, 0, OPENED_AT, ())
    plan.take(evidence.gather(taught(1)))
    plan.take(evidence.gather(taught(2)))
    item = next(item for item in plan.touched.values() if item.statement.content == PAPER)
    assert confidence_of(item).support == 2


def test_a_debate_gives_a_bounded_number_of_pieces_the_best_first() -> None:
    debate = taught()
    many = tuple(f"observation number {number:04}" for number in range(100))
    events = tuple(
        (seq, replace(event, evidence=many) if isinstance(event, AnswerGiven) else event)
        for seq, event in debate.events
    )
    found = evidence.gather(replace(debate, events=events))
    assert len(found) == evidence.PIECES_MAX
    assert found[0].added.base >= found[-1].added.base
