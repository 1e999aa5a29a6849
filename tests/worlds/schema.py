"""The tables of the whole product, by context: every module that declares one is imported first."""

from __future__ import annotations

import importlib
from pathlib import Path

from sqlalchemy import MetaData

import aragora
from aragora.storage.contexts import Context
from aragora.storage.tables import METADATA


def schema(context: Context) -> MetaData:
    """All tables of a context, wherever the features declare them."""
    root = Path(aragora.__file__).parent
    for path in sorted(root.rglob("*.py")):
        if any(word in path.read_text(encoding="utf-8") for word in ("METADATA", "document_table", "applied_table")):
            importlib.import_module(".".join(("aragora", *path.relative_to(root).with_suffix("").parts)))
    return METADATA[context]
