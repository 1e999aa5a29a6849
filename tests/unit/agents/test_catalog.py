"""Which agents the settings make available, the default team, and the providers behind the agents."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from aragora.agents.catalog import available, build_fallback, build_provider, default_team, spec_of
from aragora.config.providers import PROVIDERS
from aragora.config.settings import Settings
from aragora.errors import AragoraError, InvalidInput

SECRET = "sk-very-secret-key-0123456789"
ALL_KEYS = {provider.key_variable.lower(): SECRET for provider in PROVIDERS}


def with_settings(**changed: Any) -> Settings:
    return Settings.model_validate(changed)


def names(settings: Settings) -> list[str]:
    return [spec.name for spec in available(settings)]


def test_without_any_key_the_embedded_agents_are_there_and_are_the_team() -> None:
    settings = with_settings()
    assert names(settings) == ["embedded-analyst", "embedded-skeptic", "embedded-pragmatist"]
    assert default_team(settings) == ("embedded-analyst", "embedded-skeptic", "embedded-pragmatist")


def test_every_key_brings_its_agent_under_its_name() -> None:
    found = names(with_settings(**ALL_KEYS, local_base_url="http://localhost:11434/v1", stub_agents=2))
    for name in ("anthropic-api", "openai-api", "mistral-api", "gemini", "grok", "openrouter", "local", "stub-2"):
        assert name in found
    assert len(found) == len(set(found))


def test_one_key_is_enough_for_a_debate_of_three_voices() -> None:
    team = default_team(with_settings(anthropic_api_key=SECRET))
    assert team == ("anthropic-api", "anthropic-api-skeptic", "anthropic-api-pragmatist")


def test_several_keys_make_a_team_of_different_models() -> None:
    settings = with_settings(anthropic_api_key=SECRET, openai_api_key=SECRET, gemini_api_key=SECRET)
    assert default_team(settings) == ("anthropic-api", "openai-api", "gemini")


def test_embedded_agents_stay_available_beside_real_ones_but_out_of_the_team() -> None:
    settings = with_settings(openai_api_key=SECRET)
    assert "embedded-analyst" in names(settings)
    assert not any(name.startswith("embedded") for name in default_team(settings))


def test_stubs_are_a_team_only_where_there_is_nothing_else() -> None:
    assert default_team(with_settings(stub_agents=4, embedded_agents=False), size=4) == (
        "stub-1", "stub-2", "stub-3", "stub-4",
    )  # fmt: skip
    assert default_team(with_settings(embedded_agents=False)) == ()


def test_a_chosen_model_replaces_the_catalogs_and_its_options() -> None:
    spec = spec_of("anthropic-api", with_settings(anthropic_api_key=SECRET, anthropic_model="claude-haiku-4-5"))
    assert (spec.model, spec.options) == ("claude-haiku-4-5", None)
    assert spec.fallback_model is not None
    assert spec.fallback_model.startswith("anthropic/claude-haiku-4")


def test_an_unknown_agent_is_not_found() -> None:
    with pytest.raises(AragoraError, match="hal-9000"):
        spec_of("hal-9000", with_settings())


def test_openrouter_is_the_fallback_of_the_others_but_not_of_itself() -> None:
    settings = with_settings(**ALL_KEYS)
    for name in ("anthropic-api", "openai-api", "mistral-api", "gemini", "grok"):
        fallback = build_fallback(spec_of(name, settings), settings)
        assert fallback is not None
        assert fallback.name == "openrouter"
    assert build_fallback(spec_of("openrouter", settings), settings) is None
    assert build_fallback(spec_of("embedded-analyst", settings), settings) is None


def test_without_its_key_there_is_no_fallback() -> None:
    settings = with_settings(anthropic_api_key=SECRET)
    assert build_fallback(spec_of("anthropic-api", settings), settings) is None


def test_every_agent_has_a_provider_that_shows_no_key() -> None:
    settings = with_settings(**ALL_KEYS, local_base_url="http://localhost:1/v1", stub_agents=1)
    for spec in available(settings):
        provider = build_provider(spec, settings)
        assert provider.name == spec.provider
        assert SECRET not in repr(provider)
        assert SECRET not in repr(spec)


def test_a_key_taken_away_is_named_when_its_agent_is_built() -> None:
    spec = spec_of("openai-api", with_settings(openai_api_key=SECRET))
    with pytest.raises(InvalidInput, match="OPENAI_API_KEY"):
        build_provider(spec, with_settings())


def test_listing_agents_and_building_them_imports_no_sdk() -> None:
    program = """
import sys
from aragora.agents import answering, catalog
from aragora.config.providers import PROVIDERS
from aragora.config.settings import Settings
keys = {provider.key_variable.lower(): "k" for provider in PROVIDERS}
settings = Settings.model_validate({**keys, "stub_agents": 1})
for spec in catalog.available(settings):
    catalog.build_provider(spec, settings)
heavy = {"anthropic", "openai", "mistralai", "google.genai", "xllamacpp", "ray", "fastapi"}
print(sorted(heavy & sys.modules.keys()))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"
