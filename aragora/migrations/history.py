"""Which revisions exist and which are applied. It looks at file names and one row per context, and imports neither
Alembic nor SQLAlchemy, so a server with nothing pending learns that in milliseconds.

The first digit of a revision's number is its generation. While a cluster is upgraded node by node, old and new programs
work on one database; so revisions of one generation only add what an older program need not know, and a program works
on a newer store of its own generation. A revision that an older program cannot live with begins the next generation.
"""

from __future__ import annotations

import shlex
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aragora.config.settings import Settings
from aragora.errors import Misconfigured
from aragora.storage.contexts import Context, Location, store_of
from aragora.storage.diagnosis import diagnosed
from aragora.storage.postgres import connect

VERSIONS: Final = Path(__file__).parent / "versions"


@dataclass(frozen=True, slots=True, order=True)
class Revision:
    """One migration. They sort by number, then context: the order in which rollback undoes them, last first."""

    number: str
    context: Context
    name: str

    def __str__(self) -> str:
        return f"{self.context}/{self.number} {self.name}"


@dataclass(frozen=True, slots=True)
class Standing:
    """Where the store stands. `ahead`: the newest revision of each context that a newer program of the same generation
    has made; this one knows its number alone."""

    applied: tuple[Revision, ...]
    pending: tuple[Revision, ...]
    ahead: tuple[Revision, ...] = ()

    def has(self, context: Context, number: str) -> bool:
        """Whether the revision with this number is applied in a context: what it has made is there."""
        return any(revision.context is context and revision.number >= number for revision in self.applied)

    @property
    def generation_begins(self) -> bool:
        """Whether what is pending keeps programs out that know only what is applied."""
        newest = {revision.context: generation(revision.number) for revision in self.applied}
        return any(
            generation(revision.number) != newest.get(revision.context, generation(revision.number))
            for revision in self.pending
        )


def generation(number: str) -> str:
    """The generation of a revision's number."""
    return number[:1]


def version_table(context: Context) -> str:
    """The table that holds the number of the context's newest applied revision."""
    return f"schema_version_{context}"


def revisions(context: Context) -> list[Revision]:
    """All revisions of a context, first one first."""
    files = sorted((VERSIONS / context).glob("[0-9][0-9][0-9][0-9]_*.py"))
    return [Revision(file.stem[:4], context, file.stem[5:].replace("_", " ")) for file in files]


async def standing(settings: Settings) -> Standing:
    """What is applied and what is pending.

    Raises Misconfigured where a person must mend a database or one is of a newer generation than this program,
    Unavailable where one cannot be read for now; either names the place.
    """
    current = await _current(settings)
    applied: list[Revision] = []
    pending: list[Revision] = []
    ahead: list[Revision] = []
    for context in Context:
        known = revisions(context)
        number = current.get(context)
        if number is not None and number not in {revision.number for revision in known}:
            if not _lived_with(number, known):
                raise Misconfigured(
                    f"the store {context} is at revision {number}, which this program does not know: "
                    "run the newer version of Aragora that made it"
                )
            ahead.append(Revision(number, context, "of a newer program"))
        done = [revision for revision in known if number is not None and revision.number <= number]
        applied += done
        pending += known[len(done) :]
    return Standing(tuple(sorted(applied)), tuple(sorted(pending)), tuple(sorted(ahead)))


async def require_current(settings: Settings, *contexts: Context) -> None:
    """Raises Misconfigured where one of these contexts has no tables yet or older ones, and as `standing`."""
    if not any(revision.context in contexts for revision in (await standing(settings)).pending):
        return
    raise Misconfigured(
        f"{store_of(settings)}: its tables are not there yet, or are older than this program. Check --data-dir, "
        f"ARAGORA_DATA_DIR and DATABASE_URL; if it is the right store, run `{apply_command(settings)}`"
    )


def _lived_with(number: str, known: Sequence[Revision]) -> bool:
    """Whether a revision that this program does not know is newer than all it knows, and of the same generation."""
    newest = known[-1].number if known else "0000"
    well_formed = len(number) == len(newest) and number.isdigit()
    return well_formed and number > newest and generation(number) == generation(newest)


def apply_command(settings: Settings) -> str:
    """What applies the pending migrations of this very store, as it is typed."""
    return f"python -m aragora.migrations.apply{data_dir_option(settings)}"


def data_dir_option(settings: Settings) -> str:
    """What a command needs besides its name to mean this very store, wherever it is typed; empty on PostgreSQL."""
    return "" if settings.database_url else f" --data-dir {shlex.quote(str(settings.data_dir.absolute()))}"


async def _current(settings: Settings) -> dict[Context, str]:
    """The number of the newest applied revision by context; missing where none is."""
    locations = [Location.of(settings, context) for context in Context]
    if locations[0].path is not None:
        return _of_sqlite(locations)
    return await _of_postgres(locations[0])


def _of_sqlite(locations: Iterable[Location]) -> dict[Context, str]:
    found: dict[Context, str] = {}
    for location in locations:
        with diagnosed(location):
            number = _newest(location)
        if number is not None:
            found[location.context] = number
    return found


def _newest(location: Location) -> str | None:
    if location.path is None or not location.path.exists():
        return None
    with closing(sqlite3.connect(location.path, timeout=location.timeout_s)) as connection:
        table = version_table(location.context)
        exists = connection.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (table,)).fetchone()
        row = connection.execute(f"SELECT version_num FROM {table}").fetchone() if exists else None  # noqa: S608  constant
    return None if row is None else str(row[0])


async def _of_postgres(location: Location) -> dict[Context, str]:
    found: dict[Context, str] = {}
    with diagnosed(location):
        connection = await connect(location)
        try:
            for context in Context:
                table = version_table(context)
                if await connection.fetchval("SELECT to_regclass($1)", table) is not None:
                    number = await connection.fetchval(f"SELECT version_num FROM {table}")  # noqa: S608  constant
                    if number is not None:
                        found[context] = number
        finally:
            await connection.close()
    return found
