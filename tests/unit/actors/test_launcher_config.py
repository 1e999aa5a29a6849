"""Which machines are to be there, from the file that `ray up` leaves on the head."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from actors.launcher_config import Machines, machines
from actors.launcher_state import LOCAL_NODE_TYPE, counting_the_head
from aragora.errors import Unavailable


def launched(workers: list[str], most: int) -> dict[str, Any]:
    """As Ray 2.60 writes it for the provider `local`."""
    return {
        "cluster_name": "aragora",
        "provider": {"type": "local", "head_ip": "10.0.0.10", "worker_ips": workers},
        "max_workers": most,
        "available_node_types": {LOCAL_NODE_TYPE: {"min_workers": most, "max_workers": most}},
    }


@pytest.mark.parametrize("noted", [False, True])
def test_the_machines_are_those_of_the_operator(tmp_path: Path, noted: bool) -> None:
    config = launched(["10.0.0.11", "10.0.0.12"], 2)
    file = tmp_path / "ray_bootstrap_config.yaml"
    file.write_text(json.dumps(counting_the_head(config) if noted else config))
    assert machines(file) == Machines("10.0.0.10", ("10.0.0.11", "10.0.0.12"), 2)


def test_a_cluster_is_complete_without_the_machines_in_reserve(tmp_path: Path) -> None:
    file = tmp_path / "ray_bootstrap_config.yaml"
    file.write_text(json.dumps(launched(["10.0.0.11", "10.0.0.12", "10.0.0.13"], 1)))
    found = machines(file)
    assert found is not None
    assert found.wanted == 1


def test_without_a_launcher_or_on_a_cloud_nothing_is_said(tmp_path: Path) -> None:
    file = tmp_path / "ray_bootstrap_config.yaml"
    assert machines(file) is None
    file.write_text(json.dumps({"provider": {"type": "aws"}}))
    assert machines(file) is None


@pytest.mark.parametrize("text", ["", "cluster_name: aragora\n", "{}", '{"provider": {"type": "local"}}'])
def test_a_file_that_is_none_of_the_launchers_says_so(tmp_path: Path, text: str) -> None:
    file = tmp_path / "ray_bootstrap_config.yaml"
    file.write_text(text)
    with pytest.raises(Unavailable, match="type `ray up` again"):
        machines(file)
