"""Which events of debates somebody waits for, by organisation: of no others the outbox has to tell."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final, Protocol

from aragora.background import Every
from aragora.debate.records import Told
from aragora.webhooks.events import CATALOGUE, EVERY

LOOK_S: Final = 15.0
"""Whoever changes an endpoint says so; this is for a message that was lost."""

_ORDINARY: Final = frozenset(kind.name for kind in CATALOGUE.values() if kind.of_debate and not kind.high_volume)
_OF_DEBATES: Final = frozenset(kind.name for kind in CATALOGUE.values() if kind.of_debate)


class Choices(Protocol):
    """Reads what endpoints chose (`aragora.webhooks.store.choices.EndpointChoices`)."""

    async def choices(self) -> list[tuple[str, tuple[str, ...]]]: ...


class ChoiceTelling:
    """Fulfils `aragora.debate.records.Telling` by what endpoints chose. `start` keeps it fresh. `heard` is called where
    the outbox tells of something."""

    def __init__(self, endpoints: Choices, heard: Callable[[], None]) -> None:
        self._endpoints = endpoints
        self._heard = heard
        self._told: Mapping[str, frozenset[str]] = {}
        self._looking = Every("choices of webhooks", LOOK_S, self.look)

    def __call__(self) -> Told:
        return self._told

    def written(self) -> None:
        self._heard()

    def start(self) -> None:
        """Look every `LOOK_S` seconds, until `aclose`."""
        self._looking.start()

    async def aclose(self) -> None:
        """Look no more."""
        await self._looking.aclose()

    async def look(self) -> None:
        """Read what endpoints chose. Raises Unavailable."""
        self._told = wanted(await self._endpoints.choices())


def wanted(choices: Iterable[tuple[str, tuple[str, ...]]]) -> dict[str, frozenset[str]]:
    """The types of events of debates that are wanted, by organisation."""
    found: dict[str, set[str]] = {}
    for org_id, names in choices:
        of_org = found.setdefault(org_id, set())
        of_org |= _ORDINARY if EVERY in names else frozenset()
        of_org |= _OF_DEBATES & set(names)
    return {org_id: frozenset(names) for org_id, names in found.items() if names}
