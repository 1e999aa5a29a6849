"""What a server refuses in a call is left out, and what it complains of otherwise is not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aragora.agents.providers.manner import Form, Manner, after

USUAL = Manner()
REFUSED = [
    ("This response_format type is unavailable now", Manner(form=Form.OBJECT)),
    ("'response_format' of type 'json_schema' is not supported with this model", Manner(form=Form.OBJECT)),
    ("Invalid schema for response_format 'proposal'", Manner(form=Form.OBJECT)),
    ("output_config: Extra inputs are not permitted", Manner(form=Form.OBJECT)),
    ('Unknown name "responseJsonSchema": Cannot find field.', Manner(form=Form.OBJECT)),
    ("Failed to initialize samplers: failed to parse grammar", Manner(form=Form.OBJECT)),
    ("Failed to generate JSON. Please adjust your prompt. json_validate_failed", Manner(form=Form.OBJECT)),
    ("The specified schema produces a constraint that has too many states for serving", Manner(form=Form.OBJECT)),
    ("Unsupported value: 'messages[0].role' does not support 'system' with this model.", Manner(system=False)),
    ("body.stream_options: extra fields not permitted", Manner(stream_options=False)),
    ("Unrecognized request argument supplied: stream_options", Manner(stream_options=False)),
    ("Your organization must be verified to stream this model. unsupported_value", Manner(streams=False)),
    ("System role not supported", Manner(system=False)),
    ("Developer instruction is not enabled for models/gemma-3-27b-it", Manner(system=False)),
    ("Conversation roles must alternate user/assistant/user/assistant/...", Manner(system=False)),
    (
        "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
        Manner(other_limit=True),
    ),
    ("max_completion_tokens: extra inputs are not permitted", Manner(other_limit=True)),
    ("Unsupported value: 'temperature' does not support 0.7 with this model.", Manner(temperature=False)),
    ("`temperature` is deprecated for this model.", Manner(temperature=False)),
    ("Unrecognized request argument supplied: reasoning_effort", Manner(effort=False)),
]
OTHER = [
    (400, "messages: at least one message is required"),
    (400, "This model's maximum context length is 8192 tokens: max_tokens 4096 is not allowed"),
    (400, "max_tokens is too large: 9000. This model supports at most 4096 completion tokens"),
    (401, "Invalid API key for response_format"),
    (429, "response_format is not available now"),
    (400, ""),
]


@pytest.mark.parametrize(("told", "manner"), REFUSED, ids=[told[:40] for told, _ in REFUSED])
def test_the_part_that_is_named_is_left_out(told: str, manner: Manner) -> None:
    step = after(USUAL, "local", 400, told)
    assert step is not None
    assert step.manner == manner
    assert step.remark.startswith("local refused ")


@pytest.mark.parametrize(("status", "told"), OTHER, ids=[told[:40] for _, told in OTHER])
def test_another_complaint_changes_nothing(status: int, told: str) -> None:
    assert after(USUAL, "local", status, told) is None


def test_the_form_goes_down_by_steps_and_then_there_is_nothing_left() -> None:
    told, forms, manner = "response_format is not supported", [], USUAL
    while (step := after(manner, "local", 422, told)) is not None:
        manner = step.manner
        forms.append(manner.form)
    assert forms == [Form.OBJECT, Form.WORDS]


@given(st.lists(st.sampled_from([told for told, _ in REFUSED]), max_size=30))
def test_however_a_server_complains_it_comes_to_an_end(said: list[str]) -> None:
    manner, steps = USUAL, 0
    for told in said:
        if (step := after(manner, "local", 400, told)) is not None:
            assert step.manner != manner
            manner, steps = step.manner, steps + 1
    assert steps <= 8
