"""The runbook's lines for the control plane, as they are printed, with a server beside them and without."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs
from worlds.backends import SetClock
from worlds.control_server import RECOMMENDATIONS, control_site
from worlds.migrated import migrated
from worlds.waiting import WAIT_S, eventually

from aragora.composition.local_coordinator import LocalCoordinator
from aragora.config.settings import Settings
from aragora.control_plane import open_coordinator
from aragora.control_plane.model import Task, TaskState
from aragora.errors import Conflict, InvalidInput, Misconfigured, NotFound
from aragora.ids import LOCAL_ORG
from aragora.storage.database import Database

PRINTED = """
import asyncio, json
from aragora.control_plane import open_coordinator

async def main():
    coordinator = open_coordinator()
    task_id = (await coordinator.submit_task("debate", {"question": "Tea?"})).task_id
    await coordinator.claim_task("claude-3", [])
    result = {"answer": "Tea."}
    # Task outcomes automatically stored on completion
    coordinator.complete_task(task_id, result, agent_id="claude-3", latency_ms=5000)
    await coordinator.aclose()
    # Query agent recommendations from KM
    recommendations = await coordinator.get_agent_recommendations("debate")
    task = await coordinator.get_task(task_id)
    await coordinator.aclose()
    print(json.dumps([recommendations, task.state, task.latency_ms]))

