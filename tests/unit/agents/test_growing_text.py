"""The words of an answer while its JSON is written: however it is cut, the same words, and never any JSON."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aragora.agents.growing_text import GrowingText

SHOWABLE = st.text(st.characters(exclude_categories=["Cs", "Cc"]))
ODD = st.text(st.sampled_from('{}[]",:\\ \nabuAnswer019\ud83d\ude00\udcc3\udca9é😀'), max_size=200)


def read(*pieces: str) -> str:
    growing = GrowingText()
    return "".join(growing.feed(piece) for piece in pieces)


@given(SHOWABLE, SHOWABLE, st.booleans())
def test_what_is_shown_is_the_text_of_the_answer(answer: str, evidence: str, ascii_only: bool) -> None:
    written = json.dumps({"evidence": [evidence], "answer": answer, "confidence": 0.5}, ensure_ascii=ascii_only)
    assert read(written) == answer
    assert read("Here it is:\n```json\n", written, "\n```") == answer


@given(st.data())
def test_pieces_that_are_cut_anywhere_show_the_same(data: st.DataObject) -> None:
    whole = data.draw(ODD) + json.dumps({"answer": data.draw(SHOWABLE)}) + data.draw(ODD)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)))))
    pieces = [whole[start:end] for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    assert read(*pieces) == read(whole)


@given(ODD)
def test_whatever_a_model_writes_is_read_and_can_be_sent(written: str) -> None:
    assert read(written).encode().decode() == read(written)


def test_the_words_come_as_soon_as_they_are_written() -> None:
    growing = GrowingText()
    assert [growing.feed(piece) for piece in ('{"ans', 'wer": "Te', 'a, "', ',"conf', 'idence": 0.', "9}")] == [
        "",
        "Te",
        "a, ",
        "",
        "",
        "",
    ]


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ('{"reason":"It is clear.","choice":"A","confidence":0.9}', "It is clear."),
        (
            '{"issues":["too vague","no source"],"suggestions":["say why"],"severity":0.4}',
            "too vague\nno source\nsay why",
        ),
        ('{"groups":[["A","B"],["C"]],"reason":"A and B agree."}', "A and B agree."),
        ('{"option":"tea","answer":"Tea."}', "Tea."),
        (r'{"answer":"one\ntwo \"three\" \\ \/ caf\u00e9 \ud83d\ude00"}', 'one\ntwo "three" \\ / café 😀'),
        (r'{"answer":"half \ud83d of one, \udead, \u12x4"}', "half � of one, �, �"),
        ('{"answer":"\x1b[31mred\x07\r\n"}', "[31mred\n"),
        ('<think>{ "answer</think>{"answer":"Tea."}', ""),  # a preview: what is not certain is not shown
        ("Tea.", ""),
        ("[" * 100 + '{"answer":"Tea."}', "Tea."),
        ('{"a":' * 100 + '{"answer":"Tea."}', ""),
    ],
)
def test_what_is_shown_of_answers_as_models_write_them(written: str, shown: str) -> None:
    assert read(written) == shown


def test_a_character_that_came_in_two_pieces_is_one() -> None:
    first, second = (bytes([byte]).decode("utf-8", "surrogateescape") for byte in "é".encode())
    assert read('{"answer":"caf', first, second, '"}') == "café"


def test_a_flood_of_halves_is_read_to_its_end() -> None:
    """To look for halves from the front took 70 seconds for such a piece."""
    halves = 100_000
    shown = read('{"answer":"' + "\ud83d" * halves + "x" + "\ud83d" * halves, 'end"}')
    assert shown.endswith("end")
    assert len(shown) == 2 * halves + len("xend")
