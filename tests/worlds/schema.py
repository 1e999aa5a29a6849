"""The tables of the whole product, by context (every module that declares one is imported first), and the way back."""

from __future__ import annotations

import importlib
from functools import cache
from pathlib import Path

from sqlalchemy import MetaData

import aragora
from aragora.config.settings import Settings
from aragora.migrations.history import Revision
from aragora.migrations.rolling_back import plan, undo
from aragora.storage.contexts import Context
from aragora.storage.tables import METADATA


def schema(context: Context) -> MetaData:
    """All tables of a context, wherever the features declare them."""
    _import_tables()
    return METADATA[context]


@cache
def _import_tables() -> None:
    root = Path(aragora.__file__).parent
    for path in sorted(root.rglob("*.py")):
        if any(word in path.read_text(encoding="utf-8") for word in ("METADATA", "document_table", "applied_table")):
            importlib.import_module(".".join(("aragora", *path.relative_to(root).with_suffix("").parts)))


async def rollback_last(settings: Settings) -> Revision | None:
    """Undo the newest migration, as the command does once it was told to; None where none is applied."""
    planned = await plan(settings)
    if planned is None:
        return None
    await undo(settings, planned)
    return planned.revision
