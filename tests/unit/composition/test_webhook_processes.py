"""Who is asked to let requests end: the dispatcher, then the processes of endpoints, and only those that end."""

from __future__ import annotations

from typing import Any

import pytest
from worlds.actors_without_ray import runtime_over

from actors.kinds import Kind
from actors.runtime import Runtime
from aragora.composition.webhook_processes import drain_webhooks
from aragora.errors import Unavailable


class Sends:
    """Stands for every process that sends webhooks."""

    def __init__(self) -> None:
        self.drained = 0
        self.away = False

    async def drain(self, limit_s: float) -> int:
        self.drained += 1
        if self.away:
            raise Unavailable("it is gone")
        return 0


LIVING = {"webhooks": {"main"}, "webhook": {"wh_1", "wh_2"}}


@pytest.fixture(autouse=True)
def _living(monkeypatch: pytest.MonkeyPatch) -> None:
    async def alive(_: Runtime, kind: Kind[Any]) -> frozenset[str]:
        return frozenset(LIVING[kind.name])

    monkeypatch.setattr(Runtime, "alive", alive)


async def test_the_dispatcher_goes_first_and_those_that_stay_are_left_alone() -> None:
    asked: list[str] = []
    await drain_webhooks(runtime_over(Sends(), asked), lambda name: name != "webhook/wh_2")

    assert asked == ["webhooks/main", "webhook/wh_1"]


async def test_one_that_does_not_answer_keeps_nobody() -> None:
    sends = Sends()
    sends.away = True
    await drain_webhooks(runtime_over(sends))

    assert sends.drained == 3
