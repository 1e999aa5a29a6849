"""Who can debate: agents of agents.toml beside the built-in ones, models named on the spot, teams."""

from __future__ import annotations

from typing import Any

import pytest

from aragora.agents.building import build_fallback, build_provider
from aragora.agents.declared import Declared, parse
from aragora.agents.model import DeclaredPrice
from aragora.agents.pricing import costs_nothing
from aragora.agents.providers.priced import PricedProvider
from aragora.agents.roster import Roster
from aragora.config.settings import Settings
from aragora.errors import InvalidInput, NotFound

KEY = "sk-very-secret-key-0123456789"
FREE = "price = { input_usd_per_mtok = 0, output_usd_per_mtok = 0 }"


def roster(text: str = "", **settings: Any) -> Roster:
    declared = parse(text.encode(), "agents.toml") if text else Declared()
    return Roster(Settings.model_validate({"embedded_agents": False, **settings}), declared)


def names(found: Roster, *wanted: str) -> list[str]:
    return [spec.name for spec in found.debaters(wanted)]


def agents(*names: str, **fields: str) -> str:
    """Declared agents of one OpenRouter key, one model each unless `fields` say otherwise."""
    tables = []
    for name in names:
        lines = {"provider": "openrouter", "model": f"maker/{name}-1", **fields}
        tables.append("\n".join([f"[agents.{name}]", *(f"{field} = {value!r}" for field, value in lines.items())]))
    return "\n".join(tables)


def test_five_models_over_one_key_are_five_agents() -> None:
    five = ("ann", "bob", "cid", "dee", "eve")
    found = roster(agents(*five), openrouter_api_key=KEY)
    assert names(found, *five) == list(five)
    assert [found.spec_of(name).model for name in five] == [f"maker/{name}-1" for name in five]


def test_three_models_of_one_local_server_are_three_agents_on_the_spot() -> None:
    found = roster(local_base_url="http://localhost:11434/v1")
    three = ("local:qwen3:8b", "local:llama3.2", "local:gemma3@skeptic")
    specs = found.debaters(three)
    assert [(spec.name, spec.provider, spec.model) for spec in specs] == [
        ("local:qwen3:8b", "local", "qwen3:8b"),
        ("local:llama3.2", "local", "llama3.2"),
        ("local:gemma3@skeptic", "local", "gemma3"),
    ]
    assert [bool(spec.persona) for spec in specs] == [False, False, True]
    assert all(costs_nothing(spec) for spec in specs)


def test_a_model_named_on_the_spot_is_asked_as_its_provider_s_own_agent_is() -> None:
    found = roster(openai_api_key=KEY, openrouter_api_key=KEY)
    spec = found.spec_of("openai:gpt-5.4-mini")
    own = found.spec_of("openai-api")
    assert (spec.fallback_model, spec.max_tokens) == ("openai/gpt-5.4-mini", own.max_tokens)
    assert spec.options is None, "the catalog's options are for its own model"
    assert found.spec_of("openrouter:maker/x").fallback_model is None


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("openai:gpt-5.4", "OPENAI_API_KEY is not set"),
        ("local:qwen3", "ARAGORA_LOCAL_BASE_URL is not set"),
        ("openruter:x", "choose from anthropic, openai"),
        ("grok", "XAI_API_KEY is not set"),
        ("grok-skeptic", "XAI_API_KEY is not set"),
        ("local", "ARAGORA_LOCAL_BASE_URL is not set"),
        ("embedded-analyst", "ARAGORA_EMBEDDED_AGENTS is false"),
        ("hal-9000", "there is no agent 'hal-9000': choose from anthropic-api"),
        ("team:none", "There is no team 'none'"),
        ("ann", "OPENROUTER_API_KEY is not set"),
        ("ann-skeptic", "OPENROUTER_API_KEY is not set"),
    ],
)
def test_who_cannot_debate_is_refused_with_what_is_missing(name: str, told: str) -> None:
    with pytest.raises(InvalidInput, match=told):
        roster(agents("ann"), anthropic_api_key=KEY).debaters((name, "anthropic-api"))


