"""What is stored of an installation, in the context `core`: one challenge, the answers of its nodes to it, and what
else they must have in common. One row; of several nodes that found an installation at once one wins, and the others
compare.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import RowMapping, select, update

from aragora.clock import Clock
from aragora.cluster.answers import CHALLENGE_BYTES, SCHEME, Answers
from aragora.encoding import decode_as, encode_text
from aragora.errors import Misconfigured
from aragora.storage.database import Database
from aragora.storage.tables import insert_into, installation

_THE_ONE: Final = 1


@dataclass(frozen=True, slots=True)
class Installation:
    """`shared` are settings without secrets that nodes have in common; they and `release` are those of the node that
    joined last."""

    challenge: bytes = field(repr=False)
    answers: Answers = field(repr=False)
    shared: Mapping[str, str]
    release: str


class InstallationStore:
    """Every method raises Unavailable where the database is away."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def read(self) -> Installation | None:
        """The installation; None before the first node. Raises Misconfigured where the row is not readable."""
        async with self._database.reading("reading the installation's row") as connection:
            row = (await connection.execute(select(installation))).mappings().one_or_none()
        return None if row is None else _of(row)

    async def found(self, new: Installation) -> bool:
        """Store the first node's installation. False where another node was faster: compare with its row."""
        row = insert_into(self._database, installation).values(one=_THE_ONE, **self._columns(new))
        async with self._database.writing("founding the installation") as connection:
            done = await connection.execute(row.on_conflict_do_nothing(index_elements=["one"]))
        return done.rowcount == 1

    async def replace(self, old: Installation, new: Installation) -> bool:
        """Put `new` in the place of `old`. False where somebody else has replaced it meanwhile."""
        change = update(installation).where(installation.c.challenge == old.challenge.hex())
        async with self._database.writing("changing the installation's row") as connection:
            done = await connection.execute(change.values(self._columns(new)))
        return done.rowcount == 1

    async def note(self, release: str, shared: Mapping[str, str]) -> None:
        """Remember the release and the shared settings of a node that joins."""
        noted = update(installation).values(release=release, shared=encode_text(shared))
        async with self._database.writing("noting what a node runs with") as connection:
            await connection.execute(noted)

    def _columns(self, new: Installation) -> dict[str, object]:
        return {
            "scheme": SCHEME,
            "challenge": new.challenge.hex(),
            "answers": encode_text(new.answers),
            "shared": encode_text(new.shared),
            "release": new.release,
            "since": self._clock.now(),
        }


def new_challenge() -> bytes:
    """A random one."""
    return secrets.token_bytes(CHALLENGE_BYTES)


def _of(row: RowMapping) -> Installation:
    if row["scheme"] != SCHEME:
        raise _unreadable()
    try:
        return Installation(
            challenge=bytes.fromhex(row["challenge"]),
            answers=decode_as(row["answers"], dict[str, tuple[str, ...]]),
            shared=decode_as(row["shared"], dict[str, str]),
            release=row["release"],
        )
    except ValueError:  # msgspec's errors are such
        raise _unreadable() from None


def _unreadable() -> Misconfigured:
    return Misconfigured(
        "the row of the table `installation` is not one that this release can read: stop all nodes, delete the row, and "
        "start the head with the right .env; it writes another"
    )
