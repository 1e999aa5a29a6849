"""Names of agents: built-in ones, models named on the spot, and teams."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aragora import limits
from aragora.agents.naming import OnTheSpot, is_built_in, on_the_spot, spot_name, team_of
from aragora.errors import InvalidInput


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("openrouter:z-ai/glm-5.2:free", OnTheSpot("openrouter", "z-ai/glm-5.2:free")),
        ("local:qwen3:8b@skeptic", OnTheSpot("local", "qwen3:8b", "skeptic")),
        ("openai:gpt-5.4", OnTheSpot("openai", "gpt-5.4")),
        ("local:@cf/meta/llama-3", OnTheSpot("local", "@cf/meta/llama-3")),
        ("gemini:claude@20250101", OnTheSpot("gemini", "claude@20250101")),
    ],
)
def test_a_model_is_named_by_its_provider_and_may_have_a_persona(name: str, meant: OnTheSpot) -> None:
    assert on_the_spot(name) == meant


@pytest.mark.parametrize("name", ["anthropic-api", "local", "ada", "team:research", "stub-1"])
def test_other_names_are_no_model_named_on_the_spot(name: str) -> None:
    assert on_the_spot(name) is None


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("openruter:x", "choose from anthropic, openai"),
        ("embedded:x", "choose from anthropic"),
        ("openai:", "write openai:MODEL"),
        ("openai:@skeptic", "write openai:MODEL"),
        ("openai:gpt@sceptic", "choose from skeptic, pragmatist"),
        ("openai:gpt@Skeptic", "choose from skeptic, pragmatist"),
        ("local:qwen#1", "declare it in agents.toml"),
        ("local:my model", "declare it in agents.toml"),
        ("local:mod\N{LATIN SMALL LETTER E WITH GRAVE}le", "declare it in agents.toml"),
        (f"local:{'x' * limits.NAME_MAX_CHARS}", "at most 128"),
    ],
)
def test_what_cannot_be_named_is_told_with_what_can(name: str, remedy: str) -> None:
    with pytest.raises(InvalidInput, match=remedy):
        on_the_spot(name)


def test_a_team_is_named_with_a_colon_which_no_agent_of_its_own_has() -> None:
    assert team_of("team:research") == "research"
    assert team_of("research") is None
    assert team_of("openai:team:x") is None


def test_names_are_built_in_whether_their_key_is_set_or_not() -> None:
    for name in ("grok", "grok-skeptic", "local", "local-pragmatist", "embedded-analyst", "stub-1000"):
        assert is_built_in(name)
    for name in ("ada", "stub-x", "grok-analyst", "openai"):
        assert not is_built_in(name)


def test_a_model_whose_name_cannot_be_written_on_the_spot_has_to_be_declared() -> None:
    assert spot_name("local", "qwen3:8b") == "local:qwen3:8b"
    assert spot_name("local", "my model") is None
    assert spot_name("local", "ends@word") is None
    assert spot_name("local", "ends@skeptic") is None
    assert spot_name("local", "") is None
    assert spot_name("local", "x" * (limits.NAME_MAX_CHARS - len("local:"))) is not None
    assert spot_name("local", "x" * limits.NAME_MAX_CHARS) is None


@given(st.text(max_size=60))
def test_whatever_is_named_is_understood_or_refused_in_the_own_words(name: str) -> None:
    try:
        found = on_the_spot(name)
    except InvalidInput:
        return
    assert found is None or name.startswith(f"{found.provider}:{found.model}")
