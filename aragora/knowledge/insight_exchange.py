"""Sharing insights between the workspaces of an organisation, over the store (rules: `aragora.knowledge.insights`)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Protocol

from aragora.clock import Clock
from aragora.errors import Conflict, Forbidden, InvalidInput
from aragora.knowledge.insights import (
    CREATED_MAX_CHARS,
    CrossWorkspaceInsight,
    InsightStatus,
    SharedInsight,
    checked,
    held_by,
    proposal,
    repeated,
    seen_from,
    share_id_of,
    unknown_insight,
)
from aragora.knowledge.model import Home
from aragora.knowledge.store.insights import InsightStore
from aragora.knowledge.store.writing import KnowledgeWriter
from aragora.limits import MOMENT_MAX_S
from aragora.observability.registry import REGISTRY, Registry
from aragora.scope import DEFAULT_WORKSPACE, Scope
from aragora.storage.cursors import Page
from aragora.storage.database import Database
from aragora.texts import line

SHARES: Final = "aragora_km_cp_cross_workspace_shares_total"
LISTED_MAX: Final = 100


class Workspaces(Protocol):
    """Knows the workspaces that were made in organisations (`aragora.identity.store.workspaces.WorkspaceStore`)."""

    async def names(self, org_id: str) -> Collection[str]: ...


@dataclass(frozen=True, slots=True)
class Share:
    """What sharing did: the insight as it is kept, whether it is new, and why nobody is given it; empty where its
    targets are."""

    kept: SharedInsight
    new: bool
    why: str

    @property
    def delivered(self) -> bool:
        """Whether its targets are given it."""
        return not self.why


class InsightExchange:
    """Over the store of one process. Every method raises Unavailable where that is away, and then nothing changed."""

    def __init__(
        self,
        store: InsightStore,
        workspaces: Workspaces,
        clock: Clock,
        *,
        minimum: float,
        registry: Registry = REGISTRY,
    ) -> None:
        """`minimum` is the confidence below which nothing is delivered."""
        self._store = store
        self._workspaces = workspaces
        self._clock = clock
        self._minimum = minimum
        self._registry = registry

    async def share(self, home: Home, by: str, insight: CrossWorkspaceInsight) -> Share:
        """Share an insight of the workspace `home`, which is the caller's. Sharing it again changes nothing.

        Raises InvalidInput for an insight that is none (invalid_input, invalid_workspace) and for a source or targets
        that there are not (unknown_workspace); Forbidden (foreign_workspace) where it is not of `home`; Conflict where
        the id was used for another one (other_insight), or for one that was withdrawn or forgotten.
        """
        told = checked(insight)
        if told.source_workspace != home.workspace:
            raise Forbidden(
                f"You share for the workspace {home.workspace!r}, and the insight names {told.source_workspace!r} as "
                "its source: share what is your workspace's own.",
                code="foreign_workspace",
            )
        created = moment_of(told.created_at)
        share_id = share_id_of(home.org_id, home.workspace, told.insight_id)
        known = await self._store.find(home.org_id, share_id)
        if known is not None:  # a workspace that is gone by now makes no repeat a failure
            return self._share(repeated(known, told), new=False)
        await self._check_known(home.org_id, (told.source_workspace, *told.target_workspaces))
        kept, new = await self._store.add(
            share_id, home, lambda: proposal(told, home.org_id, by, created, self._clock.now())
        )
        if new:
            self._registry.inc(SHARES)
        else:
            repeated(kept, told)
        return self._share(kept, new=new)

    async def received(
        self, home: Home, *, task_type: str | None = None, cursor: str | None = None, limit: int = LISTED_MAX
    ) -> Page[SharedInsight]:
        """What other workspaces share with this one, newest first. Raises InvalidInput for a bad cursor or limit."""
        if not 1 <= limit <= LISTED_MAX:
            raise InvalidInput(f"limit is {limit}: give a number from 1 to {LISTED_MAX}")
        page = await self._store.given_to(home, self._minimum, task_type=task_type, cursor=cursor, limit=limit)
        seen = (seen_from(one, home.scope, self._minimum) for one in page.items)
        return Page(tuple(one for one in seen if one is not None), page.next_cursor)

    async def shared(
        self, home: Home, *, task_type: str | None = None, cursor: str | None = None, limit: int = LISTED_MAX
    ) -> Page[SharedInsight]:
        """What this workspace shares or shared itself, newest first. Raises InvalidInput for a bad cursor."""
        return await self._store.shared_by(home, task_type=task_type, cursor=cursor, limit=limit)

    async def get(self, scope: Scope, share_id: str) -> SharedInsight:
        """One that a reader of the scope has shared or is given. Raises NotFound."""
        kept = await self._found(scope, share_id)
        seen = None if kept is None else seen_from(kept, scope, self._minimum)
        if seen is None:
            raise unknown_insight(share_id)
        return seen

    async def withdraw(self, scope: Scope, share_id: str) -> SharedInsight:
        """The insight once nobody is given it any more; again, it stays so. Raises NotFound; Forbidden
        (foreign_workspace) for whoever is only given it; Conflict where it is forgotten."""

        def step(kept: SharedInsight) -> SharedInsight:
            return replace(_not_forgotten(kept), status=InsightStatus.WITHDRAWN)

        return await self._move(scope, share_id, step)

    async def release(self, scope: Scope, share_id: str) -> SharedInsight:
        """The insight once a person has looked and let it out of quarantine. Raises as `withdraw`; Conflict where it is
        not quarantined."""

        def step(kept: SharedInsight) -> SharedInsight:
            if _not_forgotten(kept).status is not InsightStatus.QUARANTINED:
                raise Conflict(f"{share_id} is {kept.status}, not quarantined: there is nothing to release")
            return replace(kept, status=InsightStatus.SHARED, reason="")

        return await self._move(scope, share_id, step)

    def why_held(self, kept: SharedInsight) -> str:
        """Why nobody is given it; empty where its targets are."""
        return held_by(kept, self._minimum)

    async def _move(self, scope: Scope, share_id: str, step: _Step) -> SharedInsight:
        seen = await self.get(scope, share_id)
        if not scope.holds(seen.org_id, seen.source):
            raise Forbidden(
                f"{share_id} belongs to the workspace {seen.source!r}, which you may not use: you may read it",
                code="foreign_workspace",
            )
        moved = await self._store.move(share_id, step)
        if moved is None:
            raise unknown_insight(share_id)
        return moved

    async def _found(self, scope: Scope, share_id: str) -> SharedInsight | None:
        return None if scope.org_id is None else await self._store.find(scope.org_id, share_id)

    async def _check_known(self, org_id: str, named: Collection[str]) -> None:
        known = {DEFAULT_WORKSPACE, *await self._workspaces.names(org_id)}
        missing = [name for name in named if name not in known]
        if missing:
            raise InvalidInput(
                f"There is no workspace {', '.join(map(repr, missing))} in your organisation: check "
                "source_workspace and target_workspaces, or make it with POST /api/workspaces first.",
                code="unknown_workspace",
            )

    def _share(self, kept: SharedInsight, *, new: bool) -> Share:
        return Share(kept, new, held_by(kept, self._minimum))


def exchange_over(
    memory: Database, workspaces: Workspaces, clock: Clock, *, minimum: float, registry: Registry = REGISTRY
) -> InsightExchange:
    """An exchange over the mound's database; `workspaces`, `minimum` and `registry` as there."""
    store = InsightStore(memory, KnowledgeWriter(memory, clock))
    return InsightExchange(store, workspaces, clock, minimum=minimum, registry=registry)


class _Step(Protocol):
    """What becomes of an insight."""

    def __call__(self, kept: SharedInsight, /) -> SharedInsight: ...


def moment_of(text: str) -> float:
    """The time of an ISO 8601 text in seconds since the epoch; without a zone it is local. Raises InvalidInput."""
    wrong = "created_at is no time: write it as datetime.now().isoformat() does, or as 2026-01-31T12:00:00Z"
    if not isinstance(text, str) or len(text) > CREATED_MAX_CHARS:
        raise InvalidInput(wrong)
    try:
        seconds = datetime.fromisoformat(line(text)).timestamp()
    except (ValueError, OverflowError, OSError):  # the last two: beyond what the machine's calendar has
        raise InvalidInput(wrong) from None
    if abs(seconds) > MOMENT_MAX_S:
        raise InvalidInput(wrong)
    return seconds


def _not_forgotten(kept: SharedInsight) -> SharedInsight:
    if kept.status is InsightStatus.FORGOTTEN:
        raise Conflict(f"{kept.share_id} is forgotten: nothing changes it any more", code="forgotten")
    return kept
