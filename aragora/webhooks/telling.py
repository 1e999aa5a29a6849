"""Which events somebody waits for, by organisation: of no others of debates the outbox has to tell, and no others of
workflows need a dispatcher."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, Protocol

import structlog

from aragora.background import Every
from aragora.debate.records import Told
from aragora.encoding import decode_as
from aragora.storage.outbox import OutboxRow
from aragora.webhooks.events import CATALOGUE, EVERY
from aragora.webhooks.workflow_events import WorkflowRow

LOOK_S: Final = 15.0
"""Whoever changes an endpoint says so; this is for a message that was lost."""

_DEBATES: Final = frozenset(kind.name for kind in CATALOGUE.values() if kind.of_debate)
_WORKFLOWS: Final = frozenset(kind.name for kind in CATALOGUE.values() if kind.of_workflow)
_ORDINARY: Final = frozenset(kind.name for kind in CATALOGUE.values() if not kind.high_volume)

log = structlog.get_logger("aragora.webhooks")


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


def wanted(
    choices: Iterable[tuple[str, tuple[str, ...]]], among: frozenset[str] = _DEBATES
) -> dict[str, frozenset[str]]:
    """The types of events that are wanted, by organisation: of debates, or of those that are meant."""
    found: dict[str, set[str]] = {}
    for org_id, names in choices:
        of_org = found.setdefault(org_id, set())
        of_org |= among & _ORDINARY if EVERY in names else frozenset()
        of_org |= among & set(names)
    return {org_id: frozenset(names) for org_id, names in found.items() if names}


def wanted_rows(rows: Sequence[OutboxRow], choices: Iterable[tuple[str, tuple[str, ...]]]) -> tuple[OutboxRow, ...]:
    """Of rows that tell of workflows those whose events some endpoint has chosen. A row that cannot be read is passed
    over, and the log names it."""
    chosen = wanted(choices, _WORKFLOWS)
    found: list[OutboxRow] = []
    for row in rows:
        try:
            told = decode_as(row.payload, WorkflowRow)
        except ValueError as damaged:
            log.warning("an event of a workflow cannot be told", outbox_id=row.outbox_id, error=str(damaged))
            continue
        if told.type in chosen.get(told.org_id, ()):
            found.append(row)
    return tuple(found)
