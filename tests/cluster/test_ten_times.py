"""`ray up` and `ray down`, ten times: all nodes take requests each time, and nothing is left each time."""

from __future__ import annotations

import statistics
import time

import pytest
from worlds.hosts.bed import Bed
from worlds.hosts.installation import installed

pytestmark = [pytest.mark.slow, pytest.mark.drill, pytest.mark.timeout(3600)]

TIMES = 10
RUNNING = "ps -eo args | grep -E 'raylet/raylet|gcs_server|ray::|haproxy' | grep -v grep"


def test_ray_up_brings_up_all_nodes_ten_times_of_ten(bed: Bed) -> None:
    at = installed(bed)
    took_s = []
    for _ in range(TIMES):
        began = time.monotonic()
        up = at.up()
        took_s.append(time.monotonic() - began)
        assert up.status == 0, up.stdout[-3000:]
        assert "3 of 3 nodes take requests" in up.stdout
        assert all(at.ready(node) for node in bed.nodes)
        assert at.down().status == 0
        assert [node.run(RUNNING, user="root").stdout for node in bed.nodes] == [""] * len(bed.nodes)
    print(f"ray up: median {statistics.median(took_s):.0f} s, longest {max(took_s):.0f} s")  # noqa: T201 - the figure
