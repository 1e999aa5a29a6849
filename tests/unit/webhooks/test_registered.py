"""What the dispatcher knows of endpoints: read at once where many are wanted, never as they were before a change."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from dataclasses import replace

from worlds.backends import SetClock
from worlds.webhook_deliveries import WALL, delivery
from worlds.webhook_store import endpoint

from aragora.secrets.encryption import EncryptionService
from aragora.secrets.keyring import Keyring
from aragora.webhooks.direct import DirectDestinations
from aragora.webhooks.endpoint import Endpoint
from aragora.webhooks.registered import RegisteredDestinations


class Endpoints:
    """Ten of them, in a store that notes how it is read. `meanwhile` happens during the next reading of many."""

    def __init__(self) -> None:
        self.kept = {one.endpoint_id: one for one in map(endpoint, range(1, 11))}
        self.alone: list[str] = []
        self.together: list[set[str]] = []
        self.meanwhile: Callable[[], Awaitable[None]] | None = None

    async def load(self, endpoint_id: str) -> Endpoint:
        self.alone.append(endpoint_id)
        return self.kept[endpoint_id]

    async def load_all(self, endpoint_ids: Collection[str]) -> list[Endpoint]:
        self.together.append(set(endpoint_ids))
        found = [self.kept[each] for each in endpoint_ids if each in self.kept]
        if self.meanwhile is not None:
            await self.meanwhile()
        return found


def scene() -> tuple[Endpoints, RegisteredDestinations]:
    endpoints = Endpoints()
    direct = DirectDestinations(EncryptionService(Keyring.ephemeral()))
    return endpoints, RegisteredDestinations(endpoints, direct, SetClock(WALL))


DELIVERIES = [delivery(number, target_id=f"wh_{number:06}") for number in range(1, 11)]


async def test_many_endpoints_are_read_at_once_and_once() -> None:
    endpoints, destinations = scene()
    await destinations.of(DELIVERIES[0])
    await destinations.prepare(DELIVERIES)
    await destinations.prepare(DELIVERIES)
    for one in DELIVERIES:
        await destinations.of(one)

    assert endpoints.alone == ["wh_000001"]
    assert endpoints.together == [{one.target_id for one in DELIVERIES[1:]}]


async def test_deliveries_without_an_endpoint_are_no_reason_to_read() -> None:
    endpoints, destinations = scene()
    await destinations.prepare([replace(one, direct="sealed") for one in DELIVERIES])

    assert endpoints.together == []


async def test_an_endpoint_that_changes_while_many_are_read_is_read_again() -> None:
    endpoints, destinations = scene()

    async def change() -> None:
        endpoints.kept["wh_000003"] = replace(endpoints.kept["wh_000003"], url="https://example.org/other")
        destinations.changed("wh_000003")

    endpoints.meanwhile = change
    await destinations.prepare(DELIVERIES)

    assert (await destinations.of(DELIVERIES[2])).url == "https://example.org/other"
