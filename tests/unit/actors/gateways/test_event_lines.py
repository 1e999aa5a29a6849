"""The line of long polls: what it cannot read loses the line, so that another is opened, and never ends in silence."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from actors.channels.event_outlets import Polled
from actors.gateways.event_lines import Listener, PollLine
from aragora.errors import AragoraError, Unavailable

NOTHING = msgspec.msgpack.encode(Polled(known=True, lost=False, items=[]))


class Coordinator:
    """Stands for the reference: gives these answers, then waits."""

    name = "coordinator/0"

    def __init__(self, *answers: bytes) -> None:
        self._answers = list(answers)

    async def ask(self, _: Any, timeout_s: float) -> bytes:  # the reference's own parameter
        assert timeout_s > 0
        if not self._answers:
            await asyncio.Event().wait()
        return self._answers.pop(0)


def line_to(*answers: bytes) -> tuple[PollLine, asyncio.Future[AragoraError]]:
    lost: asyncio.Future[AragoraError] = asyncio.get_running_loop().create_future()

    def heard(_: Sequence[Any]) -> None:
        """No test here sends news."""

    coordinator: Any = Coordinator(*answers)
    return PollLine(coordinator, Listener(heard, lost.set_result)), lost


@pytest.mark.parametrize("junk", [b"", b"\xc1", b"\x01", msgspec.msgpack.encode({"items": [{"seq": 1.5}]})])
async def test_news_that_cannot_be_read_loses_the_line(junk: bytes) -> None:
    line, lost = line_to(NOTHING, junk)
    await line.change(["deb_1"], ())
    async with asyncio.timeout(30.0):
        assert isinstance(await lost, Unavailable)


async def test_an_answer_to_a_change_that_cannot_be_read_is_an_error_of_the_line() -> None:
    line, _ = line_to(b"\xc1")
    with pytest.raises(Unavailable):
        await line.change(["deb_1"], ())
