"""Every setting of the server: one frozen object, read from the environment once and handed on.

A field is named like its variable in lower case without the prefix `ARAGORA_` (ARAGORA_DATA_DIR is `data_dir`,
DATABASE_URL is `database_url`). An unset or empty variable has its default. `Settings()` holds the defaults and
ignores the environment; `load_settings()` reads the environment.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, get_args

from pydantic import SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from aragora import violations
from aragora.config.chapters import (
    INSTALLATION_BUDGET_USD,
    ORG_BUDGET_USD,
    ORG_PLACES_SHARE,
    SECRET_MIN_CHARS,
    BudgetSettings,
    ClusterSettings,
    IdentitySettings,
    PersistenceSettings,
    ProviderSettings,
    ServerSettings,
)
from aragora.config.decisions import DecisionSettings
from aragora.config.knowledge import KnowledgeSettings
from aragora.config.providers import PROVIDERS
from aragora.config.variables import PRODUCTION
from aragora.config.webhooks import WebhookSettings
from aragora.config.workflows import WorkflowSettings
from aragora.errors import Misconfigured

GUESSABLE: Final = ("ARAGORA_JWT_SECRET", "ARAGORA_API_TOKEN", "ARAGORA_SERVICE_TOKEN")
"""Secrets that whoever reaches the server may try to guess: production refuses short ones."""

_LOCAL_KEY: Final = "ARAGORA_LOCAL_API_KEY"
_UNDECODED: Final = re.compile("[\ud800-\udfff]")  # how Python gives a byte that is no UTF-8
_RAYS_OWN: Final = {"RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"}
_CREDENTIALS: Final = re.compile(r"(?<=://).*@", re.DOTALL)  # also where they are not escaped: up to the last @
_AFTER_ADDRESS: Final = re.compile(r"(://[^?#]*[?#]).+", re.DOTALL)  # some put a key there


class Settings(
    ProviderSettings,
    ServerSettings,
    ClusterSettings,
    BudgetSettings,
    IdentitySettings,
    PersistenceSettings,
    WebhookSettings,
    KnowledgeSettings,
    DecisionSettings,
    WorkflowSettings,
    BaseSettings,
):
    """All settings. Secrets are `SecretStr`: they are printed as stars."""

    model_config = SettingsConfigDict(
        frozen=True, case_sensitive=True, extra="forbid", populate_by_name=True, hide_input_in_errors=True
    )

    @property
    def production(self) -> bool:
        return self.env == PRODUCTION

    @property
    def places_share(self) -> float:
        """The share of the places that one organisation may hold alone."""
        in_this_environment = ORG_PLACES_SHARE if self.production else 1.0
        return in_this_environment if self.org_places_share is None else self.org_places_share

    @property
    def org_month_usd(self) -> float | None:
        """What an organisation's debates of one month may cost in USD; None is no limit."""
        return self._month_usd(self.org_budget_usd, ORG_BUDGET_USD)

    @property
    def installation_month_usd(self) -> float | None:
        """What all debates of one month may cost in USD; None is no limit."""
        return self._month_usd(self.budget_usd, INSTALLATION_BUDGET_USD)

    @property
    def any_model(self) -> bool:
        """Whether a debate may name any model of a provider whose key is set."""
        return not self.production if self.models_on_the_spot is None else self.models_on_the_spot

    def named_key(self, variable_name: str) -> SecretStr | None:
        """The key in a variable that agents.toml names: a setting, or another variable of this process's environment.
        None where it is not set."""
        for name, field in Settings.model_fields.items():
            if variable_of(name, field) == variable_name:
                value = getattr(self, name)
                return value if isinstance(value, SecretStr) else None
        text = os.environ.get(variable_name, "").strip()
        return SecretStr(text) if text else None

    def _month_usd(self, chosen: float | None, in_production: float) -> float | None:
        if chosen is None:
            return in_production if self.production else None
        return None if math.isinf(chosen) else chosen

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003  the signature is pydantic's
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only arguments count; `load_settings` passes the environment as arguments."""
        return (init_settings,)


def load_settings(env: Mapping[str, str] | None = None) -> Settings:
    """The settings of `env` (None: the environment of this process).

    Raises:
        Misconfigured: one line for each problem: the variable, what is wrong and what is allowed, never the value
            of a secret.
    """
    variables = os.environ if env is None else env
    if problems := [_line(name, "is not UTF-8: write it anew") for name in _undecoded(variables)]:
        raise Misconfigured("\n".join(problems))
    try:
        return Settings(**_Environment(variables)())
    except ValidationError as invalid:
        problems = [_problem(error["loc"][0], error["msg"], variables) for error in invalid.errors(include_input=False)]
        if variables.get("ARAGORA_ENV") == PRODUCTION:
            problems += _missing(lambda name: bool(variables.get(name)))
            problems += _too_short(variables.get)
        raise Misconfigured("\n".join(problems)) from None


def settings_in(data_dir: Path | None, workers: int | None = None) -> Settings:
    """The settings of this process, with what its command line says instead; None leaves it to the environment. The
    data directory is absolute: what is told of it holds wherever it is read. Raises Misconfigured."""
    chosen = {"ARAGORA_DATA_DIR": data_dir, "ARAGORA_WORKERS": workers}
    settings = load_settings(
        {**os.environ, **{name: str(value) for name, value in chosen.items() if value is not None}}
    )
    absolute = {"data_dir": settings.data_dir.absolute()}
    if settings.agents_file is not None:  # actors run in other working directories
        absolute["agents_file"] = settings.agents_file.absolute()
    return settings.model_copy(update=absolute)


def production_problems(settings: Settings) -> list[str]:
    """What keeps the server from starting in production, one line each; empty where nothing does."""
    fields = {variable_of(name, field): name for name, field in Settings.model_fields.items()}
    problems = _missing(lambda name: getattr(settings, fields[name]) is not None)
    problems += _too_short(lambda name: _revealed(getattr(settings, fields[name])))
    if any("*" in origin for origin in settings.allowed_origins):
        problems.append(_line("ARAGORA_ALLOWED_ORIGINS", "has a wildcard"))
    return problems


def variable_of(name: str, field: FieldInfo) -> str:
    """The environment variable of the field `name`."""
    return field.validation_alias if isinstance(field.validation_alias, str) else name


def allowed_values(field: FieldInfo) -> str:
    """The allowed values of a field in words; empty where any text is allowed."""
    extra: Any = field.json_schema_extra or {}
    if extra.get("allowed"):
        return str(extra["allowed"])
    types = {kind for kind in (field.annotation, *get_args(field.annotation)) if isinstance(kind, type)}
    if bool in types:
        return "true or false"
    if types & {int, float}:
        return _range(field, "a whole number" if int in types else "a number")
    choices = [choice for choice in get_args(field.annotation) if isinstance(choice, str)]
    return ", ".join(choices)


def own_variables() -> frozenset[str]:
    """The variables of this server, secret or not, whose values no provider of models may get: all but the providers'
    keys."""
    keys = {*(provider.key_variable for provider in PROVIDERS), _LOCAL_KEY}
    names = {variable_of(name, field) for name, field in Settings.model_fields.items()}
    return frozenset((names | _RAYS_OWN) - keys)


def is_secret(field: FieldInfo) -> bool:
    """Whether the field's value must never be shown."""
    return SecretStr in (field.annotation, *get_args(field.annotation)) or "SecretStr" in str(field.annotation)


