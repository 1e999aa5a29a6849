"""The runbook's lines for insights across workspaces, as they are printed, with a server beside them and without."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path

import pytest
from worlds import insights
from worlds.backends import SetClock
from worlds.knowledge_server import knowledge_site
from worlds.migrated import migrated
from worlds.waiting import WAIT_S

from aragora.clock import SystemClock
from aragora.composition.local_mound import LocalMound
from aragora.config.settings import Settings
from aragora.errors import Conflict, Forbidden, InvalidInput, NotFound
from aragora.identity.audit import Outcome
from aragora.identity.store.audit_log import AuditLog
from aragora.identity.store.workspaces import WorkspaceStore
from aragora.ids import LOCAL_ORG
from aragora.knowledge.insight_exchange import SHARES
from aragora.knowledge.insights import share_id_of
from aragora.knowledge.mound import open_mound
from aragora.knowledge.mound.adapters import ControlPlaneAdapter, CrossWorkspaceInsight
from aragora.storage.contexts import Context
from aragora.storage.counters import CounterStore
from aragora.storage.database import Database
from tests.worlds.schema import schema

PRINTED = """
import asyncio, json
from datetime import datetime
from aragora.knowledge.mound import open_mound

async def main():
    km = open_mound()
    from aragora.knowledge.mound.adapters import ControlPlaneAdapter, CrossWorkspaceInsight
    adapter = ControlPlaneAdapter(knowledge_mound=km, workspace_id="workspace_a")
    # Share insight
    insight = CrossWorkspaceInsight(
        insight_id="insight_001",
        source_workspace="workspace_a",
        target_workspaces=["workspace_b", "workspace_c"],
        task_type="debate",
        content="Structured 3-round debates work best for consensus",
        confidence=0.85,
        created_at=datetime.now().isoformat(),
    )
    await adapter.share_insight_cross_workspace(insight)
    # Query insights from other workspaces
    insights = await adapter.get_cross_workspace_insights("debate")
    print(json.dumps([one.content for one in insights]))

asyncio.run(main())
"""
NAMES = ("workspace_a", "workspace_b", "workspace_c")


def insight(**changed: object) -> CrossWorkspaceInsight:
    """The runbook's, changed so."""
    now = datetime.now().isoformat()  # noqa: DTZ005  as the runbook prints it
    return CrossWorkspaceInsight(**{**insights.PRINTED, "created_at": now, **changed})  # type: ignore[arg-type]


async def make_workspaces(settings: Settings) -> None:
    """As POST /api/workspaces does."""
    users = Database.open(settings, Context.USERS)
    async with users.writing() as connection:
        await connection.run_sync(schema(Context.USERS).create_all)
        await WorkspaceStore(users).note(connection, LOCAL_ORG, NAMES, "local", 1.0)
    await users.aclose()


@pytest.fixture
async def km(settings: Settings) -> AsyncIterator[LocalMound]:
    await make_workspaces(settings)
    async with open_mound(settings=settings) as opened:
        yield opened


def of(km: LocalMound, workspace: str) -> ControlPlaneAdapter:
    return ControlPlaneAdapter(knowledge_mound=km, workspace_id=workspace)


