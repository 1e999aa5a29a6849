"""A process that delivers webhooks is killed at each moment of a delivery's way, and another one takes over: nothing is
lost, and what comes twice was on its way when the first one died."""

from __future__ import annotations

import hashlib
import hmac
import signal
from dataclasses import replace
from functools import partial

import pytest
from chaos.conftest import Tally
from worlds.waiting import wait_until
from worlds.webhook_arrivals import Arrival
from worlds.webhook_invariants import Findings
from worlds.webhook_lives import QUICK, SECRET, Life, WebhookWorld
from worlds.webhook_moments import MOMENTS

pytestmark = [pytest.mark.slow, pytest.mark.chaos, pytest.mark.timeout(120)]

OF_A_DELIVERY = {
    "after the outbox commit": 2,
    "during fan-out": 5,  # of the second event the first page is stored
    "after insert": 3,
    "before send": 7,
    "after the answer": 9,
    "before the result's commit": 4,
    "after the result's commit": 11,
    "in dead-lettering": 2,
    "after dead-lettering": 2,
}
"""By moment: at which time of its coming the process dies of it."""
OF_A_ROTATION = [name for name in MOMENTS if name.startswith("in rotation")]
NEW_SECRET = "whsec_" + "b" * 43 + "="
FROM_A_PROGRAM = {
    "in hand-over from a program, the epoch is taken": 1,
    "in hand-over from a program, before it is stored": 2,
    "in hand-over from a program, part of it is stored": 1,
}
TO_A_PROCESS = [name for name in MOMENTS if name.startswith("in hand-over to a process")]
FROM_A_PROCESS = {
    "in hand-over from a process, it let go": 1,
    "in hand-over from a process, the epoch is taken": 2,  # the first one was when it got it
}
IN_POSTGRES = ("during fan-out", "before the result's commit", "after the result's commit", "in dead-lettering")
DEBATES = 3


@pytest.fixture
def endpoints(world: WebhookWorld) -> WebhookWorld:
    """One that takes all, one that keeps order and fails every third time, one that takes ends only, one that always
    fails, and one of another organisation."""
    world.register("fine")
    world.register("ordered", rules=replace(QUICK, fifo=True))
    world.register("ends", events=("debate_end",))
    world.failing.append(world.register("failing", rules=replace(QUICK, max_retries=1)))
    world.register("stranger", org_id="other")
    world.arrivals.answering["ordered"] = lambda one: 503 if one.number % 3 == 0 else 200
    world.arrivals.answering["failing"] = lambda _: 500
    return world


def finished(world: WebhookWorld, tally: Tally, name: str) -> Findings:
    """A life that comes after ends everything, and stops; then all is as it must be."""
    after = world.begin()
    after.hears("ready")
    world.opened(after, DEBATES)
    world.over()
    stopped(world, after)
    found = world.found()
    tally.struck(f"webhooks: killed {name}")
    tally.delivered(world.settings.data_dir, found)
    assert not found.problems(), "\n".join(found.problems()[:20])
    assert found.duplicates <= found.bound
    assert not world.arrivals.of("stranger")
    return found


def stopped(world: WebhookWorld, life: Life) -> None:
    """A clean stop leaves nothing open, so that whoever comes next sends nothing again."""
    assert life.stop() == 0
    assert not world.note("clean stop").open


@pytest.mark.parametrize(
    ("moment", "world"),
    [*((moment, "sqlite") for moment in OF_A_DELIVERY), *((moment, "postgres") for moment in IN_POSTGRES)],
    indirect=["world"],
)
def test_a_kill_on_the_way_of_a_delivery_loses_nothing(endpoints: WebhookWorld, tally: Tally, moment: str) -> None:
    life = endpoints.begin(moment=moment, count=OF_A_DELIVERY[moment])
    life.hears("ready")
    endpoints.open(life, DEBATES)
    endpoints.struck(moment, life)
    finished(endpoints, tally, moment)


def test_a_kill_while_receivers_work_repeats_what_they_had_and_nothing_else(
    endpoints: WebhookWorld, tally: Tally
) -> None:
    life = endpoints.begin()
    life.hears("ready")

    def dies_at_the_fourth(one: Arrival) -> int:
        if one.number == 4:
            life.strike(signal.SIGKILL)
        return 200

    endpoints.arrivals.answering["fine"] = dies_at_the_fourth
    endpoints.open(life, DEBATES)
    blow = endpoints.struck("in send", life)
    assert blow.open
    found = finished(endpoints, tally, "in send")
    assert found.duplicates == len(blow.open), "each of them is sent again: nobody knows that it arrived"


@pytest.mark.parametrize("moment", OF_A_ROTATION)
def test_a_kill_in_a_rotation_loses_nothing_for_a_receiver_that_knows_one_secret(
    world: WebhookWorld, tally: Tally, moment: str
) -> None:
    world.arrivals.answering["old"] = partial(only_with, SECRET)
    only_old = world.register("old", rules=replace(QUICK, max_retries=0))
    world.register("both")

    life = world.begin(moment=moment)
    life.hears("ready")
    world.opened(life, 1)
    life.do("rotate", only_old, NEW_SECRET)
    wait_until(lambda: not life.lives or world.open(life, 1), "it dies of it", pause_s=0.1)
    world.struck(moment, life)
    after = world.begin()
    after.hears("ready")
    if moment == "in rotation, before it is stored":  # nobody was told that it was, so whoever asked asks again
        after.do("rotate", only_old, NEW_SECRET)
        after.hears("rotated")
    world.opened(after, DEBATES)
    world.over()
    last = world.arrivals.of("old")[-1]
    assert len(last.headers["webhook-signature"].split()) == 2, "by both secrets"
    assert after.stop() == 0
    finished(world, tally, moment)


def only_with(secret: str, one: Arrival) -> int:
    """As the verifier of the runbook, which knows one secret."""
    expected = hmac.new(secret.encode(), one.body, hashlib.sha256).hexdigest()
    return 200 if one.headers["X-Webhook-Signature"] == f"sha256={expected}" else 401


@pytest.mark.parametrize("moment", FROM_A_PROGRAM)
def test_a_kill_while_a_dead_programs_deliveries_are_taken_over_loses_none_of_them(
    world: WebhookWorld, tally: Tally, moment: str
) -> None:
    world.arrivals.answering["direct"] = lambda _: 500
    program = world.begin(program=True)
    for _ in range(4):
        program.do("deliver", f"{world.arrivals.url}/direct")
        assert program.hears("delivered") == ["RETRYING"]
    program.end()
    world.struck("program killed", program)

    world.struck(moment, world.begin(moment=moment, count=FROM_A_PROGRAM[moment]))
    world.arrivals.answering["direct"] = lambda _: 200
    found = finished(world, tally, moment)
    assert found.delivered == found.deliveries == 4


@pytest.mark.parametrize("moment", [*TO_A_PROCESS, *FROM_A_PROCESS])
def test_a_kill_while_an_endpoint_changes_hands_loses_nothing_and_keeps_its_order(
    endpoints: WebhookWorld, tally: Tally, moment: str
) -> None:
    (ordered,) = endpoints.ordered
    life = endpoints.begin(moment=moment, count=FROM_A_PROCESS.get(moment, 1))
    life.hears("ready")
    endpoints.open(life, DEBATES)
    life.hears("opened")
    life.do("promote", ordered)
    if moment in FROM_A_PROCESS:
        life.hears("promoted")
        endpoints.opened(life, 1)
        life.do("take_back", ordered)
    endpoints.struck(moment, life)
    finished(endpoints, tally, moment)
