"""What somebody wants to register and the guard refuses is counted by why."""

from __future__ import annotations

import pytest

from aragora.composition.webhooks import counting_refusals
from aragora.errors import InvalidInput
from aragora.observability.registry import Registry
from aragora.webhooks.guard import Guard


async def test_an_address_inside_counts_and_a_mistyped_url_does_not() -> None:
    guard, registry = Guard((), https_only=True, own_hosts=frozenset({"own.example.com"})), Registry()

    async def check(url: str) -> None:
        guard.url(url)

    counting = counting_refusals(check, registry)
    for url in ("https://10.0.0.8/", "https://10.0.0.9/", "https://own.example.com/", "http://receiver.example.com/"):
        with pytest.raises(InvalidInput):
            await counting(url)
    await counting("https://receiver.example.com/")
    assert {(one.labels, one.amount) for one in registry.drain()} == {
        ((("reason", "private"),), 2.0),
        ((("reason", "own_host"),), 1.0),
    }
