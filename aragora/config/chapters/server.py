"""The server: where it keeps its data, whom it lets in, how wide it is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, SecretStr

from aragora import limits
from aragora.config.legacy import DATA_DIR
from aragora.config.variables import CommaList, Origins, UpperCase, variable


class ServerSettings(BaseModel):
    """Chapter `Server` of docs/ENVIRONMENT.md."""

    env: Literal["development", "production"] = variable(
        "ARAGORA_ENV", "Production requires login and refuses to start without its secrets.", default="development"
    )
    data_dir: Path = variable("ARAGORA_DATA_DIR", "Directory of databases and backups.", default=Path(DATA_DIR))
    api_token: SecretStr | None = variable("ARAGORA_API_TOKEN", "Token that callers must show; turns login on.")
    service_token: SecretStr | None = variable(
        "ARAGORA_SERVICE_TOKEN", "Token by which a service proves that its X-User-ID and X-Org-ID headers count."
    )
    allowed_origins: Origins = variable(
        "ARAGORA_ALLOWED_ORIGINS",
        "Origins of pages that may call the API; unset: only pages of the server itself.",
        default=(),
        allowed="comma-separated origins such as https://app.example.org; a wildcard is refused",
    )
    trusted_proxies: CommaList = variable(
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
