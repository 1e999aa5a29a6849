"""Where a Knowledge Mound of a chaos test is kept, to be copied, struck and compared: SQLite files, or a database of a
PostgreSQL."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, Protocol

import asyncpg
from pydantic import SecretStr
from worlds.backends import copied_database, drop_database

from aragora.config.settings import Settings
from aragora.storage.contexts import Context

POSTGRESQL: Final = "postgresql://"
TABLES: Final = (
    *("items", "ledger", "topics", "sources", "links", "vectors", "applied", "tokens", "workspaces", "observations"),
)


class Place(Protocol):
    """One store of a mound."""

    @property
    def word(self) -> str:
        """Its name, of which `settings_of` makes the settings again, in whatever process."""
        ...

    @property
    def is_sqlite(self) -> bool: ...

    def copied(self, name: str) -> Place:
        """A store of its own with all that this one holds. Nobody may use this one meanwhile."""
        ...

    def digest(self) -> str:
        """Of all that the mound keeps; of what was applied not when, of an item not its number."""
        ...

    def drop(self) -> None:
        """Remove it, whoever may use it still."""
        ...


def settings_of(word: str) -> Settings:
    """The settings of a place."""
    if word.startswith(POSTGRESQL):
        return Settings(database_url=SecretStr(word))
    return Settings(data_dir=Path(word))


@dataclass(frozen=True, slots=True)
class Directory:
    """SQLite files; copies are made in `within`."""

    path: Path
    within: Path

    @property
    def word(self) -> str:
        return str(self.path)

    @property
    def is_sqlite(self) -> bool:
        return True

    def copied(self, name: str) -> Directory:
        shutil.copytree(self.path, self.within / name)
        return Directory(self.within / name, self.within)

    def digest(self) -> str:
        kept = {}
        with closing(sqlite3.connect(self.path / f"{Context.MEMORY}.db")) as connection:
            connection.row_factory = sqlite3.Row
            for name in TABLES:
                columns = "rowid AS item_no, *" if name == "tokens" else "*"
                kept[name] = [dict(row) for row in connection.execute(f"SELECT {columns} FROM knowledge_{name}")]
        return _digest(kept)

    def drop(self) -> None:
        shutil.rmtree(self.path)


@dataclass(frozen=True, slots=True)
class PostgresDatabase:
    """A database of the server of `server`, a URL."""

    word: str
    server: str

    @property
    def is_sqlite(self) -> bool:
        return False

    def copied(self, name: str) -> PostgresDatabase:
        return PostgresDatabase(asyncio.run(copied_database(self.word)), self.server)

    def digest(self) -> str:
        return _digest(asyncio.run(self._kept()))

    def drop(self) -> None:
        asyncio.run(drop_database(self.word, self.server))

    async def _kept(self) -> dict[str, list[dict[str, Any]]]:
        connection = await asyncpg.connect(self.word)
        try:
            return {
                name: [dict(row) for row in await connection.fetch(f"SELECT * FROM knowledge_{name}")]
                for name in TABLES
            }
        finally:
            await connection.close()


def _digest(kept: Mapping[str, Iterable[Mapping[str, Any]]]) -> str:
    """Numbers of items are as the database gives them, and PostgreSQL gives none twice, not even one that was rolled
    back: ids stand for them."""
    ids = {row["item_no"]: row["item_id"] for row in kept["items"]}
    held = sha256()
    for name, rows in kept.items():
        told = []
        for row in rows:
            columns = {column: value for column, value in row.items() if name != "applied" or column != "applied_at"}
            if "item_no" in columns:
                columns["item_no"] = ids[columns["item_no"]]
            told.append(repr(sorted(columns.items())))
        for line in sorted(told):
            held.update(f"{name} {line}\n".encode())
    return held.hexdigest()
