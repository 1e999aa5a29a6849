"""After a full run with the logs at their loudest, no secret is in logs, metrics, errors or the audit log."""

from __future__ import annotations

import logging
import secrets
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock

import httpx2
import pyotp
import pytest
from pydantic import SecretStr

from aragora.clock import SystemClock
from aragora.config.settings import Settings
from aragora.migrations.applying import apply_pending
from aragora.observability.registry import REGISTRY
from aragora.server.app import create_app
from aragora.server.identity_bundle import identity_routers, open_identity
from aragora.server.ports import ServerConfig, Services

pytestmark = pytest.mark.slow

PASSWORD = "a password nobody logs"


@pytest.mark.parametrize("with_redis", [False, True])
async def test_no_secret_leaves_but_in_its_own_answer(
    with_redis: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture, own_redis: Any
) -> None:
    caplog.set_level(logging.DEBUG)
    key, jwt_secret = secrets.token_hex(32), secrets.token_hex(32)
    more: dict[str, Any] = {"redis_url": SecretStr(own_redis.url)} if with_redis else {}
    settings = Settings(data_dir=tmp_path, encryption_key=SecretStr(key), jwt_secret=SecretStr(jwt_secret), **more)
    await apply_pending(settings)
    identity = open_identity(settings, bind_host="127.0.0.1", clock=SystemClock())
    names = set(Services.__annotations__) - {"config", "authenticator", "observer"}
    ports: dict[str, Any] = {name: AsyncMock() for name in names}
    config = ServerConfig("1", "ws://x/ws")
    app = create_app(Services(config=config, authenticator=identity.authenticator, **ports), routers=identity_routers())
    identity.install(app)
    transport = httpx2.ASGITransport(app=app, client=("203.0.113.9", 1), raise_app_exceptions=False)
    found = {key, jwt_secret, PASSWORD}
    told = ""
    async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as client:
        who = {"email": "jane@example.com", "password": PASSWORD}
        await client.post("/api/auth/register", json=who)
        tokens = (await client.post("/api/auth/login", json=who)).json()
        bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
        made = (await client.post("/api/auth/api-key", headers=bearer)).json()
        ticket = (await client.post("/api/auth/ws-ticket", headers=bearer)).json()["ticket"]
        offered = (await client.post("/api/auth/mfa/enroll", headers=bearer)).json()
        code = {"code": pyotp.TOTP(offered["secret"]).now()}
        shown = (await client.post("/api/auth/mfa/verify", json=code, headers=bearer)).json()
        found |= {tokens["access_token"], tokens["refresh_token"], made["api_key"], ticket, offered["secret"]}
        found |= set(shown["backup_codes"])
        if with_redis:
            own_redis.stop()
        for answer in (
            await client.get("/api/auth/me", headers={"Authorization": f"Bearer {tokens['access_token']}x"}),
            await client.get("/api/auth/me", headers={"Authorization": f"Bearer {made['api_key'][:-1]}"}),
            await client.post("/api/auth/login", json={**who, "extra": tokens["refresh_token"]}),
            await client.post("/api/auth/refresh", json={"refresh_token": tokens["refresh_token"] + "x"}),
            await client.get("/api/auth/me", headers=bearer),
        ):
            told += answer.text + str(answer.headers)
        assert (await client.get("/api/auth/me", headers=bearer)).status_code == 200  # without Redis too
        told += repr(await identity.parts.audit.page(limit=500)) + repr(REGISTRY.drain()) + repr(identity)
    await identity.aclose()
    everything = caplog.text + told
    assert len(caplog.records) > 20
    assert [secret for secret in found if secret in everything] == []
