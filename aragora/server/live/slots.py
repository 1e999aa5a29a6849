"""How many connections and streams a person or an address may hold. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from aragora.errors import RateLimited
from aragora.identity.principal import Method
from aragora.server.authentication import Caller

CLOSE_ONE_S = 5.0  # after which it makes sense to look again whether a connection was closed


class Slots:
    """The connections that each person and each address holds, whatever their transport."""

    def __init__(self, per_person: int, per_address: int) -> None:
        self._per_person = per_person
        self._per_address = per_address
        self._held: Counter[tuple[str, str]] = Counter()

    def take(self, caller: Caller) -> None:
        """Raises RateLimited where the person or the address holds all that it may."""
        for key, limit, whose in self._limits(caller):
            if self._held[key] >= limit:
                raise RateLimited(
                    f"{whose} holds {limit} connections and streams here, as many as it may. Close one and come again.",
                    code="too_many_connections",
                    retry_after_s=CLOSE_ONE_S,
                )
        self._held.update(key for key, _, _ in self._limits(caller))

    def give_back(self, caller: Caller) -> None:
        for key, _, _ in self._limits(caller):
            self._held[key] -= 1
            if self._held[key] <= 0:
                del self._held[key]

    def __len__(self) -> int:
        """How many persons and addresses hold any."""
        return len(self._held)

    def _limits(self, caller: Caller) -> Iterator[tuple[tuple[str, str], int, str]]:
        if caller.principal.method is not Method.LOCAL:
            yield ("person", caller.principal.actor), self._per_person, "This account"
        if caller.address is not None:
            yield ("address", caller.address), self._per_address, "This address"
