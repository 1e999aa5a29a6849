"""Rows of the journal: which one is the last."""

from __future__ import annotations

from aragora.debate import journal
from aragora.debate.model import DebateEnded, DebateStatus, RoundStarted


def test_the_last_row_is_known_by_its_type_and_by_its_envelope() -> None:
    last = journal.row_of("deb_1", 7, 1.5, DebateEnded(DebateStatus.COMPLETED, "decided"))
    assert journal.is_last(last)
    assert journal.is_end(last.payload)
    assert last.type == journal.END


def test_an_envelope_that_only_names_the_end_is_not_the_last() -> None:
    row = journal.row_of("deb_1", 7, 1.5, RoundStarted(1, ('{"type":"debate_end"',)))
    assert not journal.is_last(row)
    assert not journal.is_end(row.payload)