class _Environment(EnvSettingsSource):
    """The variables of a mapping by their names; unset and blank ones are left out."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = variables
        super().__init__(Settings)

    def _load_env_vars(self) -> Mapping[str, str | None]:
        return {name: text.strip() for name, text in self._variables.items() if text.strip()}


def _undecoded(variables: Mapping[str, str]) -> list[str]:
    """The settings with bytes that are no text: neither a log nor an answer could say them."""
    names = (variable_of(name, field) for name, field in Settings.model_fields.items())
    return [name for name in names if _UNDECODED.search(variables.get(name, ""))]


def _missing(is_set: Callable[[str], bool]) -> list[str]:
    needed = [
        variable_of(name, field)
        for name, field in Settings.model_fields.items()
        if isinstance(field.json_schema_extra, dict) and field.json_schema_extra.get("needed") == PRODUCTION
    ]
    return [_line(name, "is not set; production needs it") for name in needed if not is_set(name)]


def _too_short(value_of: Callable[[str], str | None]) -> list[str]:
    values = {name: (value_of(name) or "").strip() for name in GUESSABLE}
    return [_line(name, "is too short") for name, value in values.items() if 0 < len(value) < SECRET_MIN_CHARS]


def _revealed(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()


def _problem(name: object, message: str, variables: Mapping[str, str]) -> str:
    field = _field(str(name))
    reason = violations.reason(message)
    reason = reason[:1].lower() + reason[1:]
    value = _AFTER_ADDRESS.sub(r"\1***", _CREDENTIALS.sub("***@", variables.get(str(name), "")))
    shown = "" if field is None or is_secret(field) else f" {value!r}"
    return _line(str(name), f"is wrong{shown}: {reason}")


def _line(name: str, problem: str) -> str:
    field = _field(name)
    allowed = allowed_values(field) if field else ""
    return f"{name} {problem}." + (f" Allowed: {allowed}." if allowed else "")


def _field(name: str) -> FieldInfo | None:
    return next((field for key, field in Settings.model_fields.items() if variable_of(key, field) == name), None)


def _range(field: FieldInfo, noun: str) -> str:
    bounds = {key: getattr(rule, key) for rule in field.metadata for key in ("ge", "le") if hasattr(rule, key)}
    if "ge" in bounds and "le" in bounds:
        return f"{noun} from {bounds['ge']} to {bounds['le']}"
    return f"{noun} of at least {bounds['ge']}" if "ge" in bounds else noun
