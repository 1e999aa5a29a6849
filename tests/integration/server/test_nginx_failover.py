"""deploy/nginx/aragora.conf before three nodes of which one fails: what may be repeated is, and nothing else is sent
twice."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from worlds import nginx
from worlds.nginx import Node, Proxy
from worlds.waiting import WAIT_S, wait_until

pytestmark = pytest.mark.slow

CLIENT = nginx.INSIDE
CLIENTS = [f"127.0.{net}.1" for net in range(10, 40)]  # of many networks, so that each node has some
FAILURES = ["breaks", "500", "502", "503", "504"]
REPEATED = [
    ("GET", "/api/debates", {}),
    ("GET", "/api/health", {}),
    ("GET", "/api/health/ready", {}),
    ("POST", "/api/debates", {"Idempotency_Key": "k1"}),
]
SENT_ONCE = [
    ("POST", "/api/debates", {}),
    ("POST", "/api/auth/login", {"Idempotency_Key": "k1"}),
    ("POST", "/api/debates/deb_1/cancel", {"Idempotency_Key": "k1"}),
    ("PATCH", "/api/webhooks/wh_1", {"Idempotency_Key": "k1"}),
]


@dataclass(frozen=True)
class Three:
    """nginx before three nodes. `first` is the one that CLIENT is sent to."""

    proxy: Proxy
    nodes: list[Node]
    first: Node


@pytest.fixture
def three(tmp_path: Path) -> Iterator[Three]:
    with nginx.nodes(3) as nodes, nginx.running(tmp_path, [node.port for node in nodes]) as proxy:
        port = proxy.ask("/api/debates", of=CLIENT).json["node"]
        yield Three(proxy, nodes, next(node for node in nodes if node.port == port))


@pytest.fixture
def one_gone(tmp_path: Path) -> Iterator[tuple[Proxy, list[Node]]]:
    """nginx before three nodes of which the last does not listen."""
    with nginx.nodes(3) as (*nodes, gone):
        closed = [*(node.port for node in nodes), nginx.free_ports(1, but=[gone.port])[0]]
        with nginx.running(tmp_path, closed) as proxy:
            yield proxy, nodes


def test_both_lists_name_the_same_nodes() -> None:
    first, again = nginx.listed_nodes()
    assert first == again
    assert len(first) == 3


def test_where_a_node_refuses_connections_no_request_fails_and_none_is_sent_twice(
    one_gone: tuple[Proxy, list[Node]],
) -> None:
    proxy, nodes = one_gone
    for client in CLIENTS:
        assert proxy.ask("/api/debates", of=client, method="POST", body=b"{}").status == 200
        assert proxy.ask("/api/debates", of=client).status == 200
        assert proxy.ask("/api/auth/login", of=client, method="POST", body=b"{}").status == 200
    assert sum(node.asked("POST") for node in nodes) == 2 * len(CLIENTS)


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize(("method", "path", "headers"), REPEATED)
def test_what_may_be_repeated_is_asked_of_another_node(
    three: Three, failure: str, method: str, path: str, headers: dict[str, str]
) -> None:
    three.first.mode = failure
    body = b'{"question": "?"}' if method == "POST" else None
    told = three.proxy.ask(path, of=CLIENT, method=method, body=body, **headers)
    assert told.status == 200
    assert told.json["node"] != three.first.port
    assert {got for node in three.nodes for got in node.got if got[0] == method and got[1] == path} >= {
        (method, path, body or b"")
    }


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize(("method", "path", "headers"), SENT_ONCE)
def test_what_may_have_been_done_already_is_sent_once(
    three: Three, failure: str, method: str, path: str, headers: dict[str, str]
) -> None:
    three.first.mode = failure
    told = three.proxy.ask(path, of=CLIENT, method=method, body=b"{}", **headers)
    assert told.status == (502 if failure == "breaks" else int(failure))
    assert sum(node.asked(method) for node in three.nodes) == 1


def test_of_a_node_that_hangs_reads_come_from_another_and_then_it_is_left_out(three: Three) -> None:
    three.first.mode = "hangs"
    waiting = [
        _Asking(three, "POST", "/api/debates"),
        _Asking(three, "GET", "/api/debates/deb_1/events", Accept="text/event-stream"),
        _Asking(three, "GET", "/api/debates/export"),
    ]
    wait_until(lambda: len(three.first.got) == 1 + len(waiting))
    reads = [_Asking(three, "GET", "/api/debates"), _Asking(three, "GET", "/api/health")]
    assert _Asking(three, "GET", "/metrics").status() == 200
    assert [read.is_alive() for read in reads] == [True, True], "Prometheus, which gives up sooner, is answered sooner"
    assert [read.status() for read in reads] == [200, 200]
    # From now on nobody waits for it, writers included.
    asked = len(three.first.got)
    for client in CLIENTS:
        assert three.proxy.ask("/api/debates", of=client, method="POST", body=b"{}").status == 200
    assert len(three.first.got) == asked
    # What may have been done, or may be silent for long, is still waited for. The node lets go without an answer.
    assert [one.is_alive() for one in waiting] == [True] * len(waiting)
    three.first.released.set()
    assert [one.status() for one in waiting] == [502, 200, 200]


@pytest.mark.parametrize(("method", "path", "headers"), [*REPEATED, *SENT_ONCE])
def test_where_no_node_is_there_it_says_that_the_request_may_be_sent_again(
    tmp_path: Path, method: str, path: str, headers: dict[str, str]
) -> None:
    with nginx.running(tmp_path, nginx.free_ports(3)) as proxy:
        for _ in range(3):  # refused by each, and later with all of them left out
            told = proxy.ask(path, of=CLIENT, method=method, body=b"{}" if method != "GET" else None, **headers)
            assert (told.status, told.headers["retry-after"]) == (503, "2")
            assert told.json["error"]["code"] == "unavailable"


def test_what_a_node_took_and_did_not_answer_is_not_to_be_sent_again(three: Three) -> None:
    for node in three.nodes:
        node.mode = "breaks"
    told = three.proxy.ask("/api/debates", of=CLIENT, method="POST", body=b"{}")
    assert told.status == 502
    assert "retry-after" not in told.headers


class _Asking(threading.Thread):
    """A request that CLIENT is waiting for."""

    def __init__(self, three: Three, method: str, path: str, **headers: str) -> None:
        super().__init__(daemon=True)
        self._ask = partial(three.proxy.ask, path, of=CLIENT, method=method, **headers)
        self._answer: nginx.Answer | None = None
        self.start()

    def run(self) -> None:
        self._answer = self._ask()

    def status(self) -> int | None:
        """Of the answer, once it is there."""
        self.join(WAIT_S)
        return self._answer.status if self._answer else None


@pytest.mark.parametrize("status", ["500", "503"])
def test_an_answer_that_all_nodes_give_reaches_the_client_and_leaves_no_node_out(three: Three, status: str) -> None:
    for node in three.nodes:
        node.mode = status
    for _ in range(5):
        told = three.proxy.ask("/api/debates", of=CLIENT)
        assert (told.status, told.headers["retry-after"]) == (int(status), "7")
        assert told.json["node"] in [node.port for node in three.nodes]
    for node in three.nodes:
        node.mode = "answers"
    for client in CLIENTS:
        assert three.proxy.ask("/api/debates", of=client, method="POST", body=b"{}").status == 200


def test_one_node_alone_tells_its_own_answer(tmp_path: Path) -> None:
    with nginx.nodes(1) as (node,), nginx.running(tmp_path, [node.port]) as proxy:
        node.mode = "503"
        assert [proxy.ask("/api/health", of=CLIENT).status for _ in range(5)] == [503] * 5
        node.mode = "answers"
        assert proxy.ask("/api/health", of=CLIENT).status == 200
