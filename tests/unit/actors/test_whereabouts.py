"""Which actors of Ray's table are parts of the service, and where they are."""

from __future__ import annotations

from typing import Any

import pytest

from actors import whereabouts
from actors.whereabouts import PROXY, REPLICA, Part, parts


def row(name: str, state: str = "ALIVE", node: str = "aa") -> dict[str, Any]:
    return {"Name": name, "State": state, "Address": {"NodeID": node}}


@pytest.mark.parametrize(
    ("actor", "part"),
    [
        (row("coordinator/0"), Part("coordinator", "coordinator/0", "aa", alive=True)),
        (row("agent/stub-1"), Part("agent", "agent/stub-1", "aa", alive=True)),
        (row("shared/state"), Part("shared", "shared/state", "aa", alive=True)),
        (row("SERVE_REPLICA::aragora#ingress#x1"), Part(REPLICA, "SERVE_REPLICA::aragora#ingress#x1", "aa", alive=True)),
        (row("SERVE_PROXY_ACTOR-aa"), Part(PROXY, "SERVE_PROXY_ACTOR-aa", "aa", alive=True)),
        (row("coordinator/0", "RESTARTING"), Part("coordinator", "coordinator/0", "", alive=False)),
    ],
)  # fmt: skip
def test_each_part_is_known_by_its_name(monkeypatch: pytest.MonkeyPatch, actor: dict[str, Any], part: Part) -> None:
    monkeypatch.setattr(whereabouts, "actors", lambda: {"id": actor})
    assert parts() == (part,)


@pytest.mark.parametrize("actor", [row("coordinator/0", "DEAD"), row("SERVE_CONTROLLER_ACTOR"), row("mine/0"), row("")])
def test_what_is_dead_or_somebody_elses_is_no_part(monkeypatch: pytest.MonkeyPatch, actor: dict[str, Any]) -> None:
    monkeypatch.setattr(whereabouts, "actors", lambda: {"id": actor})
    assert parts() == ()
