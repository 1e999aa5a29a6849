"""The inbox of approvals is in Redis, which goes away and comes back with what it had, with less, or with nothing.

W4: the journal decides all the while; the inbox follows, and agrees with it in the end.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from worlds.actors_without_ray import runtime_over
from worlds.approval_server import APPROVALS, approval_site
from worlds.approvals import DAY
from worlds.backends import RedisProcess, SetClock
from worlds.migrated import migrated
from worlds.waiting import eventually
from worlds.workflow_runner import World
from worlds.workflowing import approval, chain, debate, definition

from actors.gateways.workflows import RunnerAnswers
from aragora.config.settings import Settings
from aragora.errors import Unavailable
from aragora.scope import EVERYTHING
from aragora.storage.contexts import Context
from aragora.storage.database import Database
from aragora.workflows.agreeing import agree, agreeing
from aragora.workflows.approvals import ApprovalRecord, ApprovalRequestStore, Wanted
from aragora.workflows.approving import Answerer, Word
from aragora.workflows.inbox import TOPIC, InboxConsumer
from aragora.workflows.model import ApprovalStatus, ExecutionStatus, Verdict
from aragora.workflows.store.approvals import OpenedApprovals, open_approvals

pytestmark = [pytest.mark.slow]

BOB = Answerer("bob", ("owner",))
SHAPE = definition(*chain(approval("sign"), debate("b")))


@pytest.fixture
def mirrored(tmp_path: Path, own_redis: RedisProcess) -> Settings:
    given = migrated(Settings(data_dir=tmp_path))
    return given.model_copy(update={"approval_store_backend": "redis", "redis_url": SecretStr(own_redis.url)})


@pytest.fixture
async def inbox(mirrored: Settings) -> AsyncIterator[OpenedApprovals]:
    opened = open_approvals(mirrored)
    yield opened
    await opened.aclose()


@pytest.fixture
async def world(mirrored: Settings, inbox: OpenedApprovals) -> AsyncIterator[World]:
    database = Database.open(mirrored, Context.WORKFLOWS)
    made = World(database, mirrored=True)
    made.consumers[TOPIC] = InboxConsumer(made.approvals, inbox)
    await made.begin()
    yield made
    await made.close()
    await made.approvals.aclose()
    await database.aclose()


async def shown(store: ApprovalRequestStore) -> dict[str, ApprovalRecord]:
    page = await store.page(EVERYTHING, Wanted(), limit=200)
    return {one.approval_id: one for one in page.items}


async def agrees(world: World, inbox: ApprovalRequestStore) -> None:
    async def same() -> bool:
        return await shown(inbox) == await shown(world.approvals) != {}

    await eventually(same, "the inbox has what the database has")


async def asked(world: World) -> ApprovalRecord:
    return await world.pending((await world.start(SHAPE)).record.execution_id)


async def test_what_happens_while_redis_is_away_is_in_the_inbox_once_it_is_back(
    world: World, inbox: OpenedApprovals, own_redis: RedisProcess
) -> None:
    """Nobody can answer meanwhile, as nobody sees the inbox; executions go on."""
    first, second = await asked(world), await asked(world)
    await agrees(world, inbox)
    answers = RunnerAnswers(runtime_over(world.engine), inbox)
    own_redis.stop()
    word = Word(Verdict.APPROVE, digest=first.state.digest)
    with pytest.raises(Unavailable) as refused:
        await answers.answer(first.approval_id, BOB, word, "once")
    assert refused.value.retry_after_s
    await world.engine.cancel(second.state.execution_id, "ann")
    third = await asked(world)
    own_redis.start()  # with nothing of what it had

    async def told() -> bool:
        return {second.approval_id, third.approval_id} <= (await shown(inbox)).keys()

    await eventually(told, "what changed meanwhile is told")
    assert await agree(world.approvals, inbox, world.clock.now() + DAY) == 1
    await agrees(world, inbox)
    said = await answers.answer(first.approval_id, BOB, word, "once")
    assert said.state.status is ApprovalStatus.APPROVED
    assert (await world.ended(first.state.execution_id)).status is ExecutionStatus.COMPLETED
    await agrees(world, inbox)


async def test_a_redis_that_was_chosen_late_or_is_set_back_agrees_after_the_job(
    world: World, inbox: OpenedApprovals, mirrored: Settings, clock: SetClock
) -> None:
    closed, open_ = await asked(world), await asked(world)
    await agrees(world, inbox)
    before = list((await shown(inbox)).values())
    await world.approve(closed.state.execution_id)
    await world.ended(closed.state.execution_id)
    await agrees(world, inbox)
    clock.at = world.clock.now() + DAY
    job = agreeing(world.approvals, lambda: open_approvals(mirrored), clock)
    assert await job.run() == "the inbox agrees"
    redis: Any = inbox
    for lost in (before, []):  # as it was before the answer, and as it never was
        await redis._redis.flushdb()
        await inbox.put(lost)
        assert await shown(inbox) != await shown(world.approvals)
        assert await job.run() == f"{1 if lost else 2} approvals differed"
        await agrees(world, inbox)
    foreign = replace(open_, state=replace(open_.state, approval_id="apr_of_nobody"))
    await inbox.put([foreign])
    assert await job.run() == "1 approvals differed"  # nothing can be said about that one, and the rest goes on
    redis_has = await shown(inbox)
    assert redis_has.pop("apr_of_nobody")
    assert redis_has == await shown(world.approvals)


async def test_the_routes_say_503_and_when_to_come_again_while_redis_is_away(
    mirrored: Settings, own_redis: RedisProcess, clock: SetClock
) -> None:
    async with approval_site(mirrored, clock) as site, site.client("ann") as ann:
        own_redis.stop()
        for method, path, body in (
            ("GET", APPROVALS, None),
            ("GET", f"{APPROVALS}/apr_1", None),
            ("POST", f"{APPROVALS}/apr_1/resolve", {"decision": "approve", "digest": "0" * 64}),
        ):
            answer = await ann.request(method, path, json=body)
            assert (answer.status_code, answer.json()["error"]["code"]) == (503, "unavailable"), answer.text
            assert int(answer.headers["retry-after"]) > 0
        assert site.runner.asked == []
        own_redis.start()
        assert (await ann.get(APPROVALS)).status_code == 200
