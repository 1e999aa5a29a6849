"""Calls are priced by the table, dated snapshots and OpenRouter's names included."""

from __future__ import annotations

import datetime as dt
import tomllib
from dataclasses import replace
from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aragora.agents.catalog import available
from aragora.agents.model import AgentSpec, DeclaredPrice
from aragora.agents.pricing import (
    Tokens,
    cost_usd,
    costs_nothing,
    highest_price,
    metered,
    price_of,
    prices_as_of,
)
from aragora.config.settings import Settings
from aragora.debate.model import AgentPrice


def test_a_million_tokens_each_way_cost_the_sum_of_the_listed_prices() -> None:
    assert cost_usd("anthropic", "claude-haiku-4-5", 1_000_000, 1_000_000) == pytest.approx(6.0)


@pytest.mark.parametrize(
    ("provider", "model", "same_as"),
    [
        ("anthropic", "claude-haiku-4-5-20251001", "claude-haiku-4-5"),
        ("openai", "gpt-5.4-mini-2026-03-17", "gpt-5.4-mini"),
        ("mistral", "mistral-large-latest", "mistral-large"),
    ],
)
def test_snapshots_and_latest_cost_what_their_model_costs(provider: str, model: str, same_as: str) -> None:
    assert price_of(provider, model) == price_of(provider, same_as)
    assert price_of(provider, model).listed


def test_a_dearer_variant_never_gets_the_price_of_its_shorter_name() -> None:
    assert not price_of("openai", "gpt-5.4-pro").listed
    assert price_of("openai", "gpt-5.4-pro").output_usd > price_of("openai", "gpt-5.4").output_usd


@pytest.mark.parametrize("provider", ["anthropic", "openai", "gemini", "mistral", "xai", "openrouter"])
def test_an_unknown_model_costs_as_much_as_the_dearest_listed_one(provider: str) -> None:
    table = tomllib.loads(files("aragora.agents").joinpath("prices.toml").read_text())[provider]
    unknown = price_of(provider, "never-heard-of")
    assert not unknown.listed
    assert unknown.input_usd == max(row[0] for row in table.values())
    assert unknown.output_usd == max(row[1] for row in table.values())


def test_openrouter_passes_the_makers_prices_on() -> None:
    assert price_of("openrouter", "anthropic/claude-sonnet-5.5") == price_of("anthropic", "claude-sonnet-5-5")
    assert price_of("openrouter", "openai/gpt-5.4-mini:nitro") == price_of("openai", "gpt-5.4-mini")


def test_openrouter_bills_nothing_for_what_it_marks_as_free() -> None:
    price = price_of("openrouter", "anthropic/claude-sonnet-5.5:free")
    assert (price.input_usd, price.output_usd, price.listed) == (0.0, 0.0, True)


def test_a_price_that_an_agent_declares_says_whether_it_costs_anything() -> None:
    local = AgentSpec("ann", "local", "m")
    assert costs_nothing(local)
    assert not costs_nothing(replace(local, price=DeclaredPrice(0, 0.1)))
    assert costs_nothing(replace(local, provider="openai", price=DeclaredPrice(0, 0)))
    assert not costs_nothing(replace(local, provider="openai", price=DeclaredPrice(0, 0), fallback_model="openai/m"))


def test_the_highest_price_is_the_dearer_of_provider_and_fallback_for_each_class_cache_writes_included() -> None:
    own = AgentSpec("ann", "anthropic", "claude-sonnet-4-6", max_tokens=2_000)
    assert highest_price(own) == AgentPrice(3.75, 15.0, 2_000)
    dearer_output = replace(own, fallback_model="openai/gpt-5.5")
    assert highest_price(dearer_output) == AgentPrice(5.0, 30.0, 2_000)
    declared = replace(own, price=DeclaredPrice(20.0, 1.0), fallback_model="openai/gpt-5.5")
    assert highest_price(declared) == AgentPrice(20.0, 30.0, 2_000)


def test_an_agent_that_costs_nothing_has_no_highest_price_unless_its_fallback_costs_something() -> None:
    local = AgentSpec("ann", "local", "m")
    assert highest_price(local) is None
    assert highest_price(replace(local, fallback_model="maker/m:free")) is None
    assert highest_price(replace(local, fallback_model="openai/gpt-5.5")) is not None


def test_every_row_of_the_table_has_two_to_four_prices_and_no_cached_token_is_dearer_than_a_fresh_one() -> None:
    document = tomllib.loads(files("aragora.agents").joinpath("prices.toml").read_text())
    rows = [(name, row) for table in document.values() if isinstance(table, dict) for name, row in table.items()]
    assert rows
    for name, row in rows:
        assert 2 <= len(row) <= 4, name
        assert all(price >= 0 for price in row), name
        assert len(row) < 3 or row[2] <= row[0], name
        assert len(row) < 4 or row[3] >= row[0], name


def test_what_the_provider_billed_counts_more_than_the_table() -> None:
    assert metered("openrouter", "x/y", Tokens(1000, 1000), billed_usd=0.0042).cost_usd == 0.0042


@pytest.mark.parametrize("provider", ["local", "embedded", "stub"])
def test_ones_own_machine_is_free_and_known_to_be(provider: str) -> None:
    price = price_of(provider, "anything")
    assert (price.input_usd, price.output_usd, price.listed) == (0.0, 0.0, True)


def test_every_model_of_the_catalog_is_listed() -> None:
    keys = {f"{name}_api_key": "k" for name in ("anthropic", "openai", "openrouter", "mistral", "gemini", "xai")}
    for spec in available(Settings.model_validate(keys)):
        assert price_of(spec.provider, spec.model).listed, spec


def test_the_table_tells_its_date() -> None:
    assert dt.date.fromisoformat(prices_as_of()) > dt.date(2026, 1, 1)


@given(st.integers(0, 10**7), st.integers(0, 10**7), st.integers(0, 10**6))
def test_more_tokens_never_cost_less(tokens_in: int, tokens_out: int, more: int) -> None:
    assert cost_usd("openai", "gpt-5.4", tokens_in + more, tokens_out) >= cost_usd(
        "openai", "gpt-5.4", tokens_in, tokens_out
    )