def test_an_agent_without_its_key_is_in_no_list_and_is_told_with_what_it_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    text = agents("box", provider="local", address="http://box/v1", key_variable="GPU_BOX_KEY")
    monkeypatch.delenv("GPU_BOX_KEY", raising=False)
    assert roster(text).specs == ()
    assert "GPU_BOX_KEY is not set" in roster(text).unavailable["box"]
    monkeypatch.setenv("GPU_BOX_KEY", KEY)
    assert [spec.name for spec in roster(text).specs] == ["box", "box-skeptic", "box-pragmatist"]


def test_a_declared_agent_comes_in_personas_unless_it_has_one_or_the_name_is_taken() -> None:
    own = agents("ann-skeptic", "bob", persona="pragmatist") + "\n" + agents("cid", system="Hm.")
    text = f"{agents('ann')}\n{own}"
    found = [spec.name for spec in roster(text, openrouter_api_key=KEY).specs]
    assert found[:5] == ["ann", "ann-pragmatist", "ann-skeptic", "bob", "cid"]
    assert roster(text, openrouter_api_key=KEY).spec_of("cid").persona == "Hm."


def test_production_takes_no_model_on_the_spot_but_those_of_its_teams() -> None:
    text = "[teams]\nr = ['openai:gpt-5.4', 'openai-api']"
    strict = roster(text, openai_api_key=KEY, env="production")
    assert names(strict, "team:r") == ["openai:gpt-5.4", "openai-api"]
    assert names(strict, "openai:gpt-5.4", "openai-api") == ["openai:gpt-5.4", "openai-api"]
    with pytest.raises(InvalidInput, match="ARAGORA_MODELS_ON_THE_SPOT"):
        strict.debaters(("openai:gpt-5.5", "openai-api"))
    assert strict.spec_of("openai:gpt-5.5").model == "gpt-5.5", "an agent's own process does not decide who may ask"
    open_to_all = roster(openai_api_key=KEY, env="production", models_on_the_spot=True)
    assert names(open_to_all, "openai:gpt-5.5") == ["openai:gpt-5.5"]
    with pytest.raises(InvalidInput, match="ARAGORA_MODELS_ON_THE_SPOT"):
        roster(openai_api_key=KEY, models_on_the_spot=False).debaters(("openai:gpt-5.5",))


def test_a_team_stands_for_its_members_and_none_comes_twice_by_it() -> None:
    found = roster(agents("ann", "bob") + "\n[teams]\nr = ['ann', 'bob']", openrouter_api_key=KEY)
    assert names(found, "team:r") == ["ann", "bob"]
    assert names(found, "bob", "team:r", "openrouter") == ["bob", "ann", "openrouter"]


def test_the_team_default_debates_where_nobody_is_named() -> None:
    found = roster(agents("ann", "bob") + "\n[teams]\ndefault = ['bob', 'ann']", openrouter_api_key=KEY)
    assert names(found) == ["bob", "ann"]


def test_without_one_the_default_team_is_of_different_models() -> None:
    same = agents("ann", "bob", model="maker/one") + "\n" + agents("cid")
    assert roster(same, openrouter_api_key=KEY).default_team() == ("ann", "cid", "openrouter")
    assert roster(anthropic_api_key=KEY, openrouter_api_key=KEY).default_team() == (
        "anthropic-api",
        "anthropic-api-skeptic",
        "anthropic-api-pragmatist",
    ), "OpenRouter's own agent asks the same model: another persona differs more"
    assert roster(anthropic_api_key=KEY, gemini_api_key=KEY).default_team(4) == (
        "anthropic-api", "gemini", "anthropic-api-skeptic", "gemini-skeptic",
    )  # fmt: skip


