"""The head's launcher state, judged by Ray's own autoscaler (v2, provider `local`): which workers would it start?"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from ray.autoscaler._private.local.node_provider import LocalNodeProvider
from ray.autoscaler._private.util import prepare_config
from ray.autoscaler.v2.instance_manager.config import AutoscalingConfig, FileConfigReader, InstanceReconcileConfig
from ray.autoscaler.v2.instance_manager.instance_manager import InstanceManager
from ray.autoscaler.v2.instance_manager.instance_storage import InstanceStorage
from ray.autoscaler.v2.instance_manager.node_provider import NodeProviderAdapter
from ray.autoscaler.v2.instance_manager.reconciler import Reconciler
from ray.autoscaler.v2.instance_manager.storage import InMemoryStorage
from ray.autoscaler.v2.instance_manager.subscribers.cloud_instance_updater import CloudInstanceUpdater
from ray.autoscaler.v2.instance_manager.subscribers.cloud_resource_monitor import CloudResourceMonitor
from ray.autoscaler.v2.scheduler import ResourceDemandScheduler
from ray.core.generated.autoscaler_pb2 import ClusterResourceState, NodeState, NodeStatus
from ray.core.generated.instance_manager_pb2 import GetInstanceManagerStateRequest, Instance
from worlds.waiting import wait_until

from actors.launcher_state import LIMITS, LOCAL_NODE_TYPE, counting_the_head, record_head, settings_of_launched_node
from aragora.errors import Unavailable

HEAD = "10.0.0.10"
TWO = ["10.0.0.11", "10.0.0.12"]
WORKERS = {"ray-node-type": "worker"}


@pytest.fixture(autouse=True)
def own_state_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray keeps the state in its temporary directory."""
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))


def written_by_ray_up(tmp_path: Path, workers: list[str], **more: Any) -> Path:
    provider = {"type": "local", "head_ip": HEAD, "worker_ips": workers}
    config = prepare_config({"cluster_name": "aragora", "provider": provider, "auth": {"ssh_user": "a"}, **more})
    file = tmp_path / "ray_bootstrap_config.yaml"
    file.write_text(json.dumps(config))
    return file


