"""Definitions of workflows: the latest of each, and every version that there was. A version never changes.

Deleting a workflow takes it out of every list and lets nothing begin from it; its versions stay, because executions
that ended are told by them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Protocol

from sqlalchemy import Select, func, insert, literal, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from aragora.clock import Clock
from aragora.debate.proposition import Idempotency
from aragora.encoding import decode, encode_text
from aragora.errors import Conflict, NotFound
from aragora.ids import new_id
from aragora.scope import Scope
from aragora.storage.cursors import Page, Place, cursor_of, place_of
from aragora.storage.database import Database
from aragora.storage.tables import insert_into
from aragora.workflows.reading import Written
from aragora.workflows.store.definitions_tables import workflow_versions, workflows

PREFIX: Final = "wf"
WORKFLOWS_MAX: Final = 10_000  # of one organisation
VERSIONS_MAX: Final = 1_000  # of one workflow

_OF: Final = workflows.c
_HEAD: Final = (
    *("workflow_id", "org_id", "workspace", "version", "name", "description", "category", "tags", "digest"),
    *("created_at", "created_by", "updated_at", "updated_by"),
)
_VERSION: Final = ("version", "document", "digest", "created_at", "created_by")


class Running(Protocol):
    """What executions there are."""

    async def running_of(self, workflow_id: str) -> bool:
        """Whether an execution of the workflow has not ended."""
        ...


@dataclass(frozen=True, slots=True)
class Head:
    """A workflow as lists show it. Times are seconds since the epoch."""

    workflow_id: str
    org_id: str
    workspace: str
    version: int
    name: str
    description: str
    category: str
    tags: tuple[str, ...]
    digest: str
    created_at: float
    created_by: str
    updated_at: float
    updated_by: str


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a workflow. `document` is the canonical text of what its author wrote, `digest` the SHA-256 of
    that."""

    workflow_id: str
    version: int
    document: str
    digest: str
    created_at: float
    created_by: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which workflows a list has; None means all. `search` is a part of the name, in whatever case."""

    category: str | None = None
    tag: str | None = None
    search: str | None = None


class DefinitionStore:
    """Kept in the context `workflows`. What is out of scope, or was deleted, does not exist. Every method raises
    Unavailable where the database is away."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock

    async def create(
        self, org_id: str, workspace: str, by: str, written: Written, idempotency: Idempotency | None = None
    ) -> Head:
        """A new workflow, at version 1; or, as it is now, the one that was made first under the key. Raises Conflict
        where the organisation has as many as it may, where the key was used for another request, and where what it made
        is deleted."""
        now = self._clock.now()
        head = {"workflow_id": new_id(PREFIX), "org_id": org_id, "workspace": workspace, "version": 1}
        head |= {"created_at": now, "created_by": by, "updated_at": now, "updated_by": by, **_shown(written)}
        key = (
            {}
            if idempotency is None
            else {"idempotency_key": idempotency.key, "request_hash": idempotency.request_hash}
        )
        count = select(func.count()).select_from(workflows)
        count = count.where(_OF.org_id == org_id, _OF.deleted_at.is_(None))
        making = insert_into(self._database, workflows).values({**head, **key}).on_conflict_do_nothing()
        async with self._database.writing("making a workflow") as connection:
            first = await _made_first(connection, head, idempotency)
            if first is not None:
                return first
            if (await connection.execute(count)).scalar_one() >= WORKFLOWS_MAX:
                raise Conflict(
                    f"The organisation has {WORKFLOWS_MAX} workflows, the most there may be: delete some.",
                    code="too_many_workflows",
                )
            if (await connection.execute(making)).rowcount != 1:  # another process has made it meanwhile
                first = await _made_first(connection, head, idempotency)
                assert first is not None, "only a key that is there keeps a new id out"
                return first
            await _add_version(connection, head, written)
        return _head(head)

    async def change(self, workflow_id: str, scope: Scope, by: str, written: Written, *, version: int | None) -> Head:
        """A new version, from which new executions begin. The same document makes none.

        Args:
            version: the one that the caller has seen; None: whatever is there. Where the latest has this document
                already, any will do.

        Raises NotFound; Conflict (version_conflict) where the latest is another one, (too_many_versions)."""
        async with self._database.writing("changing a workflow") as connection:
            row = (await connection.execute(_found(workflow_id, scope).with_for_update())).mappings().first()
            if row is None:
                raise unknown_workflow()
            current = _head(row)
            if written.digest == current.digest:  # a request that is sent again, or changes nothing
                return current
            _check_version(current, version)
            if current.version >= VERSIONS_MAX:
                raise Conflict(
                    f"The workflow has {VERSIONS_MAX} versions, the most there may be: make a new one of it.",
                    code="too_many_versions",
                )
            changed = {"version": current.version + 1, "updated_at": self._clock.now(), "updated_by": by}
            changed |= _shown(written)
            await connection.execute(update(workflows).where(_OF.workflow_id == workflow_id).values(changed))
            await _add_version(connection, {"workflow_id": workflow_id, **changed}, written)
            return _head({**row, **changed})

    async def delete(
        self, workflow_id: str, scope: Scope, running: Running | None, *, version: int | None = None
    ) -> None:
        """Take a workflow away; its versions stay. Raises NotFound; Conflict (version_conflict) where the latest
        version is another one, (workflow_running) where executions of it have not ended.

        Args:
            version: the one that the caller has seen; None: whatever is there.
            running: asked after the workflow is marked and before that counts, so that whoever begins an execution in a
                transaction that reads the row either sees the mark or is seen. None: nothing executes workflows."""
        gone = update(workflows).where(_OF.workflow_id == workflow_id, _OF.deleted_at.is_(None))
        async with self._database.writing("deleting a workflow") as connection:
            row = (await connection.execute(_found(workflow_id, scope).with_for_update())).mappings().first()
            if row is None:
                raise unknown_workflow()
            _check_version(_head(row), version)
            await connection.execute(gone.values(deleted_at=self._clock.now()))
            if running is not None and await running.running_of(workflow_id):
                raise Conflict(
                    "Executions of this workflow have not ended: cancel them, or wait.", code="workflow_running"
                )

    async def get(self, workflow_id: str, scope: Scope, version: int | None = None) -> tuple[Head, Version]:
        """A workflow, and its latest version or the one of that number. Raises NotFound."""
        of = workflow_versions.c
        number = _OF.version if version is None else literal(version)
        query = select(*(_OF[name] for name in _HEAD), *(of[name] for name in _VERSION))
        query = query.join(workflow_versions, (of.workflow_id == _OF.workflow_id) & (of.version == number))
        rows = await self._database.rows(_seen(query, workflow_id, scope), "reading a workflow")
        if rows:
            head, of_version = rows[0][: len(_HEAD)], rows[0][len(_HEAD) :]
            return _head(_named(_HEAD, head)), Version(workflow_id, *of_version)
        if version is not None:
            await self.get(workflow_id, scope)
            raise NotFound(f"The workflow has no version {version}.", code="unknown_version")
        raise unknown_workflow()

    async def pinned(self, workflow_id: str, version: int) -> Version:
        """A version that an execution began with, whatever became of its workflow. Raises NotFound."""
        of = workflow_versions.c
        query = select(*(of[name] for name in _VERSION)).where(of.workflow_id == workflow_id, of.version == version)
        rows = await self._database.rows(query, "reading a version of a workflow")
        if not rows:
            raise unknown_workflow()
        return Version(workflow_id, *rows[0])

    async def authors(self, workflow_id: str, version: int) -> tuple[str, ...]:
        """Who wrote the versions up to this one, each once, in order of their names."""
        of = workflow_versions.c
        query = select(of.created_by).where(of.workflow_id == workflow_id, of.version <= version).distinct()
        rows = await self._database.rows(query.order_by(of.created_by), "reading the authors of a workflow")
        return tuple(row[0] for row in rows)

    async def versions(
        self, workflow_id: str, scope: Scope, *, before: int | None = None, limit: int = 50
    ) -> list[Version]:
        """The versions of a workflow, the latest first; `before` leaves out that one and later ones. Raises
        NotFound."""
        if not await self._database.rows(_found(workflow_id, scope), "reading a workflow"):
            raise unknown_workflow()
        of = workflow_versions.c
        query = select(*(of[name] for name in _VERSION)).where(of.workflow_id == workflow_id)
        query = query.order_by(of.version.desc()).limit(limit)
        if before is not None:
            query = query.where(of.version < before)
        rows = await self._database.rows(query, "reading versions of a workflow")
        return [Version(workflow_id, *row) for row in rows]

    async def page(self, scope: Scope, wanted: Wanted, *, cursor: str | None = None, limit: int = 50) -> Page[Head]:
        """Newest first. Raises InvalidInput for a bad cursor."""
        query = _within(select(*(_OF[name] for name in _HEAD)).where(_OF.deleted_at.is_(None)), scope)
        if wanted.category is not None:
            query = query.where(_OF.category == wanted.category)
        if wanted.tag is not None:
            query = query.where(_OF.tags.contains(encode_text(wanted.tag), autoescape=True))
        if wanted.search is not None:
            query = query.where(_OF.folded.contains(wanted.search.casefold(), autoescape=True))
        if cursor is not None:
            place = place_of(cursor)
            query = query.where(tuple_(_OF.created_at, _OF.workflow_id) < tuple_(literal(place.at), literal(place.id)))
        query = query.order_by(_OF.created_at.desc(), _OF.workflow_id.desc()).limit(limit + 1)
        found = [_head(_named(_HEAD, row)) for row in await self._database.rows(query, "listing workflows")]
        if len(found) <= limit:
            return Page(tuple(found))
        last = found[limit - 1]
        return Page(tuple(found[:limit]), cursor_of(Place(last.created_at, last.workflow_id)))


