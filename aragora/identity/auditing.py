"""An entry of the audit log before what it tells of is done."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol

from aragora.errors import AragoraError
from aragora.identity.audit import Outcome


class Note(Protocol):
    """Writes an entry about one action of one caller. Raises Unavailable."""

    async def __call__(self, outcome: Outcome, /, **details: str) -> None: ...


@asynccontextmanager
async def audited(note: Note, **details: str) -> AsyncIterator[None]:
    """Note the action with these details, then do the block; where that is refused, a second entry says so. Raises
    Unavailable: what cannot be audited is not done."""
    await note(Outcome.SUCCESS, **details)
    try:
        yield
    except AragoraError as refused:
        await note(Outcome.FAILURE, reason=refused.code)
        raise
