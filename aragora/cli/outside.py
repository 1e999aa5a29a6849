"""What the settings name outside of this machine's server, for `aragora doctor`: whether each database, Redis and
cluster can be reached."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final
from urllib.parse import urlsplit

from redis.asyncio import Redis

from aragora.cli.findings import Finding, fault, ok, warning
from aragora.config.settings import Settings
from aragora.storage.contexts import Context, Location, plain_dsn
from aragora.storage.diagnosis import diagnose
from aragora.storage.postgres import connect

_TIMEOUT_S: Final = 5.0


async def services(settings: Settings) -> list[Finding]:
    """A finding for each service that the settings name, but for the store and the servers of models."""
    tries: list[Awaitable[Finding]] = []
    if settings.knowledge_mound_database_url is not None:
        tries.append(_postgres("KNOWLEDGE_MOUND_DATABASE_URL", _text(settings.knowledge_mound_database_url)))
    for variable, url in (
        ("ARAGORA_REDIS_URL", settings.redis_url),
        ("KNOWLEDGE_MOUND_REDIS_URL", settings.knowledge_mound_redis_url),
    ):
        if url is not None:
            tries.append(_attempt(variable, _text(url), _redis, broken=warning))
    if settings.supabase_url is not None:
        tries.append(_attempt("SUPABASE_URL", settings.supabase_url, _tcp, broken=warning))
    return list(await asyncio.gather(*tries))


async def _attempt(
    subject: str, url: str, reach: Callable[[str], Awaitable[str]], broken: Callable[[str, str, str], Finding]
) -> Finding:
    """Try to reach `url`. A failure is named by its class only: the error texts of drivers may repeat the URL."""
    host = urlsplit(url).netloc.rpartition("@")[2]
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            return ok(subject, f"{host}: {await reach(url)}")
    except Exception as error:  # noqa: BLE001  every error of a driver is a finding
        return broken(
            subject, f"{host} cannot be reached ({type(error).__name__})", f"Is it running, and is {subject} right?"
        )


async def _postgres(variable: str, url: str) -> Finding:
    location = Location(Context.MEMORY, None, plain_dsn(url), timeout_s=_TIMEOUT_S)
    try:
        connection = await connect(location)
        try:
            version = await connection.fetchval("SHOW server_version")
        finally:
            await connection.close()
    except Exception as error:  # noqa: BLE001  every error of the driver is a finding
        found = diagnose(error, location)
        return fault(variable, found.told, found.mend.replace("DATABASE_URL", variable))
    return ok(variable, f"{location}: PostgreSQL {version}")


async def _redis(url: str) -> str:
    async with Redis.from_url(url, socket_timeout=_TIMEOUT_S, socket_connect_timeout=_TIMEOUT_S) as redis:
        await redis.ping()
    return "Redis answers"


async def _tcp(url: str) -> str:
    parts = urlsplit(url)
    port = parts.port or (80 if parts.scheme == "http" else 443)
    _, writer = await asyncio.open_connection(parts.hostname, port)
    writer.close()
    return "reachable"


def _text(url: object) -> str:
    """The URL as text, whether the settings hold it as a secret or not."""
    reveal = getattr(url, "get_secret_value", None)
    return str(reveal() if reveal else url)
