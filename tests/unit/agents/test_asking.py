"""Whatever body comes as an answer of Chat Completions, it is the answer, or fails with the cause that it tells."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from functools import partial
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from aragora.agents.model import CallRefused, Completion, ModelCall, ProviderError, StreamBroken
from aragora.agents.providers import sdk
from aragora.agents.providers.asking import Ways, read_answer
from aragora.agents.providers.chat_answer import ChatReceived
from aragora.agents.providers.events import MAX_BYTES, TooLarge
from aragora.agents.providers.manner import Form, Manner

WRITTEN = '{"answer": "Tea."}'
KEY = "sk-test-0123456789"


def chunk(content: Any, finish: str | None = None) -> bytes:
    """A chunk of a stream."""
    return json.dumps({"choices": [{"index": 0, "delta": {"content": content}, "finish_reason": finish}]}).encode()


def whole(message: Any, **choice: Any) -> bytes:
    """A document."""
    return json.dumps({"choices": [{"message": message, "finish_reason": "stop"} | choice]}).encode()


def piece(index: int, content: str) -> bytes:
    """A choice of several."""
    return json.dumps({"index": index, "delta": {"content": content}, "finish_reason": "stop"}).encode()


def native(content: str, **more: Any) -> bytes:
    """A piece of an answer of Ollama's own API."""
    return json.dumps(
        {"model": "m", "message": {"role": "assistant", "content": content}, "done": False} | more
    ).encode()


def received() -> ChatReceived:
    return ChatReceived("local", "m", ModelCall("", (), {}, "proposal", 100, 0.5, 5.0, "ask-1"), bills_itself=False)


async def pieces_of(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


async def answer_in(*pieces: bytes) -> Completion:
    heard = received()
    await read_answer(pieces_of(*pieces), heard, sdk.Failures("local", KEY))
    return heard.completion()


@pytest.mark.parametrize(
    "body",
    [
        chunk('{"answer": ') + b"\n" + chunk('"Tea."}') + b"\n" + chunk("", "stop") + b"\n",
        chunk('{"answer": ') + b"\n" + chunk('"Tea."}') + b"\n[DONE]\n",
        b"[" + chunk('{"answer": ') + b"," + chunk('"Tea."}', "stop") + b"]",
        b"[" + whole({"content": WRITTEN}) + b"]",
        b"data: " + chunk(WRITTEN) + b'\n\ndata: "[DONE]"\n\n',
        b"data: " + chunk(WRITTEN) + b"\n\ndata: [done]\n\n",
        whole({"content": [WRITTEN]}),
        whole({"content": [{"text": WRITTEN}]}),
        whole({"content": [{"type": "text", "text": {"value": WRITTEN}}]}),
        whole({"content": {"answer": "Tea."}}),
        whole(WRITTEN),
        whole(None, text=WRITTEN),
        whole({"content": None, "tool_calls": [{"function": {"arguments": {"answer": "Tea."}}}]}),
        whole({"content": None, "function_call": {"name": "proposal", "arguments": WRITTEN}}),
        whole({"content": WRITTEN})[:-1] + b', "error": {"code": 0, "message": ""}}',
        whole({"content": WRITTEN})[:-1] + b', "error": "null"}',
        native(WRITTEN, done=True),
        native('{"answer": ') + b"\n" + native('"Tea."}') + b"\n" + native("", done=True) + b"\n",
        b'{"model": "m", "response": "{\\"answer\\": \\"Tea.\\"}", "done": true}',
        b": hm\n\n" + json.dumps(json.loads(whole({"content": WRITTEN})), indent=2).encode(),
        whole({"content": WRITTEN}, index=1),
        b'{"choices": [' + piece(0, WRITTEN) + b", " + piece(1, "Coffee.") + b"]}",
        b"data: "
        + b"\n\ndata: ".join(
            b'{"choices": [%s]}' % one
            for one in (piece(0, '{"answer": '), piece(1, "Cof"), piece(0, '"Tea."}'), piece(1, "fee."))
        )
        + b"\n\n",
    ],
    ids=[
        "lines of JSON",
        "lines of JSON and DONE",
        "a list of chunks",
        "a list of one document",
        "DONE in quotes",
        "done in small letters",
        "a list of texts",
        "a part without a type",
        "a part with a value",
        "content as an object",
        "a message that is a text",
        "a text as of old completions",
        "arguments of a tool as an object",
        "a call of a function as of old",
        "an error that is none",
        "an error that is null as a text",
        "Ollama's own document",
        "Ollama's own stream",
        "Ollama's own completion",
        "a pretty document after a comment",
        "a choice that is not counted from 0",
        "two choices",
        "two choices in a stream",
    ],
)
async def test_a_whole_answer_in_another_form_is_understood(body: bytes) -> None:
    assert (await answer_in(body)).text == WRITTEN


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        (b'event: error\ndata: {"message": "Rate limit exceeded", "code": 429}\n\n', "rate_limited", "Rate limit"),
        (b"event: error\ndata: The model is overloaded\n\n", "overloaded", "The model is overloaded"),
        (b"error: the server is busy\n\n", "overloaded", "the server is busy"),
        (b'data: {"message": "Invalid API key", "code": 401}\n\n', "wrong_key", "Invalid API key"),
        (b'data: {"detail": "no such thing"}\n\n', "provider_fault", "no such thing"),
        (b"error: rate limit exceeded\n\n", "rate_limited", "rate limit"),
        (b'Error: model "x" not found, try pulling it first', "unknown_model", "try pulling it"),
        (b"Internal Server Error", "provider_fault", "Internal Server Error"),
        (b"Error: out of memory\n", "out_of_memory", "out of memory"),
        (b'"The model is overloaded"', "overloaded", "The model is overloaded"),
        (whole({}, error={"code": 502, "message": "Upstream idle"}), "provider_fault", "Upstream idle"),
        (
            b"data: " + json.dumps({"choices": [{"error": {"code": 429, "message": "Slow down"}}]}).encode() + b"\n\n",
            "rate_limited",
            "Slow down",
        ),
        (
            b"data: "
            + chunk("So")
            + b"\n\n"
            + json.dumps({"error": {"code": 429, "message": "Slow"}}, indent=2).encode(),
            "rate_limited",
            "Slow",
        ),
        (b'{"error": "model \'m\' not found"}\n', "unknown_model", "not found"),
        (native("{") + b'\n{"error": "CUDA error: out of memory"}\n', "out_of_memory", "CUDA"),
        (native('{"answer": "Te', done=True, done_reason="length"), "cut_by_length", "limit of 100 tokens"),
        (b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff\x00\x01", "provider_fault", "no text"),
    ],
    ids=[
        "an event that is named error",
        "an event that is named error, with a text",
        "a line that is named error, with a text",
        "words beside nothing else",
        "a detail beside nothing else",
        "a limit without a status",
        "a model without a status",
        "a text alone",
        "a text that says it is an error",
        "a JSON text",
        "an error in a choice of a document",
        "an error in a choice of a stream",
        "pretty in the midst of a stream",
        "Ollama's own error",
        "Ollama's own error in the midst",
        "Ollama's own limit",
        "compressed bytes",
    ],
)
async def test_what_tells_an_error_in_any_place_fails_with_its_cause(body: bytes, code: str, words: str) -> None:
    with pytest.raises(ProviderError) as failed:
        await answer_in(body)
    assert failed.value.code == code
    assert words in failed.value.message


