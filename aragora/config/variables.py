"""How one environment variable is declared, and the types that its text is turned into.

A declaration says everything about a variable: the exact name, default, meaning, allowed values and whether
production needs it. Errors, `docs/ENVIRONMENT.md` and the start-up checks read the declaration, so they cannot
contradict it.
"""

from __future__ import annotations

import math
import re
from ipaddress import ip_network
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr
from pydantic_settings import NoDecode

from aragora.errors import InvalidInput
from aragora.scope import checked_workspace

PRODUCTION: Final = "production"
_PLAIN_NUMBER: Final = re.compile(r"[0-9]+(\.[0-9]+)?")
_NOT_IN_AN_ADDRESS: Final = re.compile(r"[\s\x00-\x1f\x7f-\x9f]")
_ONE_CALL: Final = ("/completions", "/responses", "/messages")
_HEX_KEY: Final = re.compile(r"[0-9a-fA-F]{64}")
_REDIS_SCHEMES: Final = ("redis://", "rediss://", "unix://")
_DATABASE_SCHEMES: Final = ("postgresql://", "postgres://", "postgresql+asyncpg://")

_UNESCAPED: Final = (
    "host or port are wrong, or user or password hold characters that an address cannot: percent-encode them (@ is %40, "
    ": is %3A, / is %2F, # is %23, ? is %3F)"
)


def variable(
    name: str,
    meaning: str,
    *,
    default: Any = None,
    allowed: str = "",
    needed: str | None = None,
    ge: float | None = None,
    le: float | None = None,
) -> Any:
    """The field for the variable `name`.

    Args:
        name: the exact name in the environment.
        meaning: one sentence for docs/ENVIRONMENT.md.
        default: its value where the variable is unset or empty.
        allowed: the allowed values in words, where type and bounds do not say it.
        needed: `production` where the server refuses to start without it there.
        ge: least value.
        le: greatest value.
    """
    notes: dict[str, Any] = {"allowed": allowed, "needed": needed}
    return Field(default, validation_alias=name, description=meaning, json_schema_extra=notes, ge=ge, le=le)


def field_of(variable_name: str) -> str:
    """The field of `Settings` that holds the environment variable."""
    return variable_name.removeprefix("ARAGORA_").lower()


def _split(value: object) -> object:
    """A comma-separated text as a tuple of its non-empty parts; anything else as it is."""
    if isinstance(value, str):
        return tuple(part for part in (piece.strip() for piece in value.split(",")) if part)
    return value


def _no_wildcard(origins: tuple[str, ...]) -> tuple[str, ...]:
    if any("*" in origin for origin in origins):
        raise ValueError("a wildcard is refused")
    return origins


def _hex_keys(value: SecretStr) -> SecretStr:
    keys = [key.strip() for key in value.get_secret_value().split(",")]
    if not all(_HEX_KEY.fullmatch(key) for key in keys):
        raise ValueError("not every key is 64 hex characters")
    return value


def _signing_key(value: SecretStr) -> SecretStr:
    text = value.get_secret_value().strip()
    if not text.startswith("-----BEGIN") and not _HEX_KEY.fullmatch(text):
        raise ValueError("neither PEM nor 64 hex characters")
    return value


def _public_keys(keys: tuple[str, ...]) -> tuple[str, ...]:
    if not all(_HEX_KEY.fullmatch(key) for key in keys):
        raise ValueError("not every key is 64 hex characters")
    return tuple(key.lower() for key in keys)


def _workspace(value: str) -> str:
    try:
        return checked_workspace(value)
    except InvalidInput as refused:
        raise ValueError(refused.message) from None


def _web_address(value: str) -> str:
    if not value.startswith(("http://", "https://")):
        raise ValueError("not an http:// or https:// address")
    if not _has_sound_port(value):
        raise ValueError("its host is malformed, or its port is no number from 0 to 65535")
    if _NOT_IN_AN_ADDRESS.search(value):
        raise ValueError("it holds a space or a control character: leave it out")
    parts = urlsplit(value)
    if not parts.hostname:
        raise ValueError("it names no host")
    if parts.query or parts.fragment or value.endswith(("?", "#")):  # a path is put behind it
        raise ValueError("it goes on after a ? or #: leave that out")
    address = value.rstrip("/")
    if address.endswith(_ONE_CALL):
        raise ValueError("it is that of one call: leave out what follows the address of the API")
    return address


def _has_sound_port(url: str) -> bool:
    try:
        _ = urlsplit(url).port
    except ValueError:
        return False
    return True


def _hosts(url: str) -> list[str]:
    """The hosts of an address with their ports, as they are written.

    Raises ValueError where user or password end the address too early: `postgresql://me:p@ss:w/rd@host/db`. The text
    repeats nothing of it; that of `urlsplit` would.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        raise ValueError(_UNESCAPED) from None
    if "@" in parts.path + parts.query + parts.fragment:
        raise ValueError(_UNESCAPED)
    return parts.netloc.rpartition("@")[2].split(",")


def _redis_url(value: SecretStr) -> SecretStr:
    url = value.get_secret_value()
    if not url.startswith(_REDIS_SCHEMES):
        raise ValueError("not a Redis URL")
    if len(_hosts(url)) > 1 or not _has_sound_port(url):
        raise ValueError(_UNESCAPED)
    return value


def _database_url(value: SecretStr) -> SecretStr:
    url = value.get_secret_value()
    if not url.startswith(_DATABASE_SCHEMES):
        raise ValueError("not a PostgreSQL URL")
    if not all(_has_sound_port(f"//{host}") for host in _hosts(url)):
        raise ValueError(_UNESCAPED)
    return value


def _networks(entries: tuple[str, ...]) -> tuple[str, ...]:
    for entry in entries:
        try:
            ip_network(entry, strict=False)
        except ValueError:
            raise ValueError(f"{entry!r} is neither an address nor a network") from None
    return entries


def _monthly(value: object) -> object:
    """`none` in words as infinity: a sum that is never reached."""
    if value == "none":
        return math.inf
    if isinstance(value, str) and not _PLAIN_NUMBER.fullmatch(value):
        raise ValueError("neither `none` nor a number from 0")
    return value


def _upper(value: object) -> object:
    return value.upper() if isinstance(value, str) else value


CommaList = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]
Origins = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split), AfterValidator(_no_wildcard)]
Networks = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split), AfterValidator(_networks)]
MonthlyBudget = Annotated[float | None, BeforeValidator(_monthly)]
UpperCase = BeforeValidator(_upper)
HexKeys = Annotated[SecretStr, AfterValidator(_hex_keys)]
SigningKey = Annotated[SecretStr, AfterValidator(_signing_key)]
PublicKeys = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split), AfterValidator(_public_keys)]
DatabaseUrl = Annotated[SecretStr, AfterValidator(_database_url)]
RedisUrl = Annotated[SecretStr, AfterValidator(_redis_url)]
WebAddress = Annotated[str, AfterValidator(_web_address)]
WorkspaceName = Annotated[str, AfterValidator(_workspace)]
