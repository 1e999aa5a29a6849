"""The settings: every row of the contract is a field, and a wrong value says what is wrong and allowed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from aragora.config.chapters import SECRET_MIN_CHARS
from aragora.config.settings import (
    GUESSABLE,
    Settings,
    is_secret,
    load_settings,
    own_variables,
    production_problems,
    settings_in,
    variable_of,
)
from aragora.errors import Misconfigured
from aragora.storage.contexts import Context, Location

ROOT = Path(__file__).parents[3]
CONTRACT = yaml.safe_load((ROOT / "tests/contract/environment.yaml").read_text())["variables"]
FIELDS = {variable_of(name, field): (name, field) for name, field in Settings.model_fields.items()}
HEX_KEY = "0f" * 32


@pytest.mark.parametrize("row", CONTRACT, ids=lambda row: row["name"])
def test_every_variable_of_the_contract_is_a_field_with_its_default(row: dict[str, Any]) -> None:
    name, field = FIELDS[row["name"]]
    default = getattr(Settings(), name)
    if "default" in row:
        assert str(default) == str(row["default"]) or default == row["default"]
    else:
        assert default in (None, ())
    needed = field.json_schema_extra.get("needed")  # type: ignore[union-attr]
    assert needed == row.get("needed")


def test_field_names_follow_from_the_variables() -> None:
    for variable, (name, _) in FIELDS.items():
        assert name == variable.removeprefix("ARAGORA_").lower()


def test_every_variable_says_what_it_means() -> None:
    assert all(field.description for _, field in FIELDS.values())


def test_settings_without_arguments_are_the_defaults_whatever_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARAGORA_DB_POOL_SIZE", "77")
    assert Settings().db_pool_size == 10
    assert load_settings().db_pool_size == 77


def test_empty_and_blank_variables_count_as_unset() -> None:
    settings = load_settings({"ARAGORA_DB_POOL_SIZE": "", "ARAGORA_API_TOKEN": "  ", "ARAGORA_ENV": ""})
    assert settings == Settings()


def test_comma_lists_are_split_and_trimmed() -> None:
    settings = load_settings(
        {"ARAGORA_ALLOWED_ORIGINS": "https://a.org, https://b.org,", "OAUTH_ALLOWED_REDIRECT_HOSTS": "a.org"}
    )
    assert settings.allowed_origins == ("https://a.org", "https://b.org")
    assert settings.oauth_allowed_redirect_hosts == ("a.org",)


def test_a_log_level_may_be_written_in_lower_case() -> None:
    assert load_settings({"ARAGORA_LOG_LEVEL": "debug"}).log_level == "DEBUG"


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        Settings().env = "production"  # type: ignore[misc]


WRONG = [
    ("ARAGORA_ENV", "prod", "development, production"),
    ("ARAGORA_DB_POOL_SIZE", "many", "a whole number from 1 to 1000"),
    ("ARAGORA_DB_POOL_TIMEOUT", "-1", "a number from 0.1 to 3600"),
    ("ARAGORA_LOG_LEVEL", "LOUD", "DEBUG, INFO, WARNING, ERROR"),
    ("CP_ENABLE_KM", "perhaps", "true or false"),
    ("ARAGORA_ALLOWED_ORIGINS", "https://*", "a wildcard is refused"),
    ("ARAGORA_APPROVAL_STORE_BACKEND", "mongo", "sqlite, postgres, redis"),
    ("ARAGORA_ENCRYPTION_KEY", "wrong-secret", "64 hex characters"),
    ("ARAGORA_RECEIPT_SIGNING_KEY", "wrong-secret", "64 hex characters"),
    ("DATABASE_URL", "mysql://root:wrong-secret@db/x", "postgresql://"),
    ("ARAGORA_REDIS_URL", "http://:wrong-secret@cache", "redis://"),
    ("ARAGORA_LOCAL_BASE_URL", "localhost:11434", "http://"),
    ("ARAGORA_RECEIPT_RETENTION_DAYS", "0", "a whole number of at least 1"),
]


@pytest.mark.parametrize(("variable", "value", "allowed"), WRONG, ids=[row[0] for row in WRONG])
def test_a_wrong_value_is_told_with_its_variable_and_the_allowed_values(
    variable: str, value: str, allowed: str
) -> None:
    with pytest.raises(Misconfigured) as told:
        load_settings({variable: value})
    (line,) = str(told.value).splitlines()
    assert line.startswith(variable)
    assert allowed in line
    if is_secret(FIELDS[variable][1]):
        assert "wrong-secret" not in line
    else:
        assert repr(value) in line


@pytest.mark.parametrize("scheme", ["postgresql", "redis"])
@pytest.mark.parametrize("password", ["geheim\u2100x", "12?x", "1/2", "a#b", "[x"])
def test_a_password_that_an_address_cannot_hold_is_refused_and_not_repeated(scheme: str, password: str) -> None:
    name = "DATABASE_URL" if scheme == "postgresql" else "ARAGORA_REDIS_URL"
    url = f"{scheme}://me:{password}@host/db"
    with pytest.raises(Misconfigured, match="percent-encode") as told:
        load_settings({name: url})
    assert password not in told.value.message


@pytest.mark.parametrize("value", ["ftp://me:geheim@host", "https://me:geheim@host:port", "https://me:ge@heim@host:p"])
def test_an_address_in_an_error_shows_no_credentials(value: str) -> None:
    with pytest.raises(Misconfigured) as told:
        load_settings({"ARAGORA_LOCAL_BASE_URL": value})
    assert "://***@host" in told.value.message
    assert "heim" not in told.value.message


@pytest.mark.parametrize(
    "address", ["http://", "http:///v1", "http://gpu box/v1", "http://box/v1?key=geheim", "http://box#"]
)
def test_an_address_that_no_call_could_use_is_refused_and_what_follows_it_is_not_repeated(address: str) -> None:
    with pytest.raises(Misconfigured, match=r"names no host|a space|after a \? or #|of one call") as told:
        load_settings({"ARAGORA_LOCAL_BASE_URL": address})
    assert "geheim" not in told.value.message


@pytest.mark.parametrize("variable", ["ARAGORA_DATA_DIR", "ARAGORA_AGENTS_FILE", "OPENAI_API_KEY"])
def test_a_value_that_is_no_utf_8_is_refused_and_not_repeated(variable: str) -> None:
    with pytest.raises(Misconfigured, match=f"{variable} is not UTF-8") as told:
        load_settings({variable: "geheim\udcff"})
    assert "geheim" not in told.value.message


@pytest.mark.parametrize("value", ["foo", "10.0.0.0/8,nonsense", "10.0.0.0/99"])
def test_proxies_that_are_no_networks_are_refused_by_the_settings(value: str) -> None:
    with pytest.raises(Misconfigured, match=r"ARAGORA_TRUSTED_PROXIES is wrong.*neither an address nor a network"):
        load_settings({"ARAGORA_TRUSTED_PROXIES": value})


@pytest.mark.parametrize(
    ("hosts", "server"),
    [
        ("h1:5432,h2:5433", "h1:5432,h2:5433"),
        ("h1,h2", "h1:5432,h2:5432"),
        ("[::1]:6000,[::2]", "[::1]:6000,[::2]:5432"),
        ("host", "host:5432"),
        ("", "localhost:5432"),
        ("one:x", None),
        ("h1:1,h2:99999", None),
    ],
)
def test_an_address_of_postgresql_may_name_several_hosts(hosts: str, server: str | None) -> None:
    variables = {"DATABASE_URL": f"postgresql://me:p@{hosts}/db"}
    if server is None:
        with pytest.raises(Misconfigured, match="host or port are wrong"):
            load_settings(variables)
    else:
        assert Location.of(load_settings(variables), Context.CORE).server == server


def test_all_problems_are_told_at_once_a_line_each() -> None:
    with pytest.raises(Misconfigured) as told:
        load_settings({"ARAGORA_ENV": "production", "ARAGORA_DB_POOL_SIZE": "x", "ARAGORA_WORKERS": "0"})
    named = {line.split()[0] for line in str(told.value).splitlines()}
    assert named == {"ARAGORA_DB_POOL_SIZE", "ARAGORA_WORKERS", "ARAGORA_JWT_SECRET", "ARAGORA_ENCRYPTION_KEY"}


def test_a_secret_shows_nowhere() -> None:
    secrets = {name: HEX_KEY for name, (_, field) in FIELDS.items() if is_secret(field)}
    for name in secrets:
        if name.endswith("DATABASE_URL"):
            secrets[name] = "postgresql://u:hunter2@h/d"
        elif name.endswith("REDIS_URL"):
            secrets[name] = "redis://:hunter2@cache"
    settings = load_settings(secrets)
    for shown in (repr(settings), str(settings), settings.model_dump_json()):
        assert HEX_KEY not in shown
        assert "hunter2" not in shown


def test_every_key_token_secret_and_url_with_a_password_is_a_secret() -> None:
    words = ("_KEY", "_TOKEN", "_SECRET", "DATABASE_URL", "REDIS_URL")
    assert [name for name, (_, field) in FIELDS.items() if name.endswith(words) and not is_secret(field)] == []


def test_production_with_its_secrets_has_no_problem() -> None:
    settings = load_settings(
        {"ARAGORA_ENV": "production", "ARAGORA_JWT_SECRET": "j" * 32, "ARAGORA_ENCRYPTION_KEY": f"{HEX_KEY},{HEX_KEY}"}
    )
    assert settings.production
    assert production_problems(settings) == []


def test_production_names_each_missing_or_weak_secret() -> None:
    problems = production_problems(load_settings({"ARAGORA_ENV": "production", "ARAGORA_JWT_SECRET": "short-secret"}))
    assert {problem.split()[0] for problem in problems} == {"ARAGORA_JWT_SECRET", "ARAGORA_ENCRYPTION_KEY"}
    assert "short-secret" not in "".join(problems)


@pytest.mark.parametrize("name", GUESSABLE)
@pytest.mark.parametrize("secret", ["abc", "x" * (SECRET_MIN_CHARS - 1), f"  {'x' * (SECRET_MIN_CHARS - 1)}  "])
def test_production_refuses_every_short_secret_that_a_stranger_may_guess_at(name: str, secret: str) -> None:
    long = {"ARAGORA_JWT_SECRET": "j" * 32, "ARAGORA_ENCRYPTION_KEY": HEX_KEY, "ARAGORA_ENV": "production"}
    assert [problem.split(".")[0] for problem in production_problems(load_settings({**long, name: secret}))] == [
        f"{name} is too short"
    ]
    assert production_problems(load_settings({**long, name: "x" * SECRET_MIN_CHARS})) == []
    with pytest.raises(Misconfigured, match=f"{name} is too short"):
        load_settings({**long, name: secret, "ARAGORA_WORKERS": "0"})


def test_roles_of_services_are_read_from_a_list() -> None:
    assert load_settings({}).service_roles == ("member", "viewer", "service")
    assert load_settings({"ARAGORA_SERVICE_ROLES": "owner, member"}).service_roles == ("owner", "member")


def test_budgets_and_shares_are_bounded_in_production_and_open_in_development() -> None:
    development, production = Settings(), Settings(env="production")
    assert (development.org_month_usd, development.installation_month_usd, development.places_share) == (
        None,
        None,
        1.0,
    )
    assert (production.org_month_usd, production.installation_month_usd, production.places_share) == (100, 1_000, 0.5)


@pytest.mark.parametrize(("told", "limit"), [("none", None), ("0", 0.0), ("250.50", 250.5)])
def test_a_monthly_budget_is_a_sum_or_none_in_words(told: str, limit: float | None) -> None:
    for env in ("development", "production"):
        assert load_settings({"ARAGORA_ENV": env, "ARAGORA_ORG_BUDGET_USD": told}).org_month_usd == limit


@pytest.mark.parametrize("told", ["inf", "nan", "-1", "1e3", "unlimited"])
def test_a_monthly_budget_that_could_be_misread_is_refused(told: str) -> None:
    with pytest.raises(Misconfigured, match="`none` for no limit"):
        load_settings({"ARAGORA_BUDGET_USD": told})


def test_unknown_variables_of_the_environment_do_no_harm() -> None:
    assert load_settings({**os.environ, "PATH": "/bin", "ARAGORA_UNKNOWN": "1"}).env == "development"


def test_the_command_line_goes_before_the_environment_and_the_data_directory_is_absolute(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ARAGORA_DATA_DIR", "from-outside")
    monkeypatch.setenv("ARAGORA_WORKERS", "2")
    assert (settings_in(None).data_dir, settings_in(None).workers) == (tmp_path / "from-outside", 2)
    chosen = settings_in(Path("typed"), workers=4)
    assert (chosen.data_dir, chosen.workers) == (tmp_path / "typed", 4)
    with pytest.raises(Misconfigured, match="ARAGORA_WORKERS"):
        settings_in(None, workers=9999)


def test_a_key_that_a_file_names_comes_from_a_setting_or_else_from_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = load_settings({"OPENAI_API_KEY": "sk-of-the-settings"})
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-environment")
    monkeypatch.setenv("GPU_BOX_KEY", " key-of-the-box ")
    monkeypatch.setenv("BLANK_KEY", " ")
    for name, expected in (("OPENAI_API_KEY", "sk-of-the-settings"), ("GPU_BOX_KEY", "key-of-the-box")):
        found = settings.named_key(name)
        assert found is not None
        assert found.get_secret_value() == expected
    assert settings.named_key("BLANK_KEY") is None
    assert settings.named_key("XAI_API_KEY") is None
    assert settings.named_key("ARAGORA_DATA_DIR") is None, "a setting that is no secret is no key"


def test_the_server_s_own_variables_are_all_but_the_keys_of_providers() -> None:
    own = own_variables()
    assert {"ARAGORA_JWT_SECRET", "DATABASE_URL", "SUPABASE_KEY", "ARAGORA_DATA_DIR", "RAY_AUTH_TOKEN"} <= own
    assert not own & {"OPENAI_API_KEY", "OPENROUTER_API_KEY", "ARAGORA_LOCAL_API_KEY", "GPU_BOX_KEY"}


def test_any_model_may_be_named_in_development_and_none_in_production_unless_it_is_said() -> None:
    assert Settings().any_model
    assert not Settings(env="production").any_model
    assert Settings(env="production", models_on_the_spot=True).any_model
    assert not Settings(models_on_the_spot=False).any_model


def test_the_agents_file_is_where_it_was_named_whatever_directory_an_actor_runs_in(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ARAGORA_AGENTS_FILE", "mine.toml")
    assert settings_in(None).agents_file == tmp_path / "mine.toml"
