"""Where `ray up` cannot bring up a machine, one line on the laptop's terminal names it and says what to do, soon; the
others serve. Each test breaks something, types `ray up`, and mends it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from worlds.hosts.bed import Bed
from worlds.hosts.commands import Finished
from worlds.hosts.host import Host
from worlds.hosts.installation import ENVIRONMENT, Installation, installed, with_settings
from worlds.waiting import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.drill, pytest.mark.timeout(900)]

REFUSED_S = 150.0
"""`deploy` alone would wait 180 s for a machine that says nothing."""
HEAD_REFUSED_S = 60.0


NOT_LISTENING = "pkill -f '[h]ttp.server'"  # so written, it does not find the shell in which it is typed


@dataclass(frozen=True)
class Fault:
    """What is done to a node and undone, and what must stand in the line that tells it."""

    name: str
    begin: Callable[[Installation, Host], object]
    end: Callable[[Installation, Host], object]
    told: str

    def __str__(self) -> str:
        return self.name


def as_root(command: str) -> Callable[[Installation, Host], object]:
    return lambda _, node: node.run(command, user="root").output()


def restored(at: Installation, node: Host) -> None:
    node.write(ENVIRONMENT, at.environment)


def with_other_secret(at: Installation, node: Host) -> None:
    node.write(ENVIRONMENT, at.environment.replace("ARAGORA_JWT_SECRET=", "ARAGORA_JWT_SECRET=f00"))


def without_database(at: Installation, node: Host) -> None:
    node.write(ENVIRONMENT, with_settings(at.environment, {"DATABASE_URL": ""}))


def listening(port: int) -> Callable[[Installation, Host], object]:
    def begin(_: Installation, node: Host) -> None:
        node.start(f"python3 -m http.server {port}", user="root")
        wait_until(lambda: node.listens(port), f"{port} is taken")

    return begin


def with_little_room(at: Installation, node: Host) -> None:
    """Enough for copying the program, and not for a release that is not there yet."""
    at.typed("echo '# of another release' >>aragora/__init__.py").output()
    left = "$(($(df --output=avail -B1M /opt | tail -n 1) - 100))M"
    node.run(f"head -c {left} /dev/zero >/opt/fill", user="root").output()


NO_ENVIRONMENT = Fault("no .env", as_root(f"rm {ENVIRONMENT}"), restored, "there is no /opt/aragora/.env: copy that of")
OTHER_SECRET = Fault(
    "another .env", with_other_secret, restored, "ARAGORA_JWT_SECRET is not that of the other nodes: copy"
)
SQLITE = Fault("SQLite", without_database, restored, "DATABASE_URL is not set: name the PostgreSQL")
HTTP_TAKEN = Fault("8080 taken", listening(8080), as_root(NOT_LISTENING), "port 8080 is in use: stop what uses it")
GCS_TAKEN = Fault("6380 taken", listening(6380), as_root(NOT_LISTENING), "port 6380 is in use: stop what uses it")
LITTLE_ROOM = Fault(
    "no room for the release", with_little_room, as_root("rm /opt/fill"), "(disk is full|MB are free).*make room"
)
KEY_REFUSED = Fault(
    "wrong key",
    as_root("mv ~aragora/.ssh/authorized_keys ~aragora/.ssh/away"),
    as_root("mv ~aragora/.ssh/away ~aragora/.ssh/authorized_keys"),
    r"Permission denied \(publickey\).*authorized_keys",
)
OFF = Fault(
    "host down", lambda _, node: node.power_off(), lambda _, node: node.power_on(), "ssh does not reach it.*is it on"
)


@pytest.fixture(scope="module")
def at(bed: Bed) -> Iterator[Installation]:
    bed.mend()
    at = installed(bed)
    yield at
    ended(at)


@pytest.mark.parametrize("fault", [OTHER_SECRET, NO_ENVIRONMENT, HTTP_TAKEN, KEY_REFUSED, OFF], ids=str)
def test_a_worker_that_cannot_join_is_named_with_its_remedy_and_the_others_serve(
    at: Installation, fault: Fault
) -> None:
    n1, n2, n3 = at.bed.nodes
    ended(at)
    fault.begin(at, n3)
    try:
        began = time.monotonic()
        done = at.up()
        took_s = time.monotonic() - began
        assert done.status == 0, "Ray takes a head whose start failed for none, and `ray down` would stop nothing"
        (line,) = (line for line in told(done) if line.startswith(f"{n3.address}: "))
        assert re.search(fault.told, line), line
        assert "2 of 3 nodes take requests" in done.stdout
        assert took_s < REFUSED_S, took_s
        assert all(at.ready(node) for node in (n1, n2))
        row = {one["address"]: one for one in at.status(n1)}[n3.address]
        assert row["state"] == "missing"
        assert re.search(fault.told, "\n".join(row["reasons"]))
    finally:
        fault.end(at, n3)
    assert at.up().status == 0


@pytest.mark.parametrize("fault", [NO_ENVIRONMENT, SQLITE, HTTP_TAKEN, GCS_TAKEN, LITTLE_ROOM], ids=str)
def test_a_head_that_cannot_start_is_named_with_its_remedy_at_once(at: Installation, fault: Fault) -> None:
    n1 = at.bed.n1
    ended(at)
    fault.begin(at, n1)
    try:
        began = time.monotonic()
        done = at.up()
        took_s = time.monotonic() - began
        assert done.status == 1
        lines = [line for line in told(done) if re.search(fault.told, line)]
        assert lines, done.stdout[-3000:]
        assert "n1" in lines[0]
        assert took_s < HEAD_REFUSED_S, took_s
    finally:
        fault.end(at, n1)


def test_a_head_whose_disk_is_full_to_the_last_byte_is_told_of_by_the_words_of_rsync(at: Installation) -> None:
    """Ray copies the program there before anything of it runs that could say more."""
    n1 = at.bed.n1
    ended(at)
    at.typed("echo '# of yet another release' >>aragora/__init__.py").output()
    n1.run("head -c 7G /dev/zero >/opt/fill 2>/dev/null; test -s /opt/fill", user="root").output()
    try:
        done = at.up()
        assert done.status == 1
        assert "No space left on device" in done.stdout + done.stderr
    finally:
        n1.run("rm /opt/fill", user="root").output()


def ended(at: Installation) -> None:
    """After a `ray up` that has failed `ray down` ends no head: the nodes are stopped first."""
    for node in reversed(at.bed.nodes):
        at.aragora(node, "node stop")
    at.down()


def told(done: Finished) -> list[str]:
    return [line.strip() for line in done.stdout.splitlines()]
