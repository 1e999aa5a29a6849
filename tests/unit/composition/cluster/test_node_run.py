"""`aragora node run` that is told to end before its node serves. Ray is not started: what starts it is replaced."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from actors import ray_node
from actors.ray_node import RunningNode
from aragora.composition.cluster import node
from aragora.config.settings import Settings
from aragora.errors import Conflict, Misconfigured

RUN = """
import signal, sys, time
from pathlib import Path
import psutil
from actors import ray_node
from actors.ray_node import RunningNode
from aragora.composition.cluster import node
from aragora.config.settings import Settings

def hang():
    print("here", flush=True)
    time.sleep(600)

def started(*_):
    if sys.argv[2] == "start":
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
        print("here", flush=True)
        signal.sigwait([signal.SIGUSR1])
    return RunningNode("10.77.0.10", "10.77.0.10:6380", psutil.Process())

def deployed(*_):
    assert sys.argv[2] == "deploy", "told to end, it deployed"
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(number))  # as Ray does
    hang()

node.start, node.deploy = started, deployed
ray_node.stop = lambda _: print("Ray is stopped", flush=True)
data_dir = Path(sys.argv[1])
sys.exit(node.run(node.NodeOptions(None), Settings(data_dir=data_dir), lambda line: None))
"""


@pytest.mark.parametrize("stage", ["start", "deploy"])
def test_told_to_end_while_it_starts_it_leaves_no_ray_and_is_no_failure(tmp_path: Path, stage: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", RUN, str(tmp_path), stage], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "here\n"
            process.send_signal(signal.SIGTERM)
            if stage == "start":  # Ray goes on with its start, and comes to its end
                process.send_signal(signal.SIGUSR1)
            assert process.stdout.read() == "Ray is stopped\n"
            assert process.wait(60) == 0
        finally:
            process.kill()


def test_a_head_that_another_cluster_forbids_to_serve_stays_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped: list[Path] = []
    head = RunningNode("10.77.0.10", "10.77.0.10:6380", psutil.Process())

    def refused(*_: object) -> None:
        raise Conflict("the cluster of the head 10.77.0.20 serves")

    monkeypatch.setattr(node, "start", lambda *_: head)
    monkeypatch.setattr(node, "deploy", refused)
    monkeypatch.setattr(ray_node, "stop", stopped.append)
    with pytest.raises(Misconfigured, match=r"10\.77\.0\.10\).*10\.77\.0\.20 serves"):
        node.run(node.NodeOptions(None), Settings(data_dir=tmp_path), print)
    assert stopped == [tmp_path]
