"""What an agent tells of its work: signs of life to all, its text to those who follow, all of it bounded."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from aragora import encoding
from aragora.agents import signs
from aragora.agents.model import ModelCall
from aragora.agents.providers.received import Received
from aragora.agents.signs import ALIVE_EVERY_S, DELTA_EVERY_S, DELTA_MAX_CHARS, SHOWN_MAX_CHARS, Sign, Signs, message_of
from aragora.debate.model import Ask, AskKind

ASK = Ask("deb_1/1/propose/ann", "deb_1", "ann", AskKind.PROPOSE, 1)


@dataclass
class Working:
    """An agent at work, by a clock that moves when it is told to."""

    now: float = 100.0
    told: list[Sign] = field(default_factory=list)
    due: list[tuple[float, Callable[[], None]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.signs = Signs(ASK.ask_id, lambda: self.now, self._later, self.told.append)
        self.signs.begins()

    def _later(self, delay_s: float, deed: Callable[[], None]) -> None:
        self.due.append((self.now + delay_s, deed))

    def wait(self, seconds: float) -> None:
        until = self.now + seconds
        while ready := [one for one in self.due if one[0] <= until]:
            self.due.remove(ready[0])
            self.now = max(self.now, ready[0][0])
            ready[0][1]()
        self.now = until

    def texts(self) -> list[tuple[int, int, str]]:
        return [(sign.attempt, sign.offset, sign.text) for sign in self.told]


@pytest.fixture
def working() -> Working:
    return Working()


def test_an_answer_that_comes_soon_costs_no_message(working: Working) -> None:
    for _ in range(1_000):
        working.signs.hears("word ")
        working.signs.lives()
    working.wait(ALIVE_EVERY_S - 0.1)
    working.signs.hears("end")
    assert (working.told, working.due) == ([], [])


def test_long_work_is_a_sign_of_life_every_few_seconds_whether_it_thinks_or_writes(working: Working) -> None:
    for _ in range(600):
        working.wait(0.1)
        working.signs.lives()
    assert 25 <= len(working.told) <= 30
    assert set(working.texts()) == {(1, 0, "")}


def test_who_follows_gets_the_words_in_order_and_none_of_the_json(working: Working) -> None:
    working.signs.show()
    for piece in ('{"answer": "Tea', " is", " better", '.", "confidence": 0.9}'):
        working.signs.hears(piece)
        working.wait(DELTA_EVERY_S)
    assert working.texts() == [(1, 0, "Tea"), (1, 3, " is"), (1, 6, " better"), (1, 13, ".")]


def test_pieces_that_come_faster_travel_together(working: Working) -> None:
    working.signs.show()
    working.signs.hears('{"answer":"')
    for _ in range(100):
        working.signs.hears("x")
    working.wait(1.0)
    assert working.texts() == [(1, 0, "x" * 100)]


def test_who_comes_later_gets_it_from_its_beginning(working: Working) -> None:
    working.signs.hears('{"answer":"Tea is')
    working.wait(1.0)
    assert working.told == []
    working.signs.show()
    working.wait(DELTA_EVERY_S)
    working.signs.hears(" better")
    working.wait(DELTA_EVERY_S)
    working.signs.show()  # somebody else
    working.wait(DELTA_EVERY_S)
    assert working.texts() == [(1, 0, "Tea is"), (1, 6, " better"), (1, 0, "Tea is better")]


def test_another_call_begins_the_text_anew_and_says_so_at_once(working: Working) -> None:
    working.signs.show()
    working.signs.hears('{"answer":"Tea')
    working.wait(DELTA_EVERY_S)
    working.signs.begins()
    assert working.texts()[-1] == (2, 0, "")
    working.signs.hears('{"answer":"Coffee')
    working.wait(DELTA_EVERY_S)
    assert working.texts()[-1] == (2, 0, "Coffee")


def test_the_text_is_bounded_in_size_and_rate(working: Working) -> None:
    working.signs.show()
    working.signs.hears('{"answer":"')
    for _ in range(30):
        working.signs.hears("x" * 1_000)
    working.wait(60.0)
    texts = [sign.text for sign in working.told]
    assert "".join(texts) == "x" * SHOWN_MAX_CHARS
    assert max(map(len, texts)) <= DELTA_MAX_CHARS
    assert len(texts) <= SHOWN_MAX_CHARS / DELTA_MAX_CHARS + 1


def test_after_the_answer_nothing_is_sent(working: Working) -> None:
    working.signs.show()
    working.signs.hears('{"answer":"Tea')
    working.signs.over()
    working.wait(10.0)
    working.signs.hears(" late")
    working.signs.lives()
    working.wait(10.0)
    assert working.told == []


def test_what_a_model_thinks_or_how_it_declines_is_a_sign_of_life_and_no_text(working: Working) -> None:
    call = ModelCall("", (), {}, "proposal", 100, 0.5, 30.0, "ask", listener=working.signs)
    received = Received("local", "model", call)
    working.signs.show()
    working.wait(signs.ALIVE_EVERY_S)
    for deed in (received.overhear, received.declined, received.called_tool):
        deed('{"answer": "a secret thought"}')
        received.lives()
        working.wait(signs.ALIVE_EVERY_S)
    assert working.texts() == [(1, 0, "")] * 3
    received.hear('{"answer": "Tea')
    working.wait(DELTA_EVERY_S)
    assert working.texts()[-1] == (1, 0, "Tea")


def test_clients_get_it_in_the_envelope_of_all_events_without_a_seq_of_the_journal() -> None:
    message = json.loads(message_of(ASK, Sign(ASK.ask_id, "Tea", 4, 2), 7.5))
    assert message == {
        "type": signs.TOKEN,
        "data": {
            "ask_id": ASK.ask_id,
            "agent": "ann",
            "kind": "propose",
            "text": "Tea",
            "offset": 4,
            "attempt": 2,
        },
        "timestamp": 7.5,
        "seq": 0,
        "loop_id": "deb_1",
        "round": 1,
        "agent": "ann",
    }
    assert encoding.encode_text(message)
