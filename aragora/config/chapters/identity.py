"""Authentication: tokens, OAuth and where it may lead."""

from __future__ import annotations

from typing import Final

from pydantic import BaseModel, SecretStr

from aragora.config.variables import PRODUCTION, CommaList, variable

JWT_SECRET_MIN_CHARS: Final = 32


class IdentitySettings(BaseModel):
    """Chapter `Authentication` of docs/ENVIRONMENT.md."""

    jwt_secret: SecretStr | None = variable(
        "ARAGORA_JWT_SECRET",
        "Secret that signs access tokens; turns login on.",
        allowed=f"a random text of at least {JWT_SECRET_MIN_CHARS} characters",
        needed=PRODUCTION,
    )
    jwt_expiry_hours: float = variable(
        "ARAGORA_JWT_EXPIRY_HOURS", "Hours an access token is valid.", default=24, ge=0.01, le=8760
    )
    refresh_token_expiry_days: float = variable(
        "ARAGORA_REFRESH_TOKEN_EXPIRY_DAYS", "Days a refresh token is valid.", default=30, ge=0.01, le=3650
    )
    google_oauth_client_id: str | None = variable("GOOGLE_OAUTH_CLIENT_ID", "Client id of login with Google.")
    google_oauth_client_secret: SecretStr | None = variable(
        "GOOGLE_OAUTH_CLIENT_SECRET", "Client secret of login with Google."
    )
    google_oauth_redirect_uri: str | None = variable(
        "GOOGLE_OAUTH_REDIRECT_URI", "Address of this server to which Google sends people back."
    )
    oauth_success_url: str | None = variable("OAUTH_SUCCESS_URL", "Where people land after login.")
    oauth_error_url: str | None = variable("OAUTH_ERROR_URL", "Where people land when login fails.")
    oauth_allowed_redirect_hosts: CommaList = variable(
        "OAUTH_ALLOWED_REDIRECT_HOSTS",
        "Hosts to which login may redirect.",
        default=(),
        allowed="comma-separated host names",
    )
