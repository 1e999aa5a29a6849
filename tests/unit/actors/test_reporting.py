"""What a process tells of itself: its trouble while it has any, and once that it is over."""

from __future__ import annotations

from worlds.actors_without_ray import runtime_over

from actors.reporting import TroubleReport
from aragora.errors import Unavailable
from aragora.observability.registry import Registry
from aragora.supervision import PATIENCE, Loops


class Shared:
    """Stands for the actor of the shared state."""

    def __init__(self) -> None:
        self.told: list[tuple[str, tuple[str, ...]]] = []

    async def report_trouble(self, process: str, troubled: tuple[str, ...]) -> None:
        self.told.append((process, troubled))


async def test_a_sound_process_says_nothing_and_one_in_trouble_says_so_until_it_is_over() -> None:
    shared, loops = Shared(), Loops(Registry())
    report = TroubleReport("coordinator/0", runtime_over(shared), loops)
    await report.tell()
    assert shared.told == []
    for _ in range(PATIENCE):
        loops.failed("outbox ratings", Unavailable("the store is away"))
    await report.tell()
    await report.tell()
    loops.succeeded("outbox ratings")
    await report.tell()
    await report.tell()
    assert shared.told == [
        ("coordinator/0", ("outbox ratings",)),
        ("coordinator/0", ("outbox ratings",)),
        ("coordinator/0", ()),
    ]
