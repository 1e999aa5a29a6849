"""Stores that are migrated and empty: migrated once for a run, then copied for each test.

To migrate takes half a second, on PostgreSQL a whole one, and most tests are not about it.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import ParamSpec, TypeVar

from pydantic import SecretStr
from worlds.backends import fresh_database

from aragora.config.settings import Settings
from aragora.migrations.applying import LOCK_FILE, apply_all, make_data_dir

P = ParamSpec("P")
T = TypeVar("T")


def migrated(settings: Settings) -> Settings:
    """`settings`, of SQLite files, once the files are there as migrations make them. Files that are there stay."""
    assert settings.database_url is None, "PostgreSQL copies its own databases: `migrated_database`"
    make_data_dir(settings)
    if not any(settings.data_dir.glob("*.db")):
        made = _migrated_files().name
        shutil.copytree(made, settings.data_dir, ignore=shutil.ignore_patterns(LOCK_FILE), dirs_exist_ok=True)
    return settings


def migrated_database(url: str) -> str:
    """The URL of a new database on the server of `url`, which is migrated. Nobody may use it, so that it can be
    copied."""
    fresh = _beside(lambda: asyncio.run(fresh_database(url)))
    with tempfile.TemporaryDirectory() as directory:
        _beside(apply_all, Settings(data_dir=Path(directory), database_url=SecretStr(fresh)))
    return fresh


@cache
def _migrated_files() -> tempfile.TemporaryDirectory[str]:
    """Removed at the end of the process."""
    directory = tempfile.TemporaryDirectory(prefix="aragora-migrated-")
    _beside(apply_all, Settings(data_dir=Path(directory.name)))
    return directory


def _beside(act: Callable[P, T], *of: P.args, **more: P.kwargs) -> T:
    """Done in a thread of its own: whoever asks may be in an event loop."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(act, *of, **more).result()
