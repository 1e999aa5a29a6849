"""After a full run with the logs at their loudest, no secret is in logs, metrics, errors or the audit log."""

from __future__ import annotations

import logging
import secrets
from pathlib import Path
from typing import Any

import pyotp
import pytest
from pydantic import SecretStr
from worlds.memory_server import Boards, World, served

from aragora.config.settings import Settings
from aragora.migrations.applying import apply_pending
from aragora.observability.registry import REGISTRY

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
    server = served(settings, World(), Boards())
    found = {key, jwt_secret, PASSWORD}
    told = ""
    async with server.client("203.0.113.9", "localhost") as client:
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
        told += (
            repr(await server.identity.feature.ports.parts.audit.page(limit=500))
            + repr(REGISTRY.drain())
            + repr(server)
        )
    await server.aclose()
    everything = caplog.text + told
    assert len(caplog.records) > 20
    assert [secret for secret in found if secret in everything] == []
