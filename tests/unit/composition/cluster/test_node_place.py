"""Where a node is to stand, from its command line, and that one start at a time is at work; nothing is started."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
from pydantic import SecretStr

from aragora.composition.cluster import node
from aragora.composition.cluster.node import NodeOptions, _name_in_redis, _place
from aragora.config.settings import Settings
from aragora.errors import Misconfigured, Unavailable
from aragora.storage.serving import held


@pytest.mark.parametrize(
    ("head", "gcs"),
    [
        ("127.0.0.1", "127.0.0.1:6380"),
        ("127.0.0.1:6390", "127.0.0.1:6390"),
        ("::1", "[::1]:6380"),
    ],
)
def test_a_worker_is_told_where_the_head_is(tmp_path: Path, head: str, gcs: str) -> None:
    place = _place(NodeOptions(head, address="192.0.2.7"), Settings(data_dir=tmp_path))
    assert (place.gcs_address, place.head) == (gcs, False)


@pytest.mark.parametrize("head", ["no-such-name.invalid", "no-such-name.invalid:6380", "127.0.0.1:x"])
def test_a_head_that_is_none_is_one_line(tmp_path: Path, head: str) -> None:
    with pytest.raises(Misconfigured) as refused:
        _place(NodeOptions(head, address="192.0.2.7"), Settings(data_dir=tmp_path))
    assert "\n" not in refused.value.message


def test_a_start_beside_another_waits_for_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node, "START_S", 0.0)
    begun: list[str] = []
    monkeypatch.setattr(node, "_start", lambda *_: begun.append("a node"))
    options, settings = NodeOptions("127.0.0.1"), Settings(data_dir=tmp_path)
    with held(node._lock_file(settings, node.START_LOCK)):
        with pytest.raises(Unavailable, match=f"process {os.getpid()} has not started this node"):
            node.start(options, settings, print)
        assert begun == []
        monkeypatch.setattr(node, "START_S", 60.0)
        waiting = threading.Thread(target=node.start, args=(options, settings, print))
        waiting.start()
    waiting.join(60)
    assert begun == ["a node"]


def test_in_redis_a_head_keeps_its_name_and_a_second_cluster_of_the_installation_has_another(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, jwt_secret=SecretStr("s" * 64))
    first = _name_in_redis(settings, "10.0.0.10:6380")
    assert _name_in_redis(settings, "10.0.0.10:6380") == first
    assert _name_in_redis(settings, "10.0.0.20:6380") != first
