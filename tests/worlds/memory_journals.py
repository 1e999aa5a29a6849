"""Journals in memory for adapters to learn from, and the rows of the outbox that tell of them."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from aragora.errors import NotFound
from aragora.knowledge.calibration import Curve, curve_of
from aragora.knowledge.model import Home
from aragora.storage.outbox import OutboxRow


class Journals(dict[str, list[str]]):
    """Journals by debate, and those that were read."""

    def __init__(self, *of: Any) -> None:
        super().__init__(*of)
        self.read: list[str] = []

    async def journal(self, debate_id: str) -> list[str]:
        self.read.append(debate_id)
        if debate_id not in self:
            raise NotFound("there is no such debate")
        return self[debate_id]


class Nothing:
    """Nobody has told what came of any debate. `asked` are those that it was looked up for."""

    def __init__(self) -> None:
        self.asked: list[Collection[str]] = []

    async def of(self, debate_ids: Collection[str]) -> int:
        self.asked.append(debate_ids)
        return 0

    async def curve(self, home: Home, domain: str) -> Curve:
        return curve_of([])


def row(number: int) -> OutboxRow:
    return OutboxRow(f"deb_{number}:knowledge", "knowledge", f"deb_{number}", "{}", 1.0)
