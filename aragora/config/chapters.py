"""The settings by chapter of the operations runbook; `aragora.config.settings` joins them into one object."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import BaseModel, SecretStr, create_model

from aragora import limits
from aragora.config.legacy import DATA_DIR
from aragora.config.providers import BY_NAME, PROVIDERS
from aragora.config.variables import (
    PRODUCTION,
    CommaList,
    DatabaseUrl,
    HexKeys,
    MonthlyBudget,
    Networks,
    Origins,
    PublicKeys,
    RedisUrl,
    SigningKey,
    UpperCase,
    WebAddress,
    field_of,
    variable,
)

SECRET_MIN_CHARS: Final = 32
_SECRET: Final = f"a random text of at least {SECRET_MIN_CHARS} characters"
ORG_PLACES_SHARE: Final = 0.5
ORG_BUDGET_USD: Final = 100
INSTALLATION_BUDGET_USD: Final = 1_000
_MONTHLY: Final = "`none` for no limit, or a number from 0; 0 lets only debates open that cost nothing"
_URL: Final = "an http:// or https:// address"
_POSTGRES: Final = "postgresql://USER:PASSWORD@HOST:PORT/DATABASE"


def _declared_providers() -> Any:
    """A model with the key, address and model of every declared provider."""
    fields: dict[str, Any] = {}
    for provider in PROVIDERS:
        key = variable(provider.key_variable, provider.key_meaning)
        fields[field_of(provider.key_variable)] = (SecretStr | None, key)
    for provider in PROVIDERS:
        address = variable(provider.address_variable, f"Other address of the {provider.title} API.", allowed=_URL)
        fields[field_of(provider.address_variable)] = (WebAddress | None, address)
    for provider in PROVIDERS:
        model = variable(provider.model_variable, f"Model to ask of {provider.title}; unset: `{provider.model}`.")
        fields[field_of(provider.model_variable)] = (str | None, model)
    return create_model("_DeclaredProviders", **fields)


if TYPE_CHECKING:
    _DeclaredProviders = BaseModel
else:
    _DeclaredProviders = _declared_providers()


class ProviderSettings(_DeclaredProviders):
    """Chapter `Language models`: the declared providers' keys, addresses and models, and the agents without a key.

    The fields of the declared providers are made from the table, so they are read through the functions below.
    """

    local_base_url: WebAddress | None = variable(
        "ARAGORA_LOCAL_BASE_URL",
        "Any OpenAI-compatible server (Ollama, vLLM, llama.cpp), e.g. `http://localhost:11434/v1`.",
        allowed=_URL,
    )
    local_model: str | None = variable("ARAGORA_LOCAL_MODEL", "Model to ask of that server; unset: its first one.")
    local_api_key: SecretStr | None = variable("ARAGORA_LOCAL_API_KEY", "Key of that server, where it requires one.")
    local_concurrency: int = variable(
        "ARAGORA_LOCAL_CONCURRENCY",
        "Calls at once to one local server, by all agents of a node together; the others wait their turn. 0: no limit. "
        "1 for a server that answers one call at a time.",
        default=0,
        ge=0,
        le=1_000,
    )
    agents_file: Path | None = variable(
        "ARAGORA_AGENTS_FILE",
        "File that declares agents and teams (docs/agents.md); unset: `agents.toml` in the data directory, if it is there.",
    )
    models_on_the_spot: bool | None = variable(
        "ARAGORA_MODELS_ON_THE_SPOT",
        "Whether a debate may name any model of a provider whose key is set, as PROVIDER:MODEL; unset: true in "
        "development, false in production.",
    )
    embedded_agents: bool = variable(
        "ARAGORA_EMBEDDED_AGENTS", "Offer the tiny embedded model as agents; it needs no key.", default=True
    )

    stub_agents: int = variable(
        "ARAGORA_STUB_AGENTS", "Agents for load tests that answer without a model.", default=0, ge=0, le=1000
    )
    stub_latency_ms: int = variable(
        "ARAGORA_STUB_LATENCY_MS", "Milliseconds a stub agent takes to answer.", default=0, ge=0, le=600_000
    )
    stub_log: Path | None = variable(
        "ARAGORA_STUB_LOG", "File to which stub agents append the id of each ask that they answer."
    )

    def provider_key(self, name: str) -> SecretStr | None:
        """The key of the declared provider `name`; None where it is not set. Raises KeyError for another name."""
        key: SecretStr | None = getattr(self, field_of(BY_NAME[name].key_variable))
        return key

    def provider_address(self, name: str) -> str:
        """The address of the declared provider `name`: the one that is set, else its own. Raises KeyError."""
        address: str | None = getattr(self, field_of(BY_NAME[name].address_variable))
        return address or BY_NAME[name].address

    def provider_model(self, name: str) -> str | None:
        """The model chosen for the declared provider `name`; None where the declared one is asked. Raises KeyError."""
        model: str | None = getattr(self, field_of(BY_NAME[name].model_variable))
        return model


class ServerSettings(BaseModel):
    """Chapter `Server` of docs/ENVIRONMENT.md."""

    env: Literal["development", "production"] = variable(
        "ARAGORA_ENV", "Production requires login and refuses to start without its secrets.", default="development"
    )
    data_dir: Path = variable("ARAGORA_DATA_DIR", "Directory of databases and backups.", default=Path(DATA_DIR))
    api_token: SecretStr | None = variable(
        "ARAGORA_API_TOKEN",
        "Token that callers must show; turns login on. Production refuses a short one.",
        allowed=_SECRET,
    )
    service_token: SecretStr | None = variable(
        "ARAGORA_SERVICE_TOKEN",
        "Token that a service must show for its X-User-ID and X-Org-ID headers to count. Production refuses a short one.",
        allowed=_SECRET,
    )
    allowed_origins: Origins = variable(
        "ARAGORA_ALLOWED_ORIGINS",
        "Origins of pages that may call the API; unset: only pages of the server itself.",
        default=(),
        allowed="comma-separated origins such as https://app.example.org; a wildcard is refused",
    )
    trusted_proxies: Networks = variable(
        "ARAGORA_TRUSTED_PROXIES",
        "Proxies whose X-Forwarded-For is believed.",
        default=(),
        allowed="comma-separated addresses or networks such as 10.0.0.0/8",
    )
    log_level: Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR"], UpperCase] = variable(
        "ARAGORA_LOG_LEVEL", "Least level that is logged.", default="INFO"
    )
    log_file: Path | None = variable(
        "ARAGORA_LOG_FILE", "File that every process logs to; unset: `logs/server.log` in the data directory."
    )
    workers: int | None = variable(
        "ARAGORA_WORKERS", "HTTP ingress replicas; unset: as many as fit the machine.", ge=1, le=1024
    )
    max_body_bytes: int = variable(
        "ARAGORA_MAX_BODY_BYTES",
        "Largest request body in bytes.",
        default=limits.BODY_MAX_BYTES,
        ge=1024,
        le=1_000_000_000,
    )
    event_buffer_size: int = variable(
        "ARAGORA_EVENT_BUFFER_SIZE",
        "Events kept in memory for replay; older ones come from the store.",
        default=10_000,
        ge=1,
        le=10_000_000,
    )
    ws_max_message_size: int = variable(
        "ARAGORA_WS_MAX_MESSAGE_SIZE",
        "Largest WebSocket message in bytes.",
        default=limits.WS_MESSAGE_MAX_BYTES,
        ge=1024,
        le=100_000_000,
    )
    max_connections_per_user: int = variable(
        "ARAGORA_MAX_CONNECTIONS_PER_USER",
        "WebSockets, event streams and downloads that one person may hold open on one ingress replica.",
        default=limits.CONNECTIONS_PER_USER,
        ge=1,
        le=100_000,
    )
    max_connections_per_address: int = variable(
        "ARAGORA_MAX_CONNECTIONS_PER_ADDRESS",
        "The same for all callers from one address (IPv6: one /64). In development this machine is not limited.",
        default=limits.CONNECTIONS_PER_ADDRESS,
        ge=1,
        le=100_000,
    )


class ClusterSettings(BaseModel):
    """Chapter `Cluster and load` of docs/ENVIRONMENT.md."""

    ray_address: str | None = variable(
        "RAY_ADDRESS", "A cluster, for Ray's own commands; `aragora serve`, which starts a Ray of its own, refuses it."
    )
    max_active_debates: int = variable(
        "ARAGORA_MAX_ACTIVE_DEBATES", "Debates that run at once.", default=200, ge=1, le=1_000_000
    )
    max_queued_debates: int = variable(
        "ARAGORA_MAX_QUEUED_DEBATES",
        "Debates that wait for their turn; beyond it the answer is 503 with Retry-After.",
        default=1000,
        ge=0,
        le=1_000_000,
    )
    org_places_share: float | None = variable(
        "ARAGORA_ORG_PLACES_SHARE",
        "Share of the places, running and waiting, that one organisation may hold while no other wants them; "
        f"unset: {ORG_PLACES_SHARE} in production, 1 in development.",
        ge=0.01,
        le=1,
    )
    coordinator_shards: int = variable(
        "ARAGORA_COORDINATOR_SHARDS", "Coordinator actors that share the debates.", default=1, ge=1, le=4096
    )
    agent_shards: int = variable(
        "ARAGORA_AGENT_SHARDS", "Actors that share the asks of one agent.", default=1, ge=1, le=4096
    )
    passivate_after_s: float = variable(
        "ARAGORA_PASSIVATE_AFTER_S",
        "Seconds without a message after which an actor's process ends.",
        default=600.0,
        ge=1,
    )
    drain_timeout_s: float = variable(
        "ARAGORA_DRAIN_TIMEOUT_S",
        "Seconds that active debates have to finish when the server stops.",
        default=30.0,
        ge=0,
    )


class BudgetSettings(BaseModel):
    """Chapter `Budgets` of docs/ENVIRONMENT.md. Agents that run here (embedded, local, stubs) cost nothing."""

    default_budget_usd: float = variable(
        "ARAGORA_DEFAULT_BUDGET_USD",
        "USD a debate may cost whose request names no budget, and the least that one holds of the month while it runs.",
        default=1.0,
        ge=0.01,
        le=limits.BUDGET_MAX_USD,
    )
    max_budget_usd: float = variable(
        "ARAGORA_MAX_BUDGET_USD",
        "Most USD a request may name as the budget of its debate.",
        default=10.0,
        ge=0.01,
        le=limits.BUDGET_MAX_USD,
    )
    org_budget_usd: MonthlyBudget = variable(
        "ARAGORA_ORG_BUDGET_USD",
        f"USD that the debates of one organisation may cost in a calendar month (UTC); unset: {ORG_BUDGET_USD} in "
        "production, `none` in development.",
        allowed=_MONTHLY,
        ge=0,
    )
    budget_usd: MonthlyBudget = variable(
        "ARAGORA_BUDGET_USD",
        "USD that all debates of this installation may cost in a calendar month (UTC); unset: "
        f"{INSTALLATION_BUDGET_USD} in production, `none` in development.",
        allowed=_MONTHLY,
        ge=0,
    )


class IdentitySettings(BaseModel):
    """Chapter `Authentication` of docs/ENVIRONMENT.md."""

    jwt_secret: SecretStr | None = variable(
        "ARAGORA_JWT_SECRET",
        "Secret that signs access tokens; turns login on.",
        allowed=_SECRET,
        needed=PRODUCTION,
    )
    jwt_expiry_hours: float = variable(
        "ARAGORA_JWT_EXPIRY_HOURS", "Hours an access token is valid.", default=24, ge=0.01, le=8760
    )
    refresh_token_expiry_days: float = variable(
        "ARAGORA_REFRESH_TOKEN_EXPIRY_DAYS", "Days a refresh token is valid.", default=30, ge=0.01, le=3650
    )
    api_key_max_days: int = variable(
        "ARAGORA_API_KEY_MAX_DAYS",
        "Days an API key lives at most; 0 allows keys that live until they are revoked.",
        default=365,
        ge=0,
        le=3650,
    )
    service_roles: CommaList = variable(
        "ARAGORA_SERVICE_ROLES",
        "Roles that a service may name in X-User-Roles with its ARAGORA_SERVICE_TOKEN.",
        default=("member", "viewer", "service"),
        allowed="comma-separated names of roles",
    )
    registration: Literal["closed", "invited", "open"] | None = variable(
        "ARAGORA_REGISTRATION",
        "Who may make an account: nobody but administrators, those who were invited too, or anybody; unset: `closed` in"
        " production, `open` in development.",
        allowed="closed, invited, open",
    )
    registration_domains: CommaList = variable(
        "ARAGORA_REGISTRATION_DOMAINS",
        "Domains whose addresses may come uninvited by a login provider that has verified them.",
        default=(),
        allowed="comma-separated domains such as example.org",
    )
    google_oauth_client_id: str | None = variable("GOOGLE_OAUTH_CLIENT_ID", "Client id of login with Google.")
    google_oauth_client_secret: SecretStr | None = variable(
        "GOOGLE_OAUTH_CLIENT_SECRET", "Client secret of login with Google."
    )
    google_oauth_redirect_uri: str | None = variable(
        "GOOGLE_OAUTH_REDIRECT_URI", "Address of this server to which Google sends people back."
    )
    oauth_success_url: str | None = variable("OAUTH_SUCCESS_URL", "Address to which people are sent after login.")
    oauth_error_url: str | None = variable("OAUTH_ERROR_URL", "Address to which people are sent when login fails.")
    oauth_allowed_redirect_hosts: CommaList = variable(
        "OAUTH_ALLOWED_REDIRECT_HOSTS",
        "Hosts to which login may redirect.",
        default=(),
        allowed="comma-separated host names",
    )


class PersistenceSettings(BaseModel):
    """Chapter `Persistence, receipts, encryption`. URLs may hold a password, so they are secrets and never shown."""

    database_url: DatabaseUrl | None = variable(
        "DATABASE_URL",
        "PostgreSQL for everything; unset: SQLite files in the data directory (one node only).",
        allowed=_POSTGRES,
    )
    db_pool_size: int = variable("ARAGORA_DB_POOL_SIZE", "Database connections per process.", default=10, ge=1, le=1000)
    db_pool_timeout: float = variable(
        "ARAGORA_DB_POOL_TIMEOUT", "Seconds to wait for a database connection or lock.", default=30, ge=0.1, le=3600
    )
    supabase_url: WebAddress | None = variable(
        "SUPABASE_URL", "Project URL of Supabase.", allowed="an http:// or https:// address"
    )
    supabase_key: SecretStr | None = variable("SUPABASE_KEY", "Key of Supabase.")
    redis_url: RedisUrl | None = variable(
        "ARAGORA_REDIS_URL",
        "Redis for sessions, OAuth states, rate limits and caches; unset: the database holds them, and each replica counts.",
        allowed="redis://HOST:PORT",
    )
    approval_store_backend: Literal["sqlite", "postgres", "redis"] = variable(
        "ARAGORA_APPROVAL_STORE_BACKEND", "Where the inbox of approvals is kept.", default="sqlite"
    )

    receipt_retention_days: int = variable(
        "ARAGORA_RECEIPT_RETENTION_DAYS",
        "Days a receipt is to be kept: seven years. Nothing deletes receipts yet.",
        default=2555,
        ge=1,
    )
    receipt_cleanup_interval_hours: float = variable(
        "ARAGORA_RECEIPT_CLEANUP_INTERVAL_HOURS",
        "Hours between two clean-ups of receipts. Nothing deletes receipts yet.",
        default=24,
        ge=0.01,
    )
    receipt_signing_key: SigningKey | None = variable(
        "ARAGORA_RECEIPT_SIGNING_KEY",
        "Ed25519 key that signs receipts; unset: one is made in the data directory.",
        allowed="PEM, or a seed of 64 hex characters",
    )
    receipt_trusted_keys: PublicKeys = variable(
        "ARAGORA_RECEIPT_TRUSTED_KEYS",
        "Public keys that signed receipts before a change of key, for nodes that have not known them.",
        default=(),
        allowed="64 hex characters each, comma-separated",
    )

    encryption_key: HexKeys | None = variable(
        "ARAGORA_ENCRYPTION_KEY",
        "Keys of encryption at rest: the first encrypts, all decrypt (`new,old1,old2`).",
        allowed="64 hex characters, or several such keys separated by commas",
        needed=PRODUCTION,
    )
