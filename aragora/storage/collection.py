"""Collections: what a feature keeps for an organisation, read by key or owner and changed as a whole.

A connection, a template, a webhook endpoint, a workflow is a document: one row, a JSON object, its secrets encrypted. A
feature declares what it keeps and makes a collection of it:

    @dataclass(frozen=True, slots=True)
    class Template:
        template_id: str
        org_id: str
        author: str
        text: str

    TEMPLATES: Final = Schema(
        name="template",
        table=document_table("templates", Context.CORE),
        model=Template,
        key_of=lambda it: (it.org_id, it.template_id),
        scope_of=lambda it: Scope(it.org_id, owner=it.author),
    )

    async with open_documents(settings) as documents:
        templates = Collection(TEMPLATES, documents(TEMPLATES.table), clock, crypto=None)
        await templates.save(template)
        mine = await templates.find(org_id="acme", owner="usr_1")
        await templates.change(("acme", "tpl_1"), lambda it: replace(it, text="..."))

- **Model**: a frozen dataclass. `dict[str, Any]` is for what others shape, such as the settings of an integration.
- **Key**: begin it with the organisation, so that no organisation reaches another's record by guessing an id. Ids of
  `aragora.ids` sort by time, so such a collection lists its oldest records first.
- **Secrets**: with `crypto`, each text rests encrypted, at any depth, unless its name is public
  (`aragora.secrets.policy`). The ciphertext is bound to the schema's name and the record: neither can be renamed. Add
  the schema to `aragora.composition.encrypted_stores` too, so that a rotation of keys reaches it.
- **Change**: `change` reads, applies a function and writes only if the record is still what was read; otherwise it
  does all of it again. So of two changes at once none is lost. `save` replaces what is there.
- **Damage**: a record that cannot be read (its key is missing, a field has another type) is left out of lists, and
  logged. `survey` names such records too, so that people can see, overwrite and delete them.
- **A new table** needs a migration (`aragora/migrations/versions`) and, for Supabase, the statement in
  docs/security.md.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeVar
from urllib.parse import quote

import msgspec
import structlog
from sqlalchemy import Table

from aragora.clock import Clock
from aragora.config.settings import Settings
from aragora.encoding import decode, encode, encode_text, from_plain
from aragora.errors import AragoraError, Conflict, InvalidInput
from aragora.secrets.encryption import DecryptionFailed, EncryptionService
from aragora.storage.contexts import Context
from aragora.storage.cursors import Page, Place, cursor_of, place_of
from aragora.storage.database import Database
from aragora.storage.documents import DocumentRow, Documents, SqlDocuments, context_of
from aragora.storage.supabase import SupabaseDocuments

log = structlog.get_logger("aragora.storage")

T = TypeVar("T")
Key = tuple[str, ...]

CHANGE_ATTEMPTS: Final = 8
MAX_NAME_CHARS: Final = 200
PAGE_ITEMS: Final = 50


class Unreadable(AragoraError):
    """The stored document does not fit the collection's model: it was written by hand or by another version."""

    default_code = "document_unreadable"


@dataclass(frozen=True, slots=True)
class Scope:
    """What a document is found by: the columns of its row. `owner` and `kind` are "" where they mean nothing."""

    org_id: str
    owner: str = ""
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Schema(Generic[T]):
    """What a collection keeps.

    Args:
        name: bound into every ciphertext, the label of the metrics, and named in error texts.
        table: made by `document_table`.
        model: the type of the values.
        key_of: the names that make a value's record id, each 1 to `MAX_NAME_CHARS` printable characters.
        scope_of: what the value is found by.
        columns: fields of the model that only a column of the row keeps, not the document: field -> column.
    """

    name: str
    table: Table
    model: type[T]
    key_of: Callable[[T], Key]
    scope_of: Callable[[T], Scope]
    columns: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Damaged:
    """A record that cannot be read: where it is, and why. The reason holds nothing of its contents."""

    record_id: str
    owner: str
    kind: str
    reason: str


@dataclass(frozen=True, slots=True)
class Survey(Generic[T]):
    """All records of a query: the values of those that can be read, and the others."""

    values: list[T]
    damaged: list[Damaged]


