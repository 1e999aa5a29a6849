"""Outcomes are told exactly where somebody learns from them: rows that nobody takes would stay for ever."""

from __future__ import annotations

from functools import partial

import pytest
from worlds.backends import SetClock
from worlds.control_server import TASKS, control_site, sent

from aragora.composition.consumers import consumers
from aragora.composition.jobs import jobs
from aragora.config.settings import Settings
from aragora.control_plane import open_coordinator
from aragora.control_plane.outcomes import TOPIC
from aragora.control_plane.upkeep import sweeping_tasks
from aragora.errors import InvalidInput
from aragora.storage.database import Database
from aragora.storage.outbox_store import OutboxStore

ON_SQLITE = pytest.mark.parametrize("settings", ["sqlite"], indirect=True)


@ON_SQLITE
@pytest.mark.parametrize(
    ("changed", "told"), [({}, True), ({"cp_enable_km": False}, False), ({"knowledge": False}, False)]
)
async def test_the_routes_the_coordinator_and_the_job_tell_where_the_settings_have_the_mound_learn(
    settings: Settings, database: Database, clock: SetClock, changed: dict[str, bool], told: bool
) -> None:
    set_so = settings.model_copy(update=changed)
    assert set_so.learns_from_tasks is told
    assert (TOPIC in consumers(partial(Database.open, set_so), set_so)) is told

    async def rows() -> int:
        return await OutboxStore(database).count(TOPIC)

    async with control_site(set_so, clock) as site, site.client("ann") as client:
        task_id = (await sent(client, TASKS, 201, {"type": "review"}))["task_id"]
        await sent(client, f"{TASKS}/{task_id}/claim", 200, {"agent_id": "ada", "capabilities": []})
        await sent(client, f"{TASKS}/{task_id}/fail", 200, {"agent_id": "ada", "error": "no"})
        held = (await sent(client, TASKS, 201, {"type": "review"}))["task_id"]
        await sent(client, f"{TASKS}/{held}/claim", 200, {"agent_id": "ada", "capabilities": [], "lease_s": 1})
    assert await rows() == (1 if told else 0)
    async with open_coordinator(settings=set_so) as coordinator:
        task = await coordinator.submit_task("debate")
        await coordinator.claim_task("ada", [], task_id=task.task_id)
        await coordinator.complete_task(task.task_id, 1)
    assert await rows() == (2 if told else 0)
    clock.at += 10.0
    opened = partial(Database.open, set_so)
    (named,) = [job for job in jobs(opened, set_so) if job.name == sweeping_tasks(database, clock, told=told).name]
    await named.run()
    assert await rows() == (3 if told else 0)


@ON_SQLITE
async def test_an_error_that_no_database_holds_is_refused_before_it_spoils_what_others_write(
    settings: Settings, database: Database
) -> None:
    async with open_coordinator(settings=settings) as coordinator:
        task = await coordinator.submit_task("debate")
        await coordinator.claim_task("ada", [], task_id=task.task_id)
        for error in ("a\0b", "half \ud800"):
            with pytest.raises(InvalidInput):
                await coordinator.fail_task(task.task_id, error, "ada")
        assert await OutboxStore(database).count(TOPIC) == 0
        await coordinator.fail_task(task.task_id, "no", "ada")
    assert await OutboxStore(database).count(TOPIC) == 1
