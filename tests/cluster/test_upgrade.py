"""Another release takes the place of the one that runs, under load: forward, and back again."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from worlds.hosts.bed import Bed
from worlds.hosts.cluster_load import Load
from worlds.hosts.installation import ENVIRONMENT, Installation, installed
from worlds.waiting import wait_until

pytestmark = [pytest.mark.drill, pytest.mark.timeout(1200)]

REPLICAS = 12
"""So many requests to one node meet every replica: its HAProxy takes them in turn."""
NEWER = "0999_of_a_newer_release.py"
MIGRATION = """
import sqlalchemy as sa
from alembic import op
revision = "0999"
down_revision = "{before}"
def upgrade():
    op.create_table("of_a_newer_release", sa.Column("id", sa.Integer, primary_key=True))
def downgrade():
    op.drop_table("of_a_newer_release")
"""
VERSIONS = "aragora/migrations/versions/debates"


@pytest.fixture(scope="module")
def at(bed: Bed) -> Iterator[Installation]:
    bed.mend()
    at = installed(bed, ARAGORA_COORDINATOR_SHARDS="3", ARAGORA_AGENT_SHARDS="3")
    at.up().output()
    yield at
    for node in reversed(bed.nodes):
        at.aragora(node, "node stop")


def versions(at: Installation) -> set[str]:
    """Of all replicas, as they say themselves."""
    return {at.ask(node, "GET", "/api/health").json["version"] for node in at.bed.nodes for _ in range(REPLICAS)}


def released(at: Installation, version: str) -> None:
    """The checkout on the laptop becomes another release."""
    at.typed(f"""sed -i 's/__version__ = .*/__version__ = "{version}"/' aragora/__init__.py""").output()


def all_completed(at: Installation, debates: list[str]) -> None:
    def open_ones() -> list[str]:
        return [one for one in debates if at.ask(at.bed.n1, "GET", f"/api/debates/{one}").json["status"] != "completed"]

    wait_until(lambda: not open_ones(), "every debate is completed", 180.0)


def brought_up_under_load(at: Installation) -> None:
    """`ray up`, while clients read and open debates on all nodes: it fails none of them."""
    with Load(at, at.bed.nodes) as load:
        wait_until(lambda: len(load.accepted) >= 5, "debates run")
        at.up().output()
        before = len(load.accepted)
        wait_until(lambda: len(load.accepted) >= before + 5, "debates are accepted still")
    assert load.failed == []
    assert load.refused == []
    all_completed(at, load.accepted)


def processes_of_actors(at: Installation) -> set[str]:
    """Of which releases the actors' processes have files in use."""
    used = set()
    for node in at.bed.nodes:
        for name in ("Coordinator", "Agent", "SharedState", "Scheduler"):
            maps = f"for p in $(pgrep -f [r]ay::{name}Actor); do grep -oE '/releases/[^/]+/' /proc/$p/maps; done"
            used.update(node.run(maps).stdout.split())
    return used


def test_a_newer_release_fails_nobody_and_runs_everywhere_with_the_schema_expanded(at: Installation) -> None:
    assert versions(at) == {"1.0.0"}
    nodes = {node["id"] for node in at.status(at.bed.n1)}
    released(at, "1.0.1")
    before = at.typed(f"ls {VERSIONS} | grep -oE '^[0-9]+' | tail -1").output()
    at.bed.laptop.write(f"/home/aragora/aragora/{VERSIONS}/{NEWER}", MIGRATION.format(before=before), mode=0o644)
    brought_up_under_load(at)
    assert versions(at) == {"1.0.1"}
    assert at.sql("SELECT version_num FROM schema_version_debates") == "0999"
    assert len(processes_of_actors(at)) == 1
    assert {node["id"] for node in at.status(at.bed.n1)} == nodes, "no node was restarted"


def test_a_second_ray_up_of_the_newer_release_changes_nothing(at: Installation) -> None:
    ran = [node.run("pgrep -f [r]ay::").stdout for node in at.bed.nodes]
    again = at.up()
    assert "this release runs already" in again.stdout
    assert [node.run("pgrep -f [r]ay::").stdout for node in at.bed.nodes] == ran


def test_a_node_that_starts_anew_runs_the_newer_release_too(at: Installation) -> None:
    n1, _, n3 = at.bed.nodes
    at.aragora(n1, f"cluster drain {n3.address}").output()
    at.aragora(n3, "node stop").output()
    at.aragora(n3, f"node start --address {n1.address}").output()
    at.await_ready(n3)
    assert versions(at) == {"1.0.1"}


def test_the_way_back_is_the_older_release_on_the_newer_schema(at: Installation) -> None:
    released(at, "1.0.0")
    at.typed(f"rm {VERSIONS}/{NEWER}").output()
    brought_up_under_load(at)
    assert versions(at) == {"1.0.0"}
    assert len(processes_of_actors(at)) == 1
    assert at.sql("SELECT version_num FROM schema_version_debates") == "0999"
    told = at.bed.n1.run(
        "cd /opt/aragora/current && set -a && . /opt/aragora/.env && .venv/bin/python -m "
        "aragora.migrations.rollback --yes"
    )
    assert told.status == 2
    assert "roll back with the newer version" in told.stderr


def test_a_changed_setting_reaches_the_actors_by_the_same_way(at: Installation) -> None:
    changed = at.environment.replace("ARAGORA_STUB_AGENTS=4", "ARAGORA_STUB_AGENTS=5")
    assert changed != at.environment
    for node in at.bed.nodes:
        node.write(ENVIRONMENT, changed)
    brought_up_under_load(at)
    listed = at.ask(at.bed.n2, "GET", "/api/agents/health").body
    assert "stub-5" in listed
