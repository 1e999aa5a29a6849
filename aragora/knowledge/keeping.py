"""What people do with the mound: add, reword, share, dispute, confirm, release. Each is one write to one workspace.

Rules
- What a debate or a document says is nobody's to reword: who thinks otherwise disputes it, or adds their own word.
- Nobody confirms their own word: a confirmation counts for more than anything a writer may claim.
- Who may find an item of another workspace, because it is shared, may not change it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol

from aragora.clock import Clock
from aragora.errors import Conflict, Forbidden
from aragora.knowledge.counting import Operation, counted
from aragora.knowledge.ledger import Contradicted, Held, Resolved, Reworded, Shared
from aragora.knowledge.model import KEPT, Home, Item, Outcome, Source, SourceKind, Status, Visibility, person_root
from aragora.knowledge.noting import Noted, brought_by, check, is_own_word
from aragora.knowledge.planning import Changing, Effect, Planned, Unit
from aragora.knowledge.store.requests import Request
from aragora.scope import Scope

GENERAL: Final = frozenset({"topics", "domain"})
"""The fields of a statement that say where it belongs, not what it says."""


class Reading(Protocol):
    """The store (`aragora.knowledge.store.reading.KnowledgeReader`)."""

    async def get(self, scope: Scope, item_id: str) -> Item: ...


class Writing(Protocol):
    """The store (`aragora.knowledge.store.writing.KnowledgeWriter`)."""

    async def write(self, home: Home, units: Sequence[Unit]) -> list[Planned]: ...

    async def write_requested(self, home: Home, units: Sequence[Unit], request: Request) -> list[Planned]: ...


@dataclass(frozen=True, slots=True)
class Edit:
    """What is to change of an item: fields of its statement by name, and who may find it; None leaves that."""

    statement: dict[str, object]
    visibility: Visibility | None = None


class Keeper:
    """Over the store of one process. Every method raises Unavailable where that is away, and then nothing changed."""

    def __init__(self, reader: Reading, writer: Writing, clock: Clock, wake: Callable[[], None]) -> None:
        """`wake` tells the index of meanings that items are new, and returns at once: no write waits for it."""
        self._reader = reader
        self._writer = writer
        self._clock = clock
        self._wake = wake

    @counted(Operation.ADD)
    async def add(self, home: Home, notes: Sequence[Noted], request: Request | None = None) -> list[Planned]:
        """Add up to 500 notes; returns what each did, in their order. What is there already is supported by the note.
        Raises Conflict where the key of `request` was used for another one."""
        return await self._added(home, notes, request)

    @counted(Operation.IMPORT)
    async def take_in(self, home: Home, notes: Sequence[Noted]) -> list[Planned]:
        """As `add`, of lines of a file."""
        return await self._added(home, notes, None)

    @counted(Operation.CHANGE)
    async def change(self, scope: Scope, item_id: str, version: int, person: str, edit: Edit) -> Item:
        """The item after an edit by `person`, who has seen `version`. Raises NotFound; Forbidden for an item of a
        workspace out of reach; Conflict at another version (code version_conflict), for another's words
        (not_your_words), where another item says that already (same_statement), or it is forgotten; InvalidInput."""
        item = await self._own(scope, item_id)
        if edit.statement.keys() - GENERAL and not is_own_word(item, person):
            raise Conflict(
                f"others stand behind what {item_id} says: dispute it, or add a word of your own",
                code="not_your_words",
            )
        statement = replace(item.statement, **edit.statement)  # type: ignore[arg-type]
        check(statement)
        units = [Changing(item_id, Reworded(statement, person), version)]
        if edit.visibility is not None:
            units.append(Changing(item_id, Shared(edit.visibility, person)))
        return await self._write(item, units)

    @counted(Operation.DISPUTE)
    async def dispute(self, scope: Scope, item_id: str, person: str, reason: str) -> Item:
        """The item once `person` has said that it does not hold. One person counts once. Raises as `change`."""
        item = await self._own(scope, item_id)
        source = Source(SourceKind.PERSON, person_root(person), self._clock.now(), person=person)
        return await self._write(item, [Changing(item_id, Contradicted(source, "", reason))])

    @counted(Operation.CONFIRM)
    async def confirm(self, scope: Scope, item_id: str, person: str, note: str) -> Item:
        """The item once `person` has looked and found that it holds: then it is disputed no more. Raises as `change`;
        Conflict for what only they have said (own_words), and for a quarantined one, which is to be released first."""
        item = await self._own(scope, item_id)
        if item.status is Status.QUARANTINED:
            raise Conflict(f"{item_id} is quarantined ({item.reason}): release it first", code="quarantined")
        if brought_by(item, person):
            raise Conflict(f"only you stand behind {item_id}: somebody else must confirm it", code="own_words")
        root = person_root(person)
        if item.status is not Status.DISPUTED and any(one.root == root and one.held for one in item.outcomes):
            return item
        held = Held(Outcome(root, held=True, at=self._clock.now()), note)
        return await self._write(item, [Changing(item_id, Resolved(person, note)), Changing(item_id, held)])

    @counted(Operation.RELEASE)
    async def release(self, scope: Scope, item_id: str, person: str, note: str) -> Item:
        """The item once `person` has looked and let it out of quarantine. Raises as `change`; Conflict where it is not
        quarantined."""
        item = await self._own(scope, item_id)
        if item.status is not Status.QUARANTINED:
            raise Conflict(f"{item_id} is {item.status}, not quarantined: there is nothing to release")
        return await self._write(item, [Changing(item_id, Resolved(person, note))])

    async def _added(self, home: Home, notes: Sequence[Noted], request: Request | None) -> list[Planned]:
        units = [note.addition for note in notes]
        if request is not None:
            planned = await self._writer.write_requested(home, units, request)
        else:
            planned = await self._writer.write(home, units)
        if any(is_new(one) and one.item.status in KEPT for one in planned):
            self._wake()
        return planned

    async def _own(self, scope: Scope, item_id: str) -> Item:
        item = await self._reader.get(scope, item_id)
        if not scope.holds(item.org_id, item.workspace):
            raise Forbidden(
                f"{item_id} belongs to the workspace {item.workspace!r}, which you may not use: you may read it",
                code="foreign_workspace",
            )
        if item.status is Status.FORGOTTEN:
            raise Conflict(f"{item_id} is forgotten: nothing changes it any more", code="forgotten")
        return item

    async def _write(self, item: Item, units: Sequence[Unit]) -> Item:
        planned = await self._writer.write(Home(item.org_id, item.workspace), units)
        changed = planned[-1].item
        if changed.status in KEPT and (item.status not in KEPT or changed.version != item.version):
            self._wake()  # it was released, or has another wording
        return changed


def refusal_of(planned: Planned) -> Conflict | None:
    """Why an addition changed nothing: what it says was forgotten. None where it did."""
    if planned.item.status is not Status.FORGOTTEN:
        return None
    return Conflict("this was forgotten, and is not learnt again word for word", code="forgotten")


def is_new(planned: Planned) -> bool:
    """Whether an addition made its item."""
    return planned.effect is Effect.ADDED
