"""The log tells of every debate's beginning and end, never of what was asked."""

from __future__ import annotations

from dataclasses import replace

from structlog.testing import capture_logs
from worlds import debating
from worlds.backends import SetClock
from worlds.memory_engine import World, spec

from aragora.debate.machine import DebateState
from aragora.debate.model import DebateEnded, DebateStatus
from aragora.debate.running.debate_log import DebateLog


async def test_a_debate_is_a_line_when_it_is_opened_and_a_line_when_it_has_ended(world: World) -> None:
    with capture_logs() as lines:
        await world.engine.open(replace(spec(), question="Shall we sell the horse?"))
        await world.ended("deb_1")
    told = {line["event"]: line for line in lines if line.get("debate_id") == "deb_1"}
    assert told["debate opened"]["agents"] == list(spec().agents)
    ended = told["debate completed"]
    assert ended["reached"] is not None
    assert ended["seconds"] >= 0
    assert ended["cost_usd"] >= 0
    assert "horse" not in repr(lines)


def test_a_flood_of_cancelled_debates_hides_no_failed_one() -> None:
    log = DebateLog(SetClock())
    with capture_logs() as lines:
        for _ in range(500):
            log.ended(ended_as(DebateStatus.CANCELLED), 0.0)
        log.ended(ended_as(DebateStatus.FAILED), 0.0)
    told = [line["event"] for line in lines]
    assert told.count("debate cancelled") < 100
    assert told.count("debate failed") == 1


def ended_as(status: DebateStatus) -> DebateState:
    state = debating.start().state
    state.ended = DebateEnded(status, "as the test wants")
    return state
