"""What `aragora cluster` prints of nodes and of machines that are missing."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from actors.launcher_config import Machines
from aragora.cli import cluster
from aragora.cli.cluster import incomplete, reasons, table
from aragora.cli.main import main
from aragora.composition.cluster import deploying
from aragora.composition.cluster.deploying import Serving
from aragora.composition.cluster.missing import Missing
from aragora.composition.cluster.status import NodeStatus, not_joined
from aragora.config.settings import Settings

COLUMNS = 80
HEAD = NodeStatus("10.77.0.10", "head", "ready", 1, 1, 0, "4dc6")
AWAY = Missing("10.77.0.12", ("n3: port 8080 is in use: stop what uses it",), plain=True)
SILENT = Missing("10.77.0.13")


def test_a_missing_machine_is_a_row_without_figures() -> None:
    assert table([HEAD, not_joined(AWAY)]) == [
        "address     role    state    ingress  coordinators  agents",
        "10.77.0.10  head    ready    1        1             0",
        "10.77.0.12  worker  missing  -        -             -",
    ]


def test_the_longest_row_fits_into_a_terminal() -> None:
    longest = NodeStatus("2001:db8:1234:5678::10", "worker", "draining", 9, 16, 9_999, "4dc6")
    assert max(map(len, table([HEAD, longest]))) <= COLUMNS


def test_the_reasons_stand_below_the_table_each_with_its_machine() -> None:
    assert reasons([HEAD, not_joined(AWAY), not_joined(SILENT)])[:2] == [
        "",
        "10.77.0.12: n3: port 8080 is in use: stop what uses it",
    ]


def test_a_machine_that_has_said_nothing_is_named_with_the_log_to_look_at() -> None:
    (line,) = (line for line in reasons([not_joined(SILENT)]) if line)
    assert line.startswith("10.77.0.13: ")
    assert "monitor.out" in line


def test_below_the_table_of_a_whole_cluster_stands_nothing() -> None:
    assert reasons([HEAD]) == []


def test_deploy_names_each_machine_that_is_missing_with_its_reason() -> None:
    first, *lines = incomplete(Serving(("10.77.0.10",), ("10.77.0.11",), missing=(AWAY, SILENT)), 4)
    assert first.startswith("1 of 4 nodes take requests")
    assert len(f"aragora: {first}") <= COLUMNS
    assert [line.partition(":")[0] for line in lines] == ["10.77.0.11", "10.77.0.12", "10.77.0.13"]
    assert lines[1] == "10.77.0.12: n3: port 8080 is in use: stop what uses it"


@pytest.fixture
def missing_one(monkeypatch: pytest.MonkeyPatch) -> Sequence[NodeStatus]:
    """A cluster whose worker has refused, as the cluster's own look would tell it."""
    found = (HEAD, not_joined(AWAY))

    def looked(_: Settings, __: Machines | None) -> Sequence[NodeStatus]:
        return found

    monkeypatch.setattr(cluster, "look", looked)
    return found


def test_status_in_a_pipe_has_a_whole_line_for_each_reason(
    missing_one: Sequence[NodeStatus], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["cluster", "status"]) == 0
    assert capsys.readouterr().out.splitlines() == [*table(missing_one), *reasons(missing_one)]


def test_status_as_json_has_the_reasons_too(
    missing_one: Sequence[NodeStatus], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["cluster", "status", "--json"]) == 0
    assert '"state":"missing"' in (told := capsys.readouterr().out)
    assert "port 8080 is in use" in told


def test_deploy_ends_with_code_3_and_the_reasons_where_machines_are_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def served(*_: object, nodes: int, **__: object) -> Serving:
        assert nodes == 2
        return Serving((HEAD.address,), (), missing=(AWAY,))

    monkeypatch.setattr(cluster, "machines", lambda _: Machines(HEAD.address, (AWAY.address,), 1))
    monkeypatch.setattr(deploying, "deploy", served)
    assert main(["cluster", "deploy"]) == 3
    assert "10.77.0.12: n3: port 8080 is in use" in capsys.readouterr().err
