"""Settings that suit a workspace, taken into a debate whose opener leaves them to that."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace
from typing import Any, Protocol

import structlog

from aragora.debate.model import DebateSpec
from aragora.debate.proposition import Proposition
from aragora.errors import Unavailable
from aragora.knowledge.mound.adapters.culture import Suggestion
from aragora.server.debate_asks import CreateDebate

log = structlog.get_logger("aragora.server")


class Planner(Protocol):
    """Knows what would be debated (`actors.gateways.debates.CoordinatorCommands`)."""

    async def plan(self, proposition: Proposition) -> DebateSpec:
        """The debate that the proposition would open. Raises InvalidInput as opening it does."""
        ...


class Customs(Protocol):
    """Knows how a workspace decides (`aragora.knowledge.customs.Customs`)."""

    async def suggestions(self, planned: DebateSpec) -> tuple[Suggestion, ...]:
        """The settings that would suit a planned debate. Raises Unavailable."""
        ...


async def with_suggested(
    asked: Proposition, body: CreateDebate, planner: Planner, customs: Customs | None
) -> Proposition:
    """What is asked for, with the suggested settings where `body` wants them and gives none itself. A store that is
    away or slow never keeps a debate from being opened: then nothing is taken. Raises InvalidInput."""
    if not asked.suggested or customs is None:
        return asked
    given = {name for name in body.model_fields_set if getattr(body, name) is not None}
    try:
        found = await customs.suggestions(await planner.plan(asked))
    except Unavailable as away:
        log.warning("no settings are suggested", error=away.message)
        return asked
    return taken(asked, given, found)


def taken(asked: Proposition, given: Collection[str], found: Iterable[Suggestion]) -> Proposition:
    """The proposition with the suggestions for what was not given, and what was taken in words."""
    chosen = [one for one in found if one.setting not in given]
    changes: dict[str, Any] = {str(one.setting): one.value for one in chosen}
    return replace(asked, **changes, taken=tuple(map(_told, chosen)))


def _told(one: Suggestion) -> str:
    value = ", ".join(one.value) if isinstance(one.value, tuple) else one.value
    return f"{one.setting} {value}: {one.reason}"
