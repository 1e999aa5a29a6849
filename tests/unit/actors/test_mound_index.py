"""The actor of the index, without Ray: how long a question may take there."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from actors.mound_index import MoundIndexActor
from aragora.config.settings import Settings
from aragora.errors import Unavailable
from aragora.knowledge.near import Near


class Slow:
    """An index whose answers do not come."""

    def __init__(self) -> None:
        self.let_go = 0

    async def nearest(self, scopes: Collection[str], question: str, k: int, allowed: Collection[int] | None) -> Near:
        try:
            await asyncio.Event().wait()
        finally:
            self.let_go += 1
        raise AssertionError("it never comes here")


@pytest.fixture
def actor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MoundIndexActor:
    made: Any = lambda *_, **__: SimpleNamespace(start=lambda: None)  # noqa: E731
    monkeypatch.setattr("actors.mound_index.MoundIndex", made)
    return MoundIndexActor("main", Settings(data_dir=tmp_path))


async def test_a_question_that_nobody_waits_for_any_more_is_let_go(actor: MoundIndexActor) -> None:
    slow = Slow()
    actor._index = slow  # type: ignore[assignment]
    with pytest.raises(Unavailable) as late:
        await actor.nearest(("w",), "how many replicas?", 10, None, 0.01)
    assert late.value.code == "index_late"
    assert slow.let_go == 1
