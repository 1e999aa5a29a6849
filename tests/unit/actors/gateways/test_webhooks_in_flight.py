"""What is on its way to receivers is a sum over the processes that deliver, and nothing where there is none."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Self

import pytest

from actors.gateways.webhooks_in_flight import WebhooksInFlight
from actors.kinds import DISPATCHER, Kind
from aragora.errors import AragoraError, Unavailable

OTHERS: Kind[Any] = Kind("webhook", "nowhere:Nothing")


class Process:
    """One that delivers, or does not answer."""

    def __init__(self, on_their_way: int | AragoraError) -> None:
        self._on_their_way = on_their_way

    async def in_flight(self) -> int:
        if isinstance(self._on_their_way, AragoraError):
            raise self._on_their_way
        return self._on_their_way

    async def ask(self, message: Callable[[Self], Awaitable[int]], **_: object) -> int:
        return await message(self)


class Runtime:
    """Actors that have a process, by kind and key."""

    def __init__(self, processes: dict[tuple[str, str], Process], away: bool = False) -> None:
        self._processes = processes
        self._away = away

    async def alive(self, kind: Kind[Any]) -> frozenset[str]:
        if self._away:
            raise Unavailable("the cluster does not tell its actors")
        return frozenset(key for name, key in self._processes if name == kind.name)

    def at(self, kind: Kind[Any], key: str) -> Process:
        return self._processes[kind.name, key]


def counting(processes: dict[tuple[str, str], Process], *, away: bool = False) -> WebhooksInFlight:
    return WebhooksInFlight(Runtime(processes, away))  # type: ignore[arg-type]


async def test_without_a_process_nothing_is_on_its_way_and_none_is_begun() -> None:
    assert await counting({}).count() == 0


async def test_it_is_the_sum_over_all_processes_of_all_kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("actors.gateways.webhooks_in_flight.DELIVERING", (DISPATCHER, OTHERS))
    dispatcher, one, other = Process(7), Process(5), Process(3)
    processes = {("webhooks", "main"): dispatcher, ("webhook", "wh_1"): one, ("webhook", "wh_2"): other}
    assert await counting({**processes, ("agent", "claude"): Process(100)}).count() == 15


async def test_a_process_that_does_not_answer_counts_as_none() -> None:
    gone = Process(Unavailable("webhooks/main is restarting"))
    assert await counting({("webhooks", "main"): gone}).count() == 0


async def test_where_the_cluster_does_not_tell_its_actors_the_sum_is_not_known() -> None:
    with pytest.raises(Unavailable):
        await counting({}, away=True).count()