def test_what_is_declared_is_what_is_asked() -> None:
    text = agents("ann", temperature="x", max_tokens="y").replace("'x'", "0.1").replace("'y'", "99")
    spec = roster(text, openrouter_api_key=KEY).spec_of("ann")
    assert (spec.temperature, spec.insists_on_temperature, spec.max_tokens) == (0.1, True, 99)
    usual = roster(agents("ann"), openrouter_api_key=KEY).spec_of("ann")
    assert (usual.temperature, usual.insists_on_temperature) == (0.7, False)


@pytest.mark.parametrize("model", ["maker/x:free", "maker/x"])
def test_only_what_bills_nothing_is_free(model: str) -> None:
    spec = roster(openrouter_api_key=KEY).spec_of(f"openrouter:{model}")
    assert costs_nothing(spec) is (model == "maker/x:free")


def test_a_declared_price_counts_for_budgets_and_calls() -> None:
    hosted = agents("ann", provider="local", address="https://api.example.com/v1")
    paid = roster(hosted + "\nprice = { input_usd_per_mtok = 1, output_usd_per_mtok = 2 }").spec_of("ann")
    assert paid.price == DeclaredPrice(1, 2)
    assert not costs_nothing(paid)
    assert isinstance(build_provider(paid, Settings()), PricedProvider)
    assert costs_nothing(roster(f"{hosted}\n{FREE}").spec_of("ann"))


def test_a_server_of_its_own_has_no_fallback_elsewhere() -> None:
    text = agents("ann", provider="openai", address="http://proxy/v1", key_variable="OPENAI_API_KEY")
    settings: dict[str, Any] = {"openai_api_key": KEY, "openrouter_api_key": KEY}
    spec = roster(text, **settings).spec_of("ann")
    assert build_fallback(spec, Settings.model_validate(settings)) is None
    usual = roster(agents("ann", provider="openai", model="gpt-5.4"), **settings).spec_of("ann")
    assert build_fallback(usual, Settings.model_validate(settings)) is not None


def test_the_usual_key_goes_to_no_server_of_an_agent_s_own(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings.model_validate({"local_base_url": "http://usual/v1", "local_api_key": KEY})
    own, keyed = (
        parse((agents("ann", provider="local", address="http://box/v1") + more).encode(), "agents.toml")
        for more in ("", "\nkey_variable = 'GPU_BOX_KEY'")
    )
    monkeypatch.setenv("GPU_BOX_KEY", "the-key-of-the-box")
    shown = []
    monkeypatch.setattr("aragora.agents.building.ChatProvider", lambda *given: shown.append(given[1:3]))
    for spec in (Roster(settings, own).spec_of("ann"), Roster(settings, keyed).spec_of("ann")):
        build_provider(spec, settings)
    build_provider(Roster(settings, own).spec_of("local"), settings)
    assert shown == [
        ("none", "http://box/v1"),
        ("the-key-of-the-box", "http://box/v1"),
        (KEY, "http://usual/v1"),
    ]


def test_an_agent_that_is_there_no_more_is_told_in_the_record_without_the_names_of_all_others() -> None:
    with pytest.raises(NotFound, match=r"'hal-9000' now: agents\.toml") as told:
        roster(openai_api_key=KEY).spec_of("hal-9000")
    assert "openai-api" not in told.value.message


def test_of_hundreds_of_agents_some_are_named_and_the_rest_counted() -> None:
    many = roster(agents(*(f"a{number}" for number in range(200))), openrouter_api_key=KEY)
    with pytest.raises(InvalidInput, match=r"a0, .* 563 more \(see 'aragora agents'\)") as refused:
        many.debaters(["hal-9000"])
    assert len(refused.value.message) < 1_000


def test_an_agent_whose_name_leaves_no_room_for_a_persona_comes_in_none() -> None:
    long, longest = "a" * 117, "b" * 128
    found = roster(agents(long, longest), openrouter_api_key=KEY)
    assert [spec.name for spec in found.specs if not spec.name.startswith("openrouter")] == [
        long, f"{long}-skeptic", f"{long}-pragmatist", longest,
    ]  # fmt: skip
