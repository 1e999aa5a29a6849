"""A directory that this user may not look into, also where the tests run as root, whom no mode keeps out."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest


def unseen(monkeypatch: pytest.MonkeyPatch, directory: Path) -> None:
    """From now on the system says of everything below `directory` what it says to a user without rights."""
    stat = os.stat

    def denied(path: Any, *arguments: Any, **options: Any) -> os.stat_result:
        if isinstance(path, str | os.PathLike) and str(path).startswith(f"{directory}/"):
            raise PermissionError(13, "Permission denied", str(path))
        return stat(path, *arguments, **options)

    monkeypatch.setattr(os, "stat", denied)
