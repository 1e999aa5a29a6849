"""A stream is read the same however the network cuts it, and what is no stream is known as a document."""

from __future__ import annotations

from collections.abc import AsyncIterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aragora.agents.providers import events
from aragora.agents.providers.events import Document, Event, TooLarge, arrivals, joined, objects_in

STREAM = '\ufeff\n: a comment\r\ndata: {"a": 1}\r\n\r\nevent: x\nid: 7\ndata:two\ndata: lines\n\n\rdata: \U0001f379\r\rdata: [DONE]\n\n'
TOLD = ['{"a": 1}', "two\nlines", "\U0001f379", "[DONE]"]


async def read(*pieces: bytes) -> list[Event | Document]:
    async def body() -> AsyncIterator[bytes]:
        for piece in pieces:
            yield piece

    return [arrived async for arrived in arrivals(body())]


@given(st.lists(st.integers(0, len(STREAM.encode())), max_size=8))
async def test_the_events_are_the_same_however_the_bytes_are_cut(cuts: list[int]) -> None:
    raw, places = STREAM.encode(), sorted({0, *cuts, len(STREAM.encode())})
    pieces = [raw[start:end] for start, end in pairwise(places)]
    assert [arrived.data for arrived in await read(*pieces) if isinstance(arrived, Event)] == TOLD


@pytest.mark.parametrize("body", ['{"choices": []}', "[1]", "<html>", '\n  {"error": "data: x"}'])
async def test_what_begins_as_a_document_is_one(body: str) -> None:
    assert await read(*[bytes([byte]) for byte in body.encode()]) == [Document(body.lstrip())]


async def test_bare_json_and_lines_of_errors_in_a_stream_are_data() -> None:
    raw = b'data: {"a": 1}\n\n{"error": "boom"}\nerror: {"code": 500}\n\n'
    assert await read(raw) == [Event('{"a": 1}'), Event('{"error": "boom"}'), Event('{"code": 500}', tells_error=True)]


async def test_an_event_without_its_blank_line_counts_at_the_end() -> None:
    assert await read(b"data: [DONE]") == [Event("[DONE]")]
    assert await read() == await read(b"", b"\n \n") == []


async def test_what_has_no_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "MAX_BYTES", 100)
    with pytest.raises(TooLarge):
        await read(b"{", *[b"x" * 50] * 3)
    with pytest.raises(TooLarge):
        await read(b"data: ", *[b"x" * 50] * 3)


def test_events_without_blank_lines_between_them_are_told_apart() -> None:
    assert objects_in('{"a": 1}\n{"b": 2}\n[DONE]') == [{"a": 1}, {"b": 2}]
    with pytest.raises(ValueError, match="Expecting value"):
        objects_in("Internal Server Error")
    with pytest.raises(ValueError, match="x"):
        objects_in('{"x":' * 100_000)


@pytest.mark.parametrize(
    ("pieces", "whole"),
    [
        (["a\ud83c", "\udf79b"], "a\U0001f379b"),
        (["\ud83d", "\udc80"], "\U0001f480"),
        (["half \ud83d"], "half \ufffd"),
        (["\udf79 alone"], "\ufffd alone"),
        (
            [b"\xf0\x9f".decode("utf-8", "surrogateescape"), b"\x8d\xb9".decode("utf-8", "surrogateescape")],
            "\U0001f379",
        ),
        ([b"\xed\xa0\xbc".decode("utf-8", "surrogateescape"), "\udf79"], "\U0001f379"),
        ([b"\xff".decode("utf-8", "surrogateescape")], "\ufffd"),
    ],
    ids=[
        "two halves",
        "a low half that looks like a byte",
        "no second",
        "no first",
        "bytes",
        "bytes and a half",
        "no text",
    ],
)
def test_a_character_that_was_split_is_made_whole(pieces: list[str], whole: str) -> None:
    assert joined(pieces) == whole


@given(st.text(max_size=50), st.integers(0, 100))
def test_no_text_is_changed_by_being_split(text: str, cut: int) -> None:
    units = text.encode("utf-16-le")
    at = min(2 * cut, len(units))
    halves = [part.decode("utf-16-le", "surrogatepass") for part in (units[:at], units[at:])]
    assert joined(halves) == text


@pytest.mark.parametrize("body", ["Internal Server Error", "Error from proxy\nno upstream", '"a JSON text"'])
async def test_a_body_of_words_without_any_event_is_a_document(body: str) -> None:
    assert await read(*[bytes([byte]) for byte in body.encode()]) == [Document(body)]


async def test_words_between_events_are_passed_over() -> None:
    assert await read(b'hello\n\ndata: {"a": 1}\n\nbye\n') == [Event('{"a": 1}')]


async def test_a_mark_of_byte_order_in_pieces_hides_no_event() -> None:
    assert await read(b"\xef", b"\xbb", b"\xbfdata: 1\n\n") == [Event("1")]


async def test_data_of_an_event_without_an_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "MAX_BYTES", 100)
    with pytest.raises(TooLarge):
        await read(*[b"data:\n"] * 102)


async def test_an_event_that_is_named_error_is_one_and_the_next_is_not() -> None:
    raw = b'event: error\ndata: boom\n\ndata: {"a": 1}\n\n'
    assert await read(raw) == [Event("boom", tells_error=True), Event('{"a": 1}')]


PRETTY = '{\n  "error": {\n    "message": "boom",\n    "code": 503\n  }\n}'


@pytest.mark.parametrize("error", [f"{PRETTY}\n", f"{PRETTY}\n\n", f"data: {PRETTY}\n\n", PRETTY])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
async def test_json_over_several_lines_in_a_stream_is_data(error: str, end: str) -> None:
    raw = f'data: {{"a": 1}}\n\n{error}'.replace("\n", end).encode()
    told = await read(*[bytes([byte]) for byte in raw])
    assert [arrived.data for arrived in told if isinstance(arrived, Event)] == ['{"a": 1}', PRETTY]


async def test_a_field_that_nobody_knows_is_no_part_of_whole_json() -> None:
    assert await read(b'data: {"a": 1}\nretrying: 5\nid: 7\n\n') == [Event('{"a": 1}')]


async def test_json_over_lines_without_an_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "MAX_BYTES", 100)
    with pytest.raises(TooLarge):
        await read(b"data: 1\n\n{\n", *[b'"a": 1,\n'] * 20)
