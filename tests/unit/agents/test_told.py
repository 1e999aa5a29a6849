"""The words of an error are found in every place where a provider may put them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from worlds.odd_replies import anything

from aragora.agents.providers.told import Told, error_in, told_in

PLACES: list[tuple[Any, str]] = [
    ({"error": "a text"}, "a text"),
    ({"error": {"message": "in it"}}, "in it"),
    ({"error": {"error": {"message": "deeper"}}}, "deeper"),
    ({"message": "beside"}, "beside"),
    ({"object": "error", "message": "as vLLM says"}, "as vLLM says"),
    ({"detail": "as FastAPI says"}, "as FastAPI says"),
    ({"detail": [{"loc": ["body", "model"], "msg": "field required"}]}, "body.model: field required"),
    ({"message": {"detail": [{"loc": ["body", 0], "msg": "as Mistral says"}]}}, "body.0: as Mistral says"),
    ([{"error": {"message": "as Google says"}}], "as Google says"),
    ({"errors": [{"message": "one"}, {"message": "two"}]}, "one; two"),
    (
        {"error": {"message": "Provider returned error", "metadata": {"raw": "the words beneath"}}},
        "Provider returned error: the words beneath",
    ),
    ({"error": None, "detail": "after null"}, "after null"),
    ({"error": True, "message": "a flag"}, "a flag"),
]


@pytest.mark.parametrize(("body", "words"), PLACES, ids=[words for _, words in PLACES])
def test_the_words_are_found_as_json_that_was_read_or_not(body: Any, words: str) -> None:
    assert told_in(body).words == words
    assert told_in(json.dumps(body)).words == words
    assert told_in(json.dumps(body).encode()).words == words


def test_a_plain_text_is_told_with_its_first_200_characters() -> None:
    assert told_in("context length exceeded\n").words == "context length exceeded"
    assert told_in("x" * 5_000).words == "x" * 200


@pytest.mark.parametrize(
    "page",
    ["<html>", "  <!DOCTYPE html><title>", "<!-- a proxy -->\n<HTML lang=en>", "<h1>502 Bad Gateway</h1>", b"<body>"],
)
def test_a_web_page_is_known_as_one(page: str | bytes) -> None:
    assert told_in(page) == Told(is_page=True)


def test_codes_and_types_are_marks_and_a_status_in_the_body_counts() -> None:
    told = told_in(
        {"error": {"message": "no", "type": "invalid_request_error", "code": "model_not_found", "param": "x"}}
    )
    assert told.words == "no"
    assert told.marks == "model_not_found invalid_request_error x"
    assert told.status == 400
    assert told_in({"error": {"code": 503}}).status == 503
    assert told_in({"error": {"code": "429"}}).status == 429
    assert told_in({"error": {"code": 10**400}}).status is None


def test_a_size_beside_the_words_is_a_mark() -> None:
    told = told_in({"error": {"message": "too long", "n_prompt_tokens": 6000, "n_ctx": 4096}})
    assert (told.words, told.marks) == ("too long", "n_ctx=4096")
    for size in (True, -1, 10**400, "x", 4096.0, None):
        assert "n_ctx" not in told_in({"error": {"message": "too long", "n_ctx": size}}).marks


def test_an_answer_is_no_error() -> None:
    assert error_in({"choices": [], "error": None}) is None
    assert error_in([]) is None
    assert error_in({"error": "boom"}) is not None
    assert error_in({"object": "error", "message": "boom"}) is not None


@given(
    anything | st.binary() | st.dictionaries(st.sampled_from(["error", "detail", "message", "loc", "code"]), anything)
)
def test_nothing_that_comes_makes_it_fail(body: Any) -> None:
    told = told_in(body)
    assert isinstance(told.words, str)
    assert isinstance(told.marks, str)
    assert told.status is None or 400 <= told.status < 600
