"""Every provider is declared once: settings, catalog, prices, doctor, demo and documentation follow the declaration."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from aragora.config.providers import BY_NAME, FALLBACK, PROVIDERS, ChatDialect, ProviderDeclaration
from aragora.config.settings import Settings, load_settings

ROOT = Path(__file__).parents[3]
each_provider = pytest.mark.parametrize("provider", PROVIDERS, ids=lambda provider: provider.name)


@each_provider
def test_the_settings_hold_key_address_and_model_of_a_provider(provider: ProviderDeclaration) -> None:
    settings = load_settings(
        {provider.key_variable: "k", provider.address_variable: "http://proxy/v1", provider.model_variable: "m"}
    )
    key = settings.provider_key(provider.name)
    assert key is not None
    assert key.get_secret_value() == "k"
    assert settings.provider_address(provider.name) == "http://proxy/v1"
    assert settings.provider_model(provider.name) == "m"


@each_provider
def test_without_settings_a_provider_has_its_own_address_and_no_key(provider: ProviderDeclaration) -> None:
    settings = Settings()
    assert settings.provider_key(provider.name) is None
    assert settings.provider_address(provider.name) == provider.address
    assert settings.provider_model(provider.name) is None


def test_an_undeclared_provider_is_an_error() -> None:
    with pytest.raises(KeyError):
        Settings().provider_key("nowhere")


def test_names_agents_and_makers_are_unique_and_the_fallback_is_declared() -> None:
    for names in (
        [provider.name for provider in PROVIDERS],
        [provider.agent for provider in PROVIDERS],
        [provider.maker for provider in PROVIDERS if provider.maker],
    ):
        assert len(names) == len(set(names))
    assert FALLBACK in BY_NAME
    assert BY_NAME[FALLBACK].openrouter_model("m") is None


@each_provider
def test_every_provider_has_prices_and_a_row_in_the_documentation(provider: ProviderDeclaration) -> None:
    prices = tomllib.loads((ROOT / "aragora/agents/prices.toml").read_text())
    assert "*" in prices[provider.name]
    row = (
        f"| `{provider.agent}` | `{provider.key_variable}` | `{provider.model}` "
        f"| `{provider.model_variable}` | `{provider.address_variable}` |"
    )
    assert row in (ROOT / "docs/agents.md").read_text()


PRETEND = ProviderDeclaration(
    name="acme",
    title="Acme",
    agent="acme-api",
    model="acme-1",
    address="https://127.0.0.1:9/v1",
    dialect=ChatDialect(),
    maker="acme-labs",
)
PROGRAM = f"""
import asyncio, dataclasses, json, sys
from aragora.config import providers
from aragora.config.providers import ChatDialect, ProviderDeclaration
pretend = {PRETEND!r}
providers.PROVIDERS += (pretend,)
providers.BY_NAME["acme"] = pretend

from aragora.agents import catalog, pricing
from aragora.agents.roster import Roster
from aragora.agents.declared import NOTHING
from aragora.cli import doctor
from aragora.cli.demo import BETTER, demo_environment
from aragora.config.environment_doc import render
from aragora.config.settings import load_settings

document = pricing._document()
pricing._document = lambda: {{**document, "acme": {{"acme-1": [1.0, 2.0], "*": [3.0, 4.0]}}}}
settings = load_settings({{
    "ACME_API_KEY": "k", "ARAGORA_ACME_BASE_URL": "http://127.0.0.1:9", "ARAGORA_EMBEDDED_AGENTS": "false",
    "OPENROUTER_API_KEY": "k", "ARAGORA_OPENROUTER_BASE_URL": "http://127.0.0.1:9",
}})
spec = catalog.spec_of("acme-api", settings)
fallback = catalog.build_fallback(spec, settings)
reach = asyncio.run(doctor.servers_of_models(settings, ()))
json.dump({{
    "team": catalog.default_team(settings),
    "provider": catalog.build_provider(spec, settings).name,
    "fallback": [fallback.name, spec.fallback_model],
    "price": pricing.cost_usd("acme", "acme-1", 1_000_000, 1_000_000),
    "price at openrouter": pricing.cost_usd("openrouter", "acme-labs/acme-1", 1_000_000, 1_000_000),
    "doctor": [f.told for f in doctor.agents(settings, Roster(settings, NOTHING))] + [f.subject for f in reach],
    "demo": [BETTER, sorted(demo_environment({{"ARAGORA_ACME_MODEL": "m", "ACME_API_KEY": "k", "ARAGORA_ENV": "p"}}))],
    "page": [line for line in render().splitlines() if "ACME" in line],
}}, sys.stdout)
"""


def test_a_new_provider_that_speaks_chat_completions_needs_its_declaration_and_prices_only() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert seen["team"][:2] == ["openrouter", "acme-api"]
    assert seen["provider"] == "acme"
    assert seen["fallback"] == ["openrouter", "acme-labs/acme-1"]
    assert seen["price"] == seen["price at openrouter"] == pytest.approx(3.0)
    assert "6 can debate; keys set: ACME_API_KEY, OPENROUTER_API_KEY" in seen["doctor"]
    assert "provider acme" in seen["doctor"]
    assert "ACME_API_KEY" in seen["demo"][0]
    assert seen["demo"][1] == ["ACME_API_KEY", "ARAGORA_ACME_MODEL"]
    assert len(seen["page"]) == 3