asyncio.run(main())
"""


@pytest.fixture
async def coordinator(settings: Settings, database: Database) -> AsyncIterator[LocalCoordinator]:
    async with open_coordinator(settings=settings) as opened:
        yield opened


async def held(coordinator: LocalCoordinator, agent: str = "claude-3", task_type: str = "debate") -> str:
    """The id of a new task that an agent holds."""
    task = await coordinator.submit_task(task_type)
    claimed = await coordinator.claim_task(agent, [], task_id=task.task_id)
    assert claimed is not None
    return claimed.task_id


async def ended(coordinator: LocalCoordinator, task_id: str) -> Task:
    async def done() -> bool:
        return (await coordinator.get_task(task_id)).state is TaskState.COMPLETED

    await eventually(done)
    return await coordinator.get_task(task_id)


def test_the_lines_of_the_runbook_run_as_a_program_of_their_own(tmp_path: Path) -> None:
    settings = migrated(Settings(data_dir=tmp_path / "data"))
    done = subprocess.run(
        [sys.executable, "-c", PRINTED],
        env={**os.environ, "ARAGORA_DATA_DIR": str(settings.data_dir)},
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    recommendations, state, latency_ms = json.loads(done.stdout.splitlines()[-1])
    assert (state, latency_ms) == ("completed", 5000)
    first = recommendations[0]
    keys = ("agent_id", "capability", "avg_duration_seconds", "trials", "successes")
    assert [first[key] for key in keys] == ["claude-3", "debate", 5.0, 1, 1]


async def test_the_runbooks_lines_with_and_without_await(coordinator: LocalCoordinator) -> None:
    result = {"answer": "Tea."}
    task_id = await held(coordinator)

    coordinator.complete_task(task_id, result, agent_id="claude-3", latency_ms=5000)
    gc.collect()  # nobody keeps what it gave

    assert (await ended(coordinator, task_id)).latency_ms == 5000
    task_id = await held(coordinator)

    task = await coordinator.complete_task(task_id, result, agent_id="claude-3", latency_ms=5000)

    assert (task.state, task.result) == (TaskState.COMPLETED, '{"answer":"Tea."}')
    recommendations = await coordinator.get_agent_recommendations("debate")
    assert [(one["agent_id"], one["successes"]) for one in recommendations[:1]] == [("claude-3", 2)]


async def test_what_was_begun_is_written_before_it_closes(settings: Settings, database: Database) -> None:
    async with open_coordinator(settings=settings) as first:
        task_id = await held(first)
        first.complete_task(task_id, 7)
    async with open_coordinator(settings=settings) as second:
        assert (await second.get_task(task_id)).result == "7"


async def test_a_completion_that_nobody_awaits_logs_its_failure(coordinator: LocalCoordinator) -> None:
    with capture_logs() as lines:
        coordinator.complete_task("tsk_none", {}, agent_id="claude-3")
        await eventually(lambda: bool([line for line in lines if line["event"] == "background work ended"]))
    (line,) = [line for line in lines if line["event"] == "background work ended"]
    assert "completion of a task" in line.values()


async def test_who_stops_waiting_does_not_stop_the_completion(coordinator: LocalCoordinator) -> None:
    task_id = await held(coordinator)
    begun = coordinator.complete_task(task_id, 1)

    async def wait() -> None:
        await begun

    waiting = asyncio.create_task(wait())
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert (await begun).state is TaskState.COMPLETED


async def test_what_cannot_be_completed_says_why(coordinator: LocalCoordinator) -> None:
    with pytest.raises(NotFound):
        await coordinator.complete_task("tsk_none", {})
    waits = (await coordinator.submit_task("debate")).task_id
    with pytest.raises(Conflict) as refused:
        await coordinator.complete_task(waits, {})
    assert refused.value.code == "not_claimed"
    task_id = await held(coordinator)
    with pytest.raises(Conflict) as refused:
        await coordinator.complete_task(task_id, {}, agent_id="gpt-4")
    assert refused.value.code == "other_agent"
    done = await coordinator.complete_task(task_id, {"a": 1})  # of whoever holds it
    assert done.agent_id == "claude-3"
    assert await coordinator.complete_task(task_id, {"a": 1}, agent_id="claude-3") == done
    with pytest.raises(Conflict) as refused:
        await coordinator.complete_task(task_id, {"a": 2}, agent_id="claude-3")
    assert refused.value.code == "other_result"


@pytest.mark.parametrize("settings", ["sqlite"], indirect=True)
async def test_what_is_no_task_or_result_is_refused(coordinator: LocalCoordinator, settings: Settings) -> None:
    bad_tasks: list[dict[str, Any]] = [
        {"priority": 10}, {"attempts_max": 0}, {"payload": float("nan")}, {"payload": {"a": "\0"}},
        {"required_capabilities": [""]},
    ]  # fmt: skip
    for wrong in bad_tasks:
        with pytest.raises(InvalidInput):
            await coordinator.submit_task("debate", **wrong)
    with pytest.raises(InvalidInput):
        await coordinator.submit_task("")
    with pytest.raises(InvalidInput):
        coordinator.complete_task("tsk_1", {"a": object()})
    with pytest.raises(InvalidInput):
        coordinator.complete_task("tsk_1", {}, latency_ms=float("inf"))
    with pytest.raises(InvalidInput):
        await coordinator.fail_task("tsk_1", "", "claude-3")
    with pytest.raises(InvalidInput):
        open_coordinator(workspace="no/name", settings=settings)


async def test_agents_fail_keep_and_lose_tasks_and_failures_count(coordinator: LocalCoordinator) -> None:
    await coordinator.register_agent("ada", ["debate"])
    task = await coordinator.submit_task("debate", required_capabilities=["debate"], key="once")
    assert (await coordinator.submit_task("debate", required_capabilities=["debate"], key="once")) == task
    claimed = await coordinator.claim_task("ada")
    assert claimed is not None
    assert claimed.task_id == task.task_id
    kept = await coordinator.heartbeat(task.task_id, "ada", fence=claimed.fence, lease_s=600)
    assert (kept.lease_until or 0) > (claimed.lease_until or 0)
    failed = await coordinator.fail_task(task.task_id, "No answer.", "ada", requeue=False)
    assert failed.state is TaskState.FAILED
    other = await held(coordinator, "bob")
    assert (await coordinator.cancel_task(other)).state is TaskState.CANCELLED
    (ada,) = [one for one in await coordinator.get_agent_recommendations("debate", 100) if one["agent_id"] == "ada"]
    assert (ada["trials"], ada["successes"], ada["confidence"] < 0.05) == (1, 0, True)


async def test_a_server_beside_it_recommends_the_same(
    coordinator: LocalCoordinator, settings: Settings, clock: SetClock
) -> None:
    await coordinator.complete_task(await held(coordinator, task_type="review"), {}, agent_id="claude-3")
    (mine,) = await coordinator.get_agent_recommendations("review")
    clock.at = mine["last_seen"]
    async with control_site(settings, clock) as site, site.client("operator") as client:
        (its,) = (await client.get(RECOMMENDATIONS, params={"task_type": "review"})).json()["recommendations"]
    assert its.keys() == mine.keys()
    moving = ("success_rate", "mean", "confidence", "interval")
    assert {key: its[key] for key in its if key not in moving} == {key: mine[key] for key in mine if key not in moving}
    assert its["mean"] == pytest.approx(mine["mean"], abs=1e-4)


async def test_the_workspace_is_that_of_the_settings_unless_it_is_said(settings: Settings, database: Database) -> None:
    elsewhere = settings.model_copy(update={"cp_km_workspace": "research"})
    async with open_coordinator(settings=elsewhere) as research, open_coordinator(settings=settings) as default:
        task = await research.submit_task("debate")
        assert (task.org_id, task.workspace) == (LOCAL_ORG, "research")
        with pytest.raises(NotFound):
            await default.get_task(task.task_id)
        async with open_coordinator(workspace="research", settings=settings) as named:
            assert await named.get_task(task.task_id) == task


@pytest.mark.parametrize("settings", ["sqlite"], indirect=True)
async def test_without_learning_the_list_is_in_the_catalogues_order_and_says_so(
    settings: Settings, database: Database
) -> None:
    off = settings.model_copy(update={"cp_enable_km": False})
    async with open_coordinator(settings=off) as coordinator:
        await coordinator.complete_task(await held(coordinator), {})
        found = await coordinator.get_agent_recommendations("debate")
    assert {one["basis"] for one in found} == {"catalogue"}
    assert "claude-3" not in [one["agent_id"] for one in found]


def test_a_workspace_of_the_settings_that_is_none_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CP_KM_WORKSPACE", "no/name")
    with pytest.raises(Misconfigured, match="CP_KM_WORKSPACE"):
        open_coordinator()
