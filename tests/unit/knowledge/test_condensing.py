"""Summaries: whole sentences of items that belong together, never across scopes, and anew when their items change."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from worlds.knowledge import AT, HOME, addition, source, statement

from aragora.knowledge.condensing import (
    MEMBERS_MAX,
    MEMBERS_MIN,
    SUMMARY_CHARS,
    groups,
    is_summary,
    made_of,
    renewed,
)
from aragora.knowledge.confidence import confidence_of
from aragora.knowledge.forgetting import falling
from aragora.knowledge.model import Basis, Item, ItemKind, Status, Visibility
from aragora.knowledge.offering import COVERED_MIN, offered
from aragora.knowledge.planning import Burial, Plan, Unit
from aragora.knowledge.roots import lineage

WORDS = (
    *("the", "cache", "holds", "replicas", "while", "queue", "workers"),
    *("read", "logs", "from", "disk", "and", "drops", "packets"),
)


def facts(count: int, topic: str = "caches", visibility: Visibility = Visibility.WORKSPACE, **of: Any) -> list[Item]:
    """Facts on a topic, each of a debate of its own."""
    units = [
        addition(
            statement(f"{topic} number {n}: {' '.join(WORDS[n % 7 : n % 7 + 6])}.", topics=(topic,), **of),
            source(n + 1),
            visibility=visibility,
        )
        for n in range(count)
    ]
    return [one.item for one in Plan(HOME, 0, AT, ()).take(units)]


def taken(units: list[Unit], *known: Item) -> dict[str, Item]:
    """These items after some units."""
    plan = Plan(HOME, 0, AT, known)
    plan.take(units)
    return {item.item_id: item for item in known} | plan.touched


def summaries(items: list[Item], *standing: Item) -> list[Item]:
    """The live summaries once those that stand were renewed."""
    known = {item.item_id: item for item in items}
    units = renewed(standing, groups(items), known, AT)
    found = taken(units, *standing).values()
    return [one for one in found if is_summary(one) and one.status is Status.LIVE]


def test_a_summary_holds_whole_sentences_of_its_items_and_links_to_each() -> None:
    items = facts(8)
    (summary,) = summaries(items)
    head, *lines = summary.statement.content.split("\n")
    assert head == "Of 8 items on caches:"
    assert 1 < len(lines) <= 8
    assert {line.removeprefix("- ") for line in lines} <= {item.statement.content for item in items}
    assert set(made_of(summary)) == {item.item_id for item in items}
    assert len(summary.statement.content) <= SUMMARY_CHARS


def test_a_summary_is_no_root_and_hands_on_those_of_its_items() -> None:
    items = facts(6)
    (summary,) = summaries(items)
    trust = confidence_of(summary)
    assert (trust.support, trust.basis) == (0, Basis.DERIVED)
    assert trust.value <= 0.5
    assert set(lineage(items)) <= set(lineage([summary]))


def test_a_summary_never_mixes_items_that_different_people_may_find() -> None:
    own, shared = facts(5), facts(5, visibility=Visibility.ORG)
    found = summaries([*own, *[replace(item, item_id=f"kn_{n}") for n, item in enumerate(shared)]])
    assert {one.visibility for one in found} == {Visibility.WORKSPACE, Visibility.ORG}
    assert not set(made_of(found[0])) & set(made_of(found[1]))


def test_what_is_disputed_decided_or_ends_is_not_condensed() -> None:
    items = facts(5)
    assert len(summaries(items)) == 1
    assert summaries([replace(items[0], status=Status.DISPUTED), *items[1:]]) == []
    assert summaries(facts(5, kind=ItemKind.DECISION)) == []
    assert summaries(facts(5, valid_to=AT)) == []
    assert summaries(items[: MEMBERS_MIN - 1]) == []


def test_items_without_a_topic_are_grouped_by_their_words() -> None:
    texts = {"the vacuum of tables": range(6), "the failover of nodes": range(20, 26)}
    units = [addition(f"{text} takes {n} minutes", source(n + 1)) for text, numbers in texts.items() for n in numbers]
    items = [one.item for one in Plan(HOME, 0, AT, ()).take(units)]
    held = [{item.statement.content.split()[1] for item in group.members} for group in groups(items)]
    assert sorted(held, key=str) == [{"failover"}, {"vacuum"}]


def test_a_summary_stays_while_its_items_give_it_and_are_most_of_the_group() -> None:
    items = facts(8)
    (summary,) = summaries(items)
    assert summaries(items, summary) == [summary]
    assert summaries(facts(9), summary) == [summary]
    (grown,) = summaries(facts(14), summary)
    assert len(made_of(grown)) == 14
    assert len(groups(facts(MEMBERS_MAX + 9))[0].members) == MEMBERS_MAX


def test_a_summary_of_an_item_that_changed_falls_and_is_made_anew() -> None:
    items = facts(8)
    (summary,) = summaries(items)
    said = items[0].statement
    for changed in (
        replace(items[0], status=Status.SUPERSEDED),
        replace(items[0], statement=replace(said, content="caches number 0: something else entirely.")),
        replace(items[0], visibility=Visibility.ORG),
        replace(items[0], status=Status.FORGOTTEN, statement=replace(said, content="")),
    ):
        again = summaries([changed, *items[1:]], summary)
        reworded = changed.status is Status.LIVE and changed.visibility is Visibility.WORKSPACE
        assert summary not in again or (reworded and said.content not in summary.statement.content)
        assert all(is_summary(one) for one in again)


@given(st.permutations(list(range(9))), st.integers(0, 8))
def test_forgetting_an_item_and_condensing_anew_is_as_if_it_had_never_been_there(order: list[int], gone: int) -> None:
    items = [facts(9)[number] for number in order]
    (summary,) = summaries(items)
    forgotten = items[gone]
    assert falling([summary], {forgotten.item_id}) == (summary,)
    fallen = taken([Burial(summary.item_id, "crt_1")], summary)[summary.item_id]
    left = [item for item in items if item is not forgotten]
    known = {item.item_id: item for item in left}
    again = taken(renewed([], groups(left), known, AT), fallen)
    assert [one for one in again.values() if one.status is Status.LIVE] == summaries(left)
    assert summaries(left)


def test_a_summary_takes_the_place_of_three_hits_and_of_fewer_none() -> None:
    items = facts(8)
    (summary,) = summaries(items)
    (loose,) = [one.item for one in Plan(HOME, 0, AT, ()).take([addition("Something else.")])]

    def shown(*hits: Item) -> list[str]:
        return [one.item_id for one in offered("What holds?", hits, {}, [summary])]

    assert shown(loose, *items) == [loose.item_id, summary.item_id]
    assert shown(summary, loose, *items[: COVERED_MIN - 1]) == [one.item_id for one in (loose, *items[:2])]
    assert len(shown(*items[:COVERED_MIN])) == COVERED_MIN  # they are shorter than it
    assert shown(summary, loose) == [loose.item_id]
    assert [one.item_id for one in offered("What holds?", items, {})] == [one.item_id for one in items]
    (offer,) = offered("What holds?", items, {}, [summary])
    assert (offer.kind, offer.roots, offer.text) == ("summary", 0, summary.statement.content)
