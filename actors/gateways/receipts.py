"""Checking receipts: with the keys this installation has ever signed with."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aragora.encoding import to_plain
from aragora.receipts.signing import trusted_keys
from aragora.receipts.verifying import verify


class KeyedVerifier:
    """Fulfils `ReceiptVerifier`."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir

    async def verify(self, document: Mapping[str, Any]) -> tuple[bool, list[dict[str, Any]]]:
        keys = await asyncio.to_thread(trusted_keys, self._data_dir)
        valid, checks = verify(document, keys)
        return valid, [to_plain(check) for check in checks]
