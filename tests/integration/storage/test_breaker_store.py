"""Breakers as stored: what was saved last is what a restart finds."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from aragora.agents.breaker_store import BreakerStore
from aragora.resilience.circuit_breaker import BreakerRow
from aragora.storage.contexts import Context
from aragora.storage.database import Database

OPEN = BreakerRow("open", 5, 100.0, 160.0, "529 overloaded")
FAILING = BreakerRow("closed", 2, None, None, "timeout")


@pytest.fixture
def store(opened: Callable[[Context], Database]) -> BreakerStore:
    return BreakerStore(opened(Context.CORE))


async def test_an_agent_that_never_failed_has_no_row(store: BreakerStore) -> None:
    assert await store.load("ann") is None
    assert await store.all() == {}


async def test_a_saved_breaker_comes_back_as_it_was(store: BreakerStore) -> None:
    await store.save("ann", OPEN, 101.0)
    assert await store.load("ann") == OPEN


async def test_the_last_save_counts_and_all_tell_when(store: BreakerStore) -> None:
    await store.save("bob", FAILING, 90.0)
    await store.save("ann", FAILING, 99.0)
    await store.save("ann", OPEN, 101.0)
    assert await store.all() == {"ann": (OPEN, 101.0), "bob": (FAILING, 90.0)}


async def test_a_save_that_arrives_late_does_not_undo_a_newer_one(store: BreakerStore) -> None:
    await store.save("ann", OPEN, 101.0)
    await store.save("ann", FAILING, 100.5)
    assert await store.load("ann") == OPEN
