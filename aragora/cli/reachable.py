"""What the configuration names outside this process: database, Redis, local model server, providers, Ray.

Each is tried once, all at the same time, for a few seconds at most. No model is asked and nothing is paid.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final
from urllib.parse import urlsplit

import aiohttp
from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from aragora.cli.checkup import Finding, fault, ok, warning
from aragora.config.providers import PROVIDERS
from aragora.config.settings import Settings

TIMEOUT_S: Final = 5.0


async def everything(settings: Settings) -> list[Finding]:
    """A finding for each outside thing that the settings name."""
    tries: list[Awaitable[Finding]] = []
    for variable, url in (
        ("DATABASE_URL", settings.database_url),
        ("KNOWLEDGE_MOUND_DATABASE_URL", settings.knowledge_mound_database_url),
    ):
        if url is not None:
            tries.append(_attempt(variable, _text(url), _postgres, broken=fault))
    for variable, url in (
        ("ARAGORA_REDIS_URL", settings.redis_url),
        ("KNOWLEDGE_MOUND_REDIS_URL", settings.knowledge_mound_redis_url),
    ):
        if url is not None:
            tries.append(_attempt(variable, _text(url), _redis, broken=warning))
    if settings.local_base_url is not None:
        tries.append(_attempt("ARAGORA_LOCAL_BASE_URL", _text(settings.local_base_url), _models, broken=fault))
    if settings.ray_address not in {None, "auto", "local"}:
        tries.append(
            _attempt("RAY_ADDRESS", f"ray://{settings.ray_address}".replace("ray://ray://", "ray://"), _tcp, fault)
        )
    tries.extend(
        _attempt(f"provider {provider.name}", settings.provider_address(provider.name), _tcp, broken=warning)
        for provider in PROVIDERS
        if settings.provider_key(provider.name) is not None
    )
    return list(await asyncio.gather(*tries))


async def _attempt(
    subject: str, url: str, reach: Callable[[str], Awaitable[str]], broken: Callable[[str, str, str], Finding]
) -> Finding:
    """Try to reach `url`. A failure is named by its class only: the error texts of drivers may repeat the URL."""
    parts = urlsplit(url)
    host = f"{parts.hostname}:{parts.port}" if parts.port else str(parts.hostname)
    try:
        async with asyncio.timeout(TIMEOUT_S):
            return ok(subject, f"{host}: {await reach(url)}")
    except Exception as error:  # noqa: BLE001  every error of a driver is a finding
        return broken(
            subject, f"{host} cannot be reached ({type(error).__name__})", f"Is it running, and is {subject} right?"
        )


async def _postgres(url: str) -> str:
    engine = create_async_engine(f"postgresql+asyncpg://{url.partition('://')[2]}", poolclass=NullPool)
    async with engine.connect() as connection:
        answer = await connection.exec_driver_sql("show server_version")
        return f"PostgreSQL {answer.scalar_one()}"


async def _redis(url: str) -> str:
    async with Redis.from_url(url, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S) as redis:
        await redis.ping()
    return "Redis answers"


async def _models(url: str) -> str:
    async with aiohttp.ClientSession() as session, session.get(f"{url.rstrip('/')}/models") as answer:
        answer.raise_for_status()
        return f"{len((await answer.json(content_type=None))['data'])} models"


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
