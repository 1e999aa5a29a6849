"""One name server and one guard that lets the tests reach loopback by exact address, and nothing else."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Final, TypeAlias

import pytest

from aragora.clock import Clock, SystemClock
from aragora.webhooks.guard import Guard, allowed_networks
from aragora.webhooks.resolver import Resolver
from aragora.webhooks.sender import Limits, Sender
from tests.standins.names import Names, name_server

LIMITS: Final = Limits()
Sending: TypeAlias = Callable[..., AbstractAsyncContextManager[Sender]]


def opened(*allowed: str, https_only: bool = False) -> Guard:
    """A guard that lets these through."""
    return Guard(allowed_networks(allowed), https_only, frozenset({"own.test"}))


@pytest.fixture
async def names() -> AsyncIterator[Names]:
    async with name_server() as server:
        yield server


@pytest.fixture
async def resolver(names: Names) -> AsyncIterator[Resolver]:
    """As it checks at registration, with nothing opened."""
    resolving = Resolver(opened(), clock=SystemClock(), nameservers=[names.server])
    yield resolving
    await resolving.close()


@pytest.fixture
def sending(names: Names) -> Sending:
    """What makes a sender; `allowed` are the addresses that its guard lets through."""

    @asynccontextmanager
    async def make(
        *allowed: str,
        clock: Clock | None = None,
        ca_file: Path | None = None,
        proxy: str | None = None,
        limits: Limits = LIMITS,
    ) -> AsyncIterator[Sender]:
        guard = opened(*(allowed or ("127.0.0.1",)))
        clock = clock or SystemClock()
        resolver = Resolver(guard, clock=clock, nameservers=[names.server])
        sender = Sender(
            guard,
            resolver=resolver,
            clock=clock,
            ca_file=ca_file,
            proxy=proxy,
            user_agent="Aragora-Webhooks/1 (test)",
            limits=limits,
        )
        async with contextlib.aclosing(sender):
            yield sender

    return make