class Collection(Generic[T]):
    """The documents of one schema. Every method raises Unavailable where the backend is away; what reads one document
    raises DecryptionFailed (KeyNotFound where its key is missing) or Unreadable. Lists pass over such a document.

    Args:
        schema: what is kept.
        documents: where the rows are.
        clock: for the stamps.
        crypto: what encrypts the secret fields; None where the model has none.
    """

    def __init__(
        self, schema: Schema[T], documents: Documents, clock: Clock, *, crypto: EncryptionService | None
    ) -> None:
        self._schema = schema
        self._documents = documents
        self._clock = clock
        self._crypto = crypto

    async def save(self, value: T) -> None:
        """Insert, or replace what is there. Raises InvalidInput for a bad name in the key."""
        now = self._clock.now()
        key = record_id(*self._schema.key_of(value))
        scope = self._schema.scope_of(value)
        payload = self._closed(key, value)
        await self._documents.put(DocumentRow(key, scope.org_id, scope.owner, scope.kind, payload, 1, now, now))

    async def get(self, key: Key) -> T | None:
        """The value, or None. Raises InvalidInput for a bad name in the key."""
        row = await self._documents.get(record_id(*key))
        return None if row is None else self._opened(row)

    async def find(self, *, org_id: str, owner: str | None = None, kind: str | None = None) -> list[T]:
        """All values of an organisation, of one owner and kind where given, in order of their keys. Records that cannot
        be read are left out."""
        return (await self.survey(org_id=org_id, owner=owner, kind=kind)).values

    async def survey(self, *, org_id: str, owner: str | None = None, kind: str | None = None) -> Survey[T]:
        """As `find`, and the records that cannot be read beside it."""
        return self._surveyed(await self._documents.find(org_id=org_id, owner=owner, kind=kind))

    async def page(
        self,
        *,
        org_id: str,
        owner: str | None = None,
        kind: str | None = None,
        cursor: str | None = None,
        limit: int = PAGE_ITEMS,
    ) -> Page[T]:
        """As `find`, of the `limit` records after those of the last page. Raises InvalidInput for a cursor that is not
        ours."""
        after = "" if cursor is None else place_of(cursor).id
        rows = await self._documents.find(org_id=org_id, owner=owner, kind=kind, after=after, limit=limit + 1)
        items = tuple(self._surveyed(rows[:limit]).values)
        if len(rows) <= limit:
            return Page(items)
        last = rows[limit - 1]
        return Page(items, cursor_of(Place(last.created_at, last.record_id)))

    async def change(self, key: Key, change: Callable[[T], T]) -> T | None:
        """Change a value while others may change it too; the value as kept, or None where there is none.

        Args:
            key: the value's key, which the change must leave as it is, and the scope too.
            change: the new value from the current one; called again where another change came first.

        Raises Conflict where `CHANGE_ATTEMPTS` others came first, ValueError where the change moves the value.
        """
        for _ in range(CHANGE_ATTEMPTS):
            row = await self._documents.get(record_id(*key))
            if row is None:
                return None
            current = self._opened(row)
            changed = change(current)
            if self._whereabouts(changed) != self._whereabouts(current):
                raise ValueError(f"a change moved a {self._schema.name} record: delete it and save the new one")
            if await self._documents.replace(row, self._closed(row.record_id, changed), self._clock.now()):
                return changed
        raise Conflict(f"The {self._schema.name} record is being changed by others; try again.")

    async def delete(self, key: Key) -> bool:
        """True if it was there."""
        return await self._documents.delete(record_id(*key))

    async def count(self) -> int:
        """The documents of all organisations."""
        return await self._documents.count()

    def _whereabouts(self, value: T) -> tuple[Key, Scope]:
        return self._schema.key_of(value), self._schema.scope_of(value)

    def _closed(self, key: str, value: T) -> str:
        """The payload of a value."""
        document = decode(encode(value))  # plain JSON values: a secret inside a tuple would be passed over
        for name in self._schema.columns:
            del document[name]
        if self._crypto is not None:
            document = self._crypto.encrypt_fields(document, store=self._schema.name, record_id=key)
        return encode_text(document)

    def _surveyed(self, rows: Sequence[DocumentRow]) -> Survey[T]:
        survey: Survey[T] = Survey([], [])
        for row in rows:
            try:
                survey.values.append(self._opened(row))
            except (DecryptionFailed, Unreadable) as error:
                survey.damaged.append(Damaged(row.record_id, row.owner, row.kind, error.message))
                log.warning("a record cannot be read", store=self._schema.name, id=row.record_id, error=error.message)
        return survey

    def _opened(self, row: DocumentRow) -> T:
        """The value of a row: the one place that decides what becomes of a document that cannot be read."""
        document = document_of(row)
        if self._crypto is not None:
            document = self._crypto.decrypt_fields(document, store=self._schema.name, record_id=row.record_id)
        document |= {name: getattr(row, column) for name, column in self._schema.columns.items()}
        try:
            value = from_plain(document, self._schema.model)
            self._whereabouts(value)
        except (msgspec.ValidationError, KeyError, TypeError, AttributeError) as error:
            raise Unreadable(f"The {self._schema.name} record {row.record_id} does not fit its model.") from error
        return value


def document_of(row: DocumentRow) -> dict[str, Any]:
    """The stored document, secrets still encrypted. Raises DecryptionFailed where the payload is no JSON object."""
    try:
        document = decode(row.payload)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:  # ValueError: what is no UTF-8
        raise DecryptionFailed(f"Record {row.record_id} is not JSON.") from error
    if not isinstance(document, dict):
        raise DecryptionFailed(f"Record {row.record_id} is not a JSON object.")
    return document


def record_id(*names: str) -> str:
    """One id of several names, which no choice of names can make ambiguous. Raises InvalidInput for bad names."""
    for name in names:
        if not name or len(name) > MAX_NAME_CHARS or not name.isprintable():
            raise InvalidInput(f"A name of 1 to {MAX_NAME_CHARS} printable characters is needed here.")
    return "/".join(quote(name, safe="@:+") for name in names)


DocumentsOf = Callable[[Table], Documents]


def backend_type(settings: Settings) -> str:
    """Where documents are kept: postgresql (DATABASE_URL), then supabase where it is set, then sqlite."""
    if settings.database_url is not None:
        return "postgresql"
    return "supabase" if settings.supabase_url and settings.supabase_key else "sqlite"


@asynccontextmanager
async def open_documents(settings: Settings) -> AsyncIterator[DocumentsOf]:
    """What makes the documents of a table, as the settings say; closes its connections at the end of the block."""
    url, key = settings.supabase_url, settings.supabase_key
    if backend_type(settings) == "supabase" and url and key is not None:
        from aiohttp import ClientSession  # noqa: PLC0415  only processes that use Supabase load it

        async with ClientSession() as session:
            yield lambda table: SupabaseDocuments(session, url, key.get_secret_value(), table.name)
        return
    databases: dict[Context, Database] = {}

    def documents(table: Table) -> Documents:
        context = context_of(table)
        if context not in databases:
            databases[context] = Database.open(settings, context)
        return SqlDocuments(databases[context], table)

    try:
        yield documents
    finally:
        for database in databases.values():
            await database.aclose()
