"""Envelopes of any journal: what they hold, what comes back, and data that an earlier version wrote."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from aragora.encoding import decode
from aragora.envelopes import DAMAGED, Envelopes, Unreadable, is_readable, stamp_of


@dataclass(frozen=True, slots=True)
class Baked:
    cake: str
    grams: int
    oven: str | None = None


@dataclass(frozen=True, slots=True)
class Eaten:
    by: Mapping[str, Any] = field(default_factory=dict)


CAKES: Envelopes[Baked | Eaten] = Envelopes({Baked: "baked", Eaten: "eaten"}, "kitchen", ("oven",))


def test_an_envelope_names_its_journal_and_what_events_have_besides() -> None:
    assert decode(CAKES.payload_of("home", 3, 1.5, Baked("nut", 700, "left"))) == {
        "type": "baked",
        "data": {"cake": "nut", "grams": 700, "oven": "left"},
        "timestamp": 1.5,
        "seq": 3,
        "kitchen": "home",
        "oven": "left",
    }
    assert "oven" not in decode(CAKES.payload_of("home", 3, 1.5, Baked("nut", 700)))


def test_a_page_of_a_journal_is_read_from_its_first_seq() -> None:
    events = [Baked("nut", 700), Eaten({"ann": 2})]
    payloads = [CAKES.payload_of("home", seq, 1.5, event) for seq, event in enumerate(events, 7)]
    assert CAKES.events_of(payloads, 7) == events
    with pytest.raises(Unreadable, match="row 8 of its journal cannot be read: row 7 stands in its place"):
        CAKES.events_of(payloads, 8)
    with pytest.raises(Unreadable, match="row 9 of its journal cannot be read: it is missing"):
        CAKES.events_of([], 9)


def test_data_that_does_not_fit_is_mended_where_somebody_knows_how() -> None:
    payload = CAKES.payload_of("home", 1, 1.5, Baked("nut", 700)).replace("700", "null")
    with pytest.raises(Unreadable, match="a field is missing or of another type"):
        CAKES.events_of([payload])
    weighing: Envelopes[Baked | Eaten] = Envelopes(
        {Baked: "baked"}, "kitchen", mended=lambda data: {**data, "grams": data["grams"] or 0}
    )
    assert weighing.events_of([payload]) == [Baked("nut", 0)]


def test_what_stands_in_for_a_damaged_row_is_an_envelope_that_is_no_event() -> None:
    payload = CAKES.stand_in("home", 4, 2.5)
    assert is_readable(payload, 4)
    assert stamp_of(payload) == 2.5
    assert (decode(payload)["type"], decode(payload)["kitchen"]) == (DAMAGED, "home")
    assert CAKES.readable([payload, CAKES.payload_of("home", 5, 1.5, Eaten())]) == [Eaten()]
