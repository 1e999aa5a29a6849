"""A node is given up where the head has known it and counts it no more."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from ray.core.generated.gcs_pb2 import GcsNodeInfo

from actors.membership import _given_up, given_up


@dataclass
class Known:
    """One row of the head's table."""

    node_manager_address: str
    state: int


ALIVE, DEAD = GcsNodeInfo.ALIVE, GcsNodeInfo.DEAD


@pytest.mark.parametrize(
    ("known", "gone"),
    [
        ([], False),
        ([Known("10.0.0.11", ALIVE)], False),
        ([Known("10.0.0.11", DEAD)], True),
        ([Known("10.0.0.11", DEAD), Known("10.0.0.11", ALIVE)], False),
        ([Known("10.0.0.12", DEAD)], False),
    ],
)
def test_a_node_is_given_up_where_only_the_dead_are_known(known: list[Known], gone: bool) -> None:
    assert _given_up("10.0.0.11", known) is gone


def test_where_no_head_answers_nobody_has_given_it_up() -> None:
    assert given_up("127.0.0.1:9", "10.0.0.11") is False