def test_the_lines_of_the_runbook_run_as_a_program_of_their_own(tmp_path: Path) -> None:
    settings = migrated(Settings(data_dir=tmp_path / "data"))
    asyncio.run(make_workspaces(settings))
    environment = {**os.environ, "ARAGORA_DATA_DIR": str(settings.data_dir)}
    told = []
    for workspace in ("workspace_a", "workspace_a", "workspace_b"):  # twice: the second time changes nothing
        program = PRINTED.replace('workspace_id="workspace_a"', f'workspace_id="{workspace}"')
        if workspace != "workspace_a":
            program = program.replace("    await adapter.share_insight_cross_workspace(insight)\n", "")
        done = subprocess.run(
            [sys.executable, "-c", program],
            env=environment,
            cwd=Path(__file__).parents[3],
            capture_output=True,
            text=True,
            timeout=WAIT_S,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        told.append(json.loads(done.stdout.splitlines()[-1]))
    assert told == [[], [], ["Structured 3-round debates work best for consensus"]]


async def test_those_that_it_names_are_given_it_with_its_time_as_it_stands(km: LocalMound, settings: Settings) -> None:
    shared = insight()
    share = await of(km, "workspace_a").share_insight_cross_workspace(shared)
    assert (share.new, share.delivered) == (True, True)
    assert abs(share.kept.created - share.kept.shared_at) < WAIT_S  # a time without a zone is local
    assert not (await of(km, "workspace_a").share_insight_cross_workspace(insight())).new
    (given,) = await of(km, "workspace_b").get_cross_workspace_insights("debate")
    assert (given.created_at, given.confidence) == (shared.created_at, 0.85)
    assert list(given.target_workspaces) == ["workspace_b"]
    assert await of(km, "workspace_c").get_cross_workspace_insights() != []
    assert await of(km, "workspace_b").get_cross_workspace_insights("audit") == []
    for nobody in ("workspace_a", "default"):
        assert await of(km, nobody).get_cross_workspace_insights("debate") == []
    await of(km, "workspace_a").withdraw_insight("insight_001")
    assert await of(km, "workspace_b").get_cross_workspace_insights("debate") == []
    with pytest.raises(NotFound):
        await of(km, "workspace_b").withdraw_insight("insight_001")
    users = Database.open(settings, Context.USERS)
    entries = [entry.event async for entry in AuditLog(users, SystemClock()).walk()]
    await users.aclose()
    share, repeat, withdrawal, foreign, refused = entries
    share_id = share_id_of(LOCAL_ORG, "workspace_a", "insight_001")
    assert share == repeat
    assert (share.action, share.actor, share.target) == ("knowledge.insight.share", "local", share_id)
    assert share.details == {"source": "workspace_a", "targets": "workspace_b,workspace_c"}
    assert (withdrawal.action, withdrawal.target) == ("knowledge.insight.withdraw", share_id)
    assert (foreign.outcome, refused.outcome) == (Outcome.SUCCESS, Outcome.FAILURE)
    assert "Structured" not in repr(entries)
    assert "insight_001" not in repr(entries)


async def test_what_is_refused(km: LocalMound) -> None:
    with pytest.raises(Forbidden):
        await of(km, "workspace_b").share_insight_cross_workspace(insight())
    with pytest.raises(InvalidInput):
        await of(km, "workspace_a").share_insight_cross_workspace(insight(target_workspaces=["workspace_x"]))
    with pytest.raises(InvalidInput, match="workspace_x"):
        await of(km, "workspace_x").share_insight_cross_workspace(insight(source_workspace="workspace_x"))
    with pytest.raises(InvalidInput):
        of(km, "no/name")
    with pytest.raises(InvalidInput):
        await of(km, "workspace_b").get_cross_workspace_insights(limit=0)
    below = await of(km, "workspace_a").share_insight_cross_workspace(insight(confidence=0.3))
    assert not below.delivered
    with pytest.raises(Conflict):
        await of(km, "workspace_a").share_insight_cross_workspace(insight())


@pytest.mark.parametrize("settings", ["sqlite"], indirect=True)
async def test_a_server_beside_it_shows_it_and_counts_it_once(
    km: LocalMound, settings: Settings, clock: SetClock
) -> None:
    for _ in range(2):
        await of(km, "workspace_a").share_insight_cross_workspace(insight())
    async with knowledge_site(settings, clock) as site, site.client("operator") as client:
        (one,) = (await client.get("/api/knowledge/insights?workspace=workspace_b")).json()["insights"]
        assert one["content"] == insight().content
    core = Database.open(settings, Context.CORE)
    counted = [delta.amount for delta in await CounterStore(core).all() if delta.sample == SHARES]
    await core.aclose()
    assert counted == [1.0]