@dataclass
class Monitor:
    """Ray's autoscaler on the head without its processes: one look at the cluster at a time."""

    file: Path
    alive: dict[str, bytes] = field(default_factory=lambda: {HEAD: b"h" * 28})
    dead: list[tuple[str, bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.reader = FileConfigReader(str(self.file))
        config = self.reader.get_cached_autoscaling_config()
        self.provider = LocalNodeProvider(config.get_provider_config(), "aragora")
        self.cloud = NodeProviderAdapter(v1_provider=self.provider, config_reader=self.reader)
        self.instances = InstanceManager(
            instance_storage=InstanceStorage("cluster", InMemoryStorage()),
            instance_status_update_subscribers=[CloudInstanceUpdater(self.cloud)],
        )

    def look(self) -> None:
        self.reader.refresh_cached_autoscaling_config()
        nodes = [self._node(at, identity, NodeStatus.RUNNING) for at, identity in self.alive.items()]
        nodes += [self._node(at, identity, NodeStatus.DEAD) for at, identity in self.dead]
        Reconciler.reconcile(
            self.instances,
            ResourceDemandScheduler(None),
            self.cloud,
            CloudResourceMonitor(),
            ClusterResourceState(cluster_resource_state_version=1, node_states=nodes),
            self.cloud.get_non_terminated(),
            self.reader.get_cached_autoscaling_config(),
        )

    def workers(self) -> list[str]:
        return sorted(self.provider.non_terminated_nodes(WORKERS))

    def starts(self, workers: list[str]) -> bool:
        """Look until these are the workers that it has asked for."""

        def asked() -> bool:
            self.look()
            return self.workers() == workers

        return wait_until(asked, f"workers {workers}")

    def installs(self) -> list[str]:
        """The machines that are set up at this moment."""
        state = self.instances.get_instance_manager_state(GetInstanceManagerStateRequest()).state
        return sorted(row.cloud_instance_id for row in state.instances if row.status == Instance.RAY_INSTALLING)

    def loses(self, worker: str) -> None:
        self.dead.append((worker, self.alive.pop(worker)))

    def never_starts_more_than(self, count: int) -> None:
        for _ in range(20):
            self.look()
            self.cloud._main_executor.submit(lambda: None).result()
            self.cloud._node_launcher_executors.submit(lambda: None).result()
            assert len(self.workers()) <= count

    @staticmethod
    def _node(at: str, identity: bytes, status: Any) -> NodeState:
        head = {"node:__internal_head__": 1.0} if at == HEAD else {}
        return NodeState(
            node_id=identity, instance_id=at, ray_node_type_name=LOCAL_NODE_TYPE, status=status, total_resources=head
        )


def test_without_it_ray_leaves_one_worker_out(tmp_path: Path) -> None:
    """The reason for this module. Where this fails after an update of Ray, it can perhaps go."""
    Monitor(written_by_ray_up(tmp_path, TWO)).never_starts_more_than(1)


def test_noting_the_head_alone_is_not_enough(tmp_path: Path) -> None:
    file = written_by_ray_up(tmp_path, TWO)
    as_written = file.read_text()
    record_head(file)
    file.write_text(as_written)
    Monitor(file).never_starts_more_than(1)


@pytest.mark.parametrize("workers", [TWO, ["10.0.0.11"], [f"10.0.1.{number}" for number in range(10, 60)]])
def test_every_worker_is_started(tmp_path: Path, workers: list[str]) -> None:
    file = written_by_ray_up(tmp_path, workers)
    record_head(file)
    assert Monitor(file).starts(workers)


def test_twice_is_as_good_as_once(tmp_path: Path) -> None:
    file = written_by_ray_up(tmp_path, TWO)
    record_head(file)
    once = file.read_text()
    record_head(file)
    assert file.read_text() == once
    assert Monitor(file).starts(TWO)


def monitor_with_both_workers(tmp_path: Path) -> Monitor:
    file = written_by_ray_up(tmp_path, TWO)
    record_head(file)
    monitor = Monitor(file)
    monitor.starts(TWO)
    monitor.alive |= {TWO[0]: b"1" * 28, TWO[1]: b"2" * 28}
    wait_until(lambda: monitor.look() or not monitor.installs(), "both run")
    for worker in TWO:
        monitor.provider.set_node_tags(worker, {"ray-runtime-config": "set up"})
    return monitor


def with_limits(monkeypatch: pytest.MonkeyPatch, *, gone_s: int, there_s: int) -> None:
    limits = InstanceReconcileConfig(terminating_status_timeout_s=gone_s, request_status_timeout_s=there_s)
    monkeypatch.setattr(AutoscalingConfig, "get_instance_reconcile_config", lambda _: limits)


def test_a_lost_worker_is_set_up_again_from_its_first_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_limits(monkeypatch, gone_s=1, there_s=2)
    monitor = monitor_with_both_workers(tmp_path)
    monitor.loses(TWO[1])
    wait_until(lambda: monitor.look() or monitor.installs() == [TWO[1]], "the lost one is set up")
    assert "ray-runtime-config" not in monitor.provider.node_tags(TWO[1]), "its disk may be a new one"
    assert "ray-runtime-config" in monitor.provider.node_tags(TWO[0]), "the other one was left alone"


def test_without_the_limits_ray_waits_for_minutes_before_it_sets_a_lost_worker_up(tmp_path: Path) -> None:
    """The reason for `LIMITS`: the machine is said to be there again before it was seen to be gone."""
    monitor = monitor_with_both_workers(tmp_path)
    monitor.loses(TWO[1])
    wait_until(lambda: monitor.look() or "ray-runtime-config" not in monitor.provider.node_tags(TWO[1]))
    monitor.never_starts_more_than(2)
    assert monitor.installs() == []


def test_ray_reads_the_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in LIMITS.items():
        monkeypatch.setenv(name, value)
    asks = "from ray.autoscaler.v2.instance_manager.config import InstanceReconcileConfig as C; "
    asks += "print(C().terminating_status_timeout_s, C().request_status_timeout_s)"
    done = subprocess.run([sys.executable, "-c", asks], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout == "10 20\n"


def test_a_worker_that_is_added_to_the_file_is_started_by_the_autoscaler_that_runs(tmp_path: Path) -> None:
    file = written_by_ray_up(tmp_path, TWO)
    record_head(file)
    monitor = Monitor(file)
    monitor.starts(TWO)
    record_head(written_by_ray_up(tmp_path, [*TWO, "10.0.0.13"]))
    assert monitor.starts([*TWO, "10.0.0.13"])


def test_who_wants_fewer_workers_than_there_are_addresses_gets_those(tmp_path: Path) -> None:
    file = written_by_ray_up(tmp_path, TWO, min_workers=1, max_workers=2)
    record_head(file)
    monitor = Monitor(file)
    monitor.starts(TWO[:1])
    monitor.never_starts_more_than(1)


def test_the_file_stays_private_and_is_never_half_written(tmp_path: Path) -> None:
    file = written_by_ray_up(tmp_path, TWO)
    record_head(file)
    assert file.stat().st_mode & 0o777 == 0o600
    assert json.loads(file.read_text())["available_node_types"][LOCAL_NODE_TYPE]["min_workers"] == 3
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == [file.name]


def test_another_provider_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(json.dumps({"cluster_name": "a", "provider": {"type": "aws"}}))
    record_head(file)
    assert json.loads(file.read_text()) == {"cluster_name": "a", "provider": {"type": "aws"}}


@pytest.mark.parametrize("content", ["", "{}", '{"provider": {"type": "local"}}'])
def test_a_file_that_ray_up_did_not_write_is_refused_in_one_line(tmp_path: Path, content: str) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(content)
    with pytest.raises(Unavailable, match="type `ray up` again") as refused:
        record_head(file)
    assert "\n" not in str(refused.value)


def test_the_calling_process_does_not_import_ray(tmp_path: Path) -> None:
    file = written_by_ray_up(tmp_path, TWO)
    calls = "import sys; from pathlib import Path; from actors.launcher_state import record_head; "
    calls += "record_head(Path(sys.argv[1])); sys.exit('ray' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", calls, str(file)], check=False, timeout=120).returncode == 0


def test_the_configuration_counts_the_head_once() -> None:
    config = {"max_workers": 2, "available_node_types": {LOCAL_NODE_TYPE: {"min_workers": 2, "max_workers": 2}}}
    counting = counting_the_head(config)
    assert counting["available_node_types"][LOCAL_NODE_TYPE] == {"min_workers": 3, "max_workers": 2}
    assert counting_the_head(counting) == counting


def test_a_node_started_by_hand_says_whose_it_is_and_keeps_what_ray_up_said(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*LIMITS, "RAY_enable_autoscaler_v2", "RAY_CLOUD_INSTANCE_ID", "RAY_NODE_TYPE_NAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("RAY_CLOUD_INSTANCE_ID", "worker-one")
    assert settings_of_launched_node("10.0.0.11") == LIMITS | {
        "RAY_enable_autoscaler_v2": "1",
        "RAY_CLOUD_INSTANCE_ID": "worker-one",
        "RAY_NODE_TYPE_NAME": LOCAL_NODE_TYPE,
    }
