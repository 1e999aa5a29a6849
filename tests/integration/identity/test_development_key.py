"""A development server without ARAGORA_ENCRYPTION_KEY: its replicas, and its next start, read what one of them
sealed."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path

import pyotp
import pytest
from worlds.memory_server import Boards, Served, World, served
from worlds.migrated import migrated

from aragora.config.settings import Settings
from aragora.identity.logins import Challenge
from aragora.identity.parts import Visit
from aragora.identity.principal import Method, Principal

pytestmark = pytest.mark.slow

HERE = Visit("127.0.0.1")


@pytest.fixture
async def replicas(tmp_path: Path) -> AsyncIterator[list[Served]]:
    """Three replicas on one data directory."""
    settings = Settings(data_dir=tmp_path)
    migrated(settings)
    opened = [served(settings, World(), Boards()) for _ in range(3)]
    yield opened
    for replica in opened:
        await replica.aclose()


async def test_a_second_factor_enrolled_at_one_replica_holds_at_the_others(replicas: list[Served]) -> None:
    first, second, third = (replica.identity.feature.ports for replica in replicas)
    user = await first.accounts.register("jane@example.com", "correct horse battery", "Jane", HERE, by=None)
    jane = Principal(user.user_id, user.org_id, user.roles, Method.SESSION, proved_at=time.time())

    offered = await first.second_factor.enrol(jane, HERE)
    codes = await second.second_factor.confirm(jane, pyotp.TOTP(offered.secret).now(), HERE)
    challenge = await third.accounts.login("jane@example.com", "correct horse battery", HERE)

    assert len(codes) == 10
    assert isinstance(challenge, Challenge)


async def test_an_integration_saved_by_one_replica_is_read_by_another(replicas: list[Served]) -> None:
    await (await replicas[0].features["integrations"].ports.store()).save(
        {"type": "slack", "user_id": "u", "token": "t0p"}
    )

    config = await (await replicas[1].features["integrations"].ports.store()).get("slack", "u")

    assert config is not None
    assert config["token"] == "t0p"
