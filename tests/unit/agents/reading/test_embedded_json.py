"""Which JSON in a text counts, and how much work a hostile text makes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aragora.agents.reading import embedded_json
from aragora.agents.reading.embedded_json import EFFORT, object_in, spoken_in

OBJECT = {"answer": "Tea."}
WRITTEN = json.dumps(OBJECT)
DRAFT = '{"answer": "a draft"}'


def objects_in(text: str) -> list[dict[str, Any]]:
    return list(spoken_in(text).objects)


@pytest.mark.parametrize(
    "text",
    [
        WRITTEN,
        f"```json\n{WRITTEN}\n```",
        f"Here it is: {WRITTEN} I hope that helps {{you}}!",
        f"[{WRITTEN}]",
        json.dumps(WRITTEN),
        f"My answer: {json.dumps(WRITTEN)}",
        f"{{first}} and {{}} and {{'a': 1}} and {{\"b\": c}} then {WRITTEN}",
        f'The quote {{" is open, {WRITTEN}',
        f"{{ {WRITTEN}",
        f"<think/>{WRITTEN}",
        r"\frac{a_1}{b} " * 2_000 + WRITTEN,
        'if (x) { print("y"); } ' * 2_000 + WRITTEN,
        '{"key": value} ' * 2_000 + WRITTEN,
    ],
)
def test_an_object_is_found_whatever_stands_around_it(text: str) -> None:
    assert objects_in(text) == [OBJECT]


def test_objects_come_in_the_order_of_the_text() -> None:
    assert objects_in(f"{WRITTEN} rather than {DRAFT}") == [OBJECT, {"answer": "a draft"}]


@pytest.mark.parametrize(
    "thought",
    [
        f"<think>{DRAFT}</think>",
        f"<THINK>\n{DRAFT}\n</Think>",
        f"<thinking>{DRAFT}</thinking>",
        f"<thought>{DRAFT}</thought>",
        f"<reasoning effort='high'>{DRAFT}</reasoning>",
        f"<seed:think>{DRAFT}</seed:think>",
        f"[THINK]{DRAFT}[/THINK]",
        f"◁think▷{DRAFT}◁/think▷",
        f"<think>{DRAFT}</think> well <think>{DRAFT}</think>",
        f"<think>{DRAFT}<think>{DRAFT}</think>{DRAFT}</think>",
        f"{DRAFT}</think>",
        f"First {DRAFT}, no.\n</thinking>\n",
        "<think></think>",
    ],
)
def test_what_stands_in_a_thought_is_not_said(thought: str) -> None:
    spoken = spoken_in(thought + WRITTEN)
    assert list(spoken.objects) == [OBJECT]
    assert spoken.prose.strip() in ("", "well")


@pytest.mark.parametrize("text", [f"<think>{DRAFT}", f"<think>{DRAFT} and </think> nothing", f"{DRAFT} </think>"])
def test_an_object_in_a_thought_alone_is_no_object_and_the_thought_is_told(text: str) -> None:
    spoken = spoken_in(text)
    assert spoken.objects == ()
    assert spoken.thought


@pytest.mark.parametrize(
    "said", ["Put it into <think> tags.", "Close with </think>.", "```json\n{}\n```", 'a { b } c "d"']
)
def test_tags_fences_and_braces_in_a_text_of_the_object_belong_to_the_object(said: str) -> None:
    written = {"answer": said}
    assert objects_in(f"<think>{DRAFT}</think>{json.dumps(written)} Bye.") == [written]


def test_prose_is_what_stands_outside_of_thoughts_and_objects() -> None:
    assert spoken_in(f"<think>hm</think>I say {WRITTEN} and so on").prose == "I say  and so on"


@pytest.mark.parametrize(
    "hostile",
    [
        "{" * 200_000,
        '{"' * 100_000,
        '{"a":' * 40_000,
        '{"":' * 50_000,
        '{"":[' * 40_000,
        '{"":1,' * 33_000,
        '{"a":[' + '{"b":1},' * 24_000,
        '{"a":{"a":{"a":{"a":[' * 100 + '{"b":1},' * 24_000,
        ('{"a":' * 900 + "1,") * 44,
        '"{\\"' * 50_000,
        '{"a":"' * 33_000,
        "<think>" * 28_000,
        "</think>" * 25_000,
        "<" * 200_000,
        '"' + " " * 199_999,
        "{ " * 100_000,
        '{"a' + "\\" * 199_000,
        '{"a":' + "9" * 199_000,
    ],
    ids=lambda hostile: hostile[:12],
)
def test_a_hostile_text_makes_work_in_proportion_to_its_length(hostile: str, monkeypatch: pytest.MonkeyPatch) -> None:
    decoder, tried = embedded_json._json, []

    class Counting:
        def raw_decode(self, text: str, start: int) -> Any:
            tried.append(start)
            return decoder.raw_decode(text, start)

    monkeypatch.setattr(embedded_json, "_json", Counting())
    spoken = spoken_in(hostile)
    # one try may go beyond the bound, and reads no more than the text
    assert spoken.effort <= (EFFORT + 1) * len(hostile)
    assert len(tried) <= len(hostile) / 4


@given(st.lists(st.sampled_from(['{"a":', '"', "\\", "{", "}", "[", "]", ",", "1", "<think>", "</think>", " ", "b"])))
def test_no_text_raises_or_makes_more_work_than_its_bound(parts: list[str]) -> None:
    text = "".join(parts)
    assert spoken_in(text).effort <= max(EFFORT * len(text), 1_000) + len(text)


def test_a_number_with_thousands_of_digits_does_not_lose_the_object() -> None:
    assert objects_in('{"answer": "Tea.", "confidence": ' + "9" * 5_000 + "}")[0]["answer"] == "Tea."


@pytest.mark.parametrize("text", ["", "{", "[]", "{} {}", "tea", '"{}"'])
def test_a_text_that_is_not_one_object_is_none(text: str) -> None:
    assert object_in(text) is None


def test_a_text_that_is_one_object_is_read() -> None:
    assert object_in(f" {WRITTEN}\n") == OBJECT
