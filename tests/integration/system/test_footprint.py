"""What a running server costs its machine."""

from __future__ import annotations

import sys

import pytest
from worlds.live_server import LiveServer
from worlds.server_processes import footprint

pytestmark = pytest.mark.slow

MOST_PROCESSES = 26
MOST_MB = 2_040.0
"""Proportional memory with five agents, the adapters of the mound, its index of meanings and the runner of workflows
awake; measured 1.92 and 1.95 GB in 24 processes with the model of the index loaded, which health and metrics try. The
runner, some 0.1 GB, is there while an execution is open: 1.79 GB in 23 processes without it."""


def test_a_server_with_its_agents_awake_fits_a_machine_of_two_gigabytes(
    server: LiveServer, debate_id: str, capsys: pytest.CaptureFixture[str]
) -> None:
    server.ended(server.debate(agents=[f"stub-{number}" for number in range(1, 6)], rounds=1))

    cost = footprint(server.data_dir, server.process.pid)

    with capsys.disabled():
        sys.stdout.write(f"\n{cost.processes} processes, PSS {cost.pss:.0f} MB, RSS {cost.rss:.0f} MB\n")
    assert cost.processes <= MOST_PROCESSES
    assert cost.pss < MOST_MB