async def test_the_counts_of_ollamas_own_api_are_understood() -> None:
    usage = (await answer_in(native(WRITTEN, done=True, prompt_eval_count=20, eval_count=30))).usage
    assert (usage.input_tokens, usage.output_tokens, usage.estimated) == (20, 30, False)


async def test_lines_of_json_that_break_off_keep_what_had_come() -> None:
    with pytest.raises(StreamBroken) as failed:
        await answer_in(chunk('{"answer": ') + b'\n{"choices": [{"del')
    assert failed.value.heard == '{"answer": '


async def test_an_answer_whose_making_was_aborted_is_cut() -> None:
    with pytest.raises(StreamBroken):
        await answer_in(b"data: " + chunk('{"answer": "Te') + b"\n\ndata: " + chunk("", "abort") + b"\n\n")


async def test_data_without_an_end_is_refused() -> None:
    line = b"data: " + b"x" * 1_000_000 + b"\n"
    with pytest.raises(TooLarge):
        await answer_in(*[line] * (MAX_BYTES // 1_000_000 + 2))


async def test_a_long_line_in_small_pieces_is_read_in_a_moment() -> None:
    filler = "x" * 1_000
    line = b"data: " + chunk(filler * 150 + "y", "stop")
    pieces = [line[at : at + 16] for at in range(0, len(line), 16)] + [b"\n\n"]
    before = time.process_time()
    for _ in range(3):
        await answer_in(*pieces)
    assert time.process_time() - before < 1.0


async def test_a_part_that_is_refused_in_a_stream_with_status_200_is_left_out_too() -> None:
    ways, asked = Ways("local"), list[Form]()

    async def once(heard: ChatReceived, way: Manner) -> None:
        asked.append(way.form)
        refusal = json.dumps({"error": {"message": "response_format is not supported", "code": 400}}).encode()
        body = b"data: " + (refusal if way.form is Form.SCHEMA else chunk(WRITTEN, "stop")) + b"\n\n"
        await read_answer(pieces_of(body), heard, sdk.Failures("local", KEY))

    for heard in (received(), received()):
        await ways.ask(partial(once, heard), lambda _: None, heard)
        assert heard.completion().text == WRITTEN
    assert asked == [Form.SCHEMA, Form.OBJECT, Form.OBJECT]


async def test_what_breaks_off_after_it_began_is_not_asked_for_in_another_manner() -> None:
    ways, heard, asked = Ways("local"), received(), list[Form]()

    async def once(way: Manner) -> None:
        asked.append(way.form)
        refusal = json.dumps({"error": {"message": "response_format is not supported", "code": 400}}).encode()
        await read_answer(
            pieces_of(b"data: " + chunk("So") + b"\n\ndata: " + refusal + b"\n\n"), heard, sdk.Failures("local", KEY)
        )

    with pytest.raises(CallRefused):
        await ways.ask(once, lambda _: None, heard)
    assert asked == [Form.SCHEMA]


parts_of_a_body = st.sampled_from(
    [b"data: ", b"data:", b"event: error\n", b"error: ", b"\n", b"\n\n", b"\r", b"\r\n", b": hm\n", b"[DONE]", b"null"]
) | st.sampled_from(
    [chunk("a"), chunk("", "stop"), whole({"content": [5, None, {}]}), b'{"error": {}}', b"{", b"[", b"<html>", b"\xff"]
)


@given(st.lists(parts_of_a_body, max_size=12))
@example([b"[DONE]", b"\n"])
async def test_no_body_raises_anything_but_a_failure_of_the_provider(body: list[bytes]) -> None:
    with suppress(ProviderError):
        assert (await answer_in(*body)).text
