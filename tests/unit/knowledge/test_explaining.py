"""Each change of an item, with the confidence before and after."""

from __future__ import annotations

import pytest
from worlds.knowledge import AT, HOME, addition, source, statement

from aragora.knowledge.explaining import steps
from aragora.knowledge.ledger import (
    Change,
    Contradicted,
    Entry,
    Forgotten,
    Held,
    Linked,
    Quarantined,
    Resolved,
    Restored,
    Reworded,
    Shared,
    Superseded,
    Supported,
)
from aragora.knowledge.model import Link, LinkKind, Outcome, Status, Visibility

BEGUN = addition(statement()).added
CHANGES: list[tuple[Change, str, str]] = [
    (Supported(source(2)), "debate:deb_2", ""),
    (Contradicted(source(3), "kn_2", "it is not"), "kn_2", "it is not"),
    (Contradicted(source(4), "", "no"), "debate:deb_4", "no"),
    (Resolved("ann", "I looked"), "ann", "I looked"),
    (Held(Outcome("person:ann", held=True, at=AT), "seen"), "person:ann", "seen"),
    (Held(Outcome("debate:deb_9", held=False, at=AT)), "debate:deb_9", "it did not hold"),
    (Reworded(statement("Else."), "ann"), "ann", ""),
    (Linked(Link(LinkKind.SUPPORTS, "kn_3", AT)), "kn_3", "supports"),
    (Shared(Visibility.ORG, "ann"), "ann", "org"),
    (Superseded("kn_4"), "kn_4", ""),
    (Restored("debate:deb_5"), "debate:deb_5", ""),
    (Restored("debate:deb_5", "it is old"), "debate:deb_5", "it is old"),
    (Quarantined("look"), "", "look"),
    (Forgotten("crt_1"), "", ""),
]


def entry(seq: int, change: Change) -> Entry:
    return Entry(HOME.org_id, HOME.workspace, seq, "kn_1", change, AT + seq)


@pytest.mark.parametrize(("change", "by", "note"), CHANGES)
def test_each_change_says_where_it_came_from_and_what_was_said(change: Change, by: str, note: str) -> None:
    first, second = steps([entry(1, BEGUN), entry(2, change)])
    assert (first.change, first.by, first.before) == ("added", "debate:deb_1", None)
    assert (second.by, second.note, second.seq) == (by, note, 2)


def test_support_raises_contradiction_lowers_and_looking_settles() -> None:
    told = steps([entry(1, BEGUN), entry(2, CHANGES[0][0]), entry(3, CHANGES[1][0]), entry(4, CHANGES[4][0])])
    assert [step.moved > 0 for step in told] == [False, True, False, True]
    assert told[2].moved < 0
    assert (told[2].status, told[3].status) == (Status.DISPUTED, Status.LIVE)


def test_without_its_beginning_an_item_tells_nothing() -> None:
    assert steps([entry(2, CHANGES[0][0])]) == []