def unknown_workflow() -> NotFound:
    """The error for an id that names no workflow, or none that the caller may see."""
    return NotFound("There is no such workflow. List the workflows with GET /api/workflows.", code="unknown_workflow")


def _found(workflow_id: str, scope: Scope) -> Select[Any]:
    return _seen(select(*(_OF[name] for name in _HEAD)), workflow_id, scope)


def _seen(query: Select[Any], workflow_id: str, scope: Scope) -> Select[Any]:
    return _within(query.where(_OF.workflow_id == workflow_id, _OF.deleted_at.is_(None)), scope)


def _within(query: Select[Any], scope: Scope) -> Select[Any]:
    if scope.org_id is not None:
        query = query.where(_OF.org_id == scope.org_id)
    return query if scope.workspaces is None else query.where(_OF.workspace.in_(sorted(scope.workspaces)))


def _check_version(current: Head, seen: int | None) -> None:
    """Raises Conflict where somebody has changed the workflow since the caller saw it; None: it has not looked."""
    if seen is not None and seen != current.version:
        raise Conflict(
            f"The workflow is at version {current.version}, not {seen}: read it again, then change it.",
            code="version_conflict",
        )


async def _made_first(
    connection: AsyncConnection, wanted: dict[str, Any], idempotency: Idempotency | None
) -> Head | None:
    """The workflow that was made under the key; None where none was. Raises Conflict."""
    if idempotency is None:
        return None
    query = select(workflows).where(*(_OF[name] == wanted[name] for name in ("org_id", "workspace", "created_by")))
    row = (await connection.execute(query.where(_OF.idempotency_key == idempotency.key))).mappings().first()
    if row is None:
        return None
    if row["request_hash"] != idempotency.request_hash:
        raise Conflict(
            f"The idempotency key was used for another request (workflow {row['workflow_id']}): use a new key."
        )
    if row["deleted_at"] is not None:
        raise Conflict(f"The idempotency key made workflow {row['workflow_id']}, which is deleted: use a new key.")
    return _head(row)


async def _add_version(connection: AsyncConnection, head: dict[str, Any], written: Written) -> None:
    row = {"workflow_id": head["workflow_id"], "version": head["version"], "document": written.text}
    row |= {"digest": written.digest, "created_at": head["updated_at"], "created_by": head["updated_by"]}
    await connection.execute(insert(workflow_versions).values(row))


def _shown(written: Written) -> dict[str, Any]:
    """What lists show and find of a definition."""
    of = written.definition
    return {
        "name": of.name,
        "folded": of.name.casefold(),
        "description": of.description,
        "category": of.category,
        "tags": encode_text(of.tags),
        "digest": written.digest,
    }


def _head(row: Any) -> Head:
    return Head(**{**{name: row[name] for name in _HEAD}, "tags": tuple(decode(row["tags"]))})


def _named(names: tuple[str, ...], row: Any) -> dict[str, Any]:
    return dict(zip(names, row, strict=True))
