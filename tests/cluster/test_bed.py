"""The test bed itself: what later tests take for granted about its hosts, its faults and its removal."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import asyncpg
import psutil
import pytest
import redis
from worlds.hosts.bed import LAPTOP, OTHER_CLIENTS, Bed, standing_bed
from worlds.hosts.tree import CHECKOUT
from worlds.waiting import wait_until

pytestmark = pytest.mark.slow

SHORT_S = 2.0  # for what must not be reached: a local answer takes a millisecond
WEB = "python3 -m http.server 8000"
SEEN = "tail -n 1 web.log"


def reaches(bed: Bed, one: str, other: str) -> bool:
    """Whether a connection from `one` to the sshd of `other` is answered in time."""
    address = bed.hosts[other].address
    return bed.hosts[one].run(f"timeout {SHORT_S} bash -c 'exec 3<>/dev/tcp/{address}/22 && head -c 4 <&3'").status == 0


def test_a_person_reaches_every_node_from_the_laptop_and_nobody_else_does(bed: Bed) -> None:
    for node in bed.nodes:
        assert bed.laptop.ssh(node.name, "hostname && whoami").output() == f"{node.name}\naragora"
    refused = bed.n1.run("ssh -o BatchMode=yes n2 hostname")
    assert refused.status == 255
    assert "Permission denied (publickey)" in refused.stderr


def test_a_host_sees_its_own_processes_only(bed: Bed) -> None:
    sleeper = bed.n1.start("exec -a of-n1-alone sleep 600")
    try:
        assert "of-n1-alone" in bed.n1.run("ps -e -o args").output()
        assert "of-n1-alone" not in bed.n2.run("ps -e -o args").output()
        assert bed.n2.run("ps -e -o pid= -o comm= | head -n 1").output().split() == ["1", "python3"]
    finally:
        bed.n1.run(f"kill {sleeper}").output()


def test_hosts_share_no_files_but_what_they_start_from(bed: Bed) -> None:
    bed.n1.run("echo mine | tee /tmp/note /dev/shm/note ~/note /opt/aragora/note").output()
    for path in ("/tmp/note", "/dev/shm/note", "/home/aragora/note", "/opt/aragora/note"):
        assert bed.n2.run(f"cat {path}").status == 1
        bed.n1.run(f"rm {path}").output()
    assert bed.n1.run(f"ls {CHECKOUT}").status == 2, "the machine's checkout is visible on a node"


def test_what_root_of_a_host_does_to_its_devices_is_no_business_of_others(bed: Bed) -> None:
    before = Path("/dev/null").stat()
    bed.n1.run("chmod 600 /dev/null", user="root").output()
    try:
        assert bed.n1.run("echo >/dev/null").status == 1
        bed.n2.run("echo >/dev/null").output()
        after = Path("/dev/null").stat()
        assert (after.st_ino, after.st_mode) == (before.st_ino, before.st_mode)
    finally:
        bed.n1.run("chmod 666 /dev/null", user="root").output()


def test_a_node_has_a_release_with_an_environment_of_its_own_and_no_way_out(bed: Bed) -> None:
    imported = "import ray, aragora; print(ray.__version__, aragora.__file__)"
    printed = bed.n1.run(f"/opt/aragora/releases/bed/.venv/bin/python -c '{imported}'").output()
    assert printed.split()[1] == "/opt/aragora/releases/bed/aragora/__init__.py"
    assert bed.n1.run("ip route show default").output() == ""
    assert not Path("/opt/aragora/releases/bed").exists()


def test_a_second_release_costs_links_and_no_copy(bed: Bed) -> None:
    before = bed.n2.run("df --output=used -m / | tail -n 1").output()
    bed.n2.run("cp -al /opt/aragora/releases/bed /opt/aragora/releases/second").output()
    after = bed.n2.run("df --output=used -m / | tail -n 1").output()
    try:
        assert int(after) - int(before) < 100
        bed.n2.run("cmp /opt/aragora/releases/{bed,second}/.venv/bin/ray").output()
    finally:
        bed.n2.run("rm -r /opt/aragora/releases/second").output()


def test_the_laptop_stands_in_a_clone_of_the_tree_with_its_commands_on_the_path(bed: Bed) -> None:
    assert bed.laptop.run("pwd && which ray aragora").output().splitlines() == [
        "/home/aragora/aragora",
        "/home/aragora/aragora/.venv/bin/ray",
        "/home/aragora/aragora/.venv/bin/aragora",
    ]
    assert bed.laptop.run("cat Makefile").output() == (CHECKOUT / "Makefile").read_text().rstrip("\n")
    where = bed.laptop.run("python -c 'import aragora; print(aragora.__file__)'").output()
    assert where == "/home/aragora/aragora/aragora/__init__.py"
    bed.laptop.run("git log -1").output()
    bed.laptop.run("rsync -a Makefile n1:/tmp/ && ssh n1 rm /tmp/Makefile").output()


def test_http_goes_from_the_address_that_is_chosen(bed: Bed) -> None:
    server = bed.n1.start(WEB, log="web.log")
    try:
        wait_until(lambda: bed.n1.listens(8000), "the server listens")
        url = f"http://{bed.n1.address}:8000/web.log"
        assert bed.laptop.request("GET", url).status == 200
        assert LAPTOP in bed.n1.run(SEEN).output()
        assert bed.laptop.request("GET", url, source=OTHER_CLIENTS[0]).status == 200
        assert OTHER_CLIENTS[0] in bed.n1.run(SEEN).output()
    finally:
        bed.n1.run(f"kill {server}").output()
        wait_until(lambda: not bed.n1.listens(8000), "the server has ended")
    with pytest.raises(ConnectionRefusedError):
        bed.laptop.request("GET", url)


def test_the_databases_answer_over_the_network_to_those_with_the_password(bed: Bed) -> None:
    async def asked(url: str) -> str:
        connection = await asyncpg.connect(url)
        try:
            found: str = await connection.fetchval("SELECT current_user")
        finally:
            await connection.close()
        return found

    url = bed.db.new_database()
    with bed.n3.network():
        assert asyncio.run(asked(url)) == "aragora"
        with pytest.raises(asyncpg.InvalidPasswordError):
            asyncio.run(asked(url.replace(bed.db.password, "guess")))
        assert redis.Redis.from_url(bed.db.redis_url).ping()
        with pytest.raises(redis.AuthenticationError):
            redis.Redis(bed.db.address).ping()


def test_a_host_comes_back_with_its_disk_or_with_an_empty_one(bed: Bed) -> None:
    bed.n3.write("kept", "on the disk")
    bed.n3.run("echo gone >/tmp/gone").output()
    bed.n3.power_off()
    assert not reaches(bed, "n1", "n3")
    bed.n3.power_on()
    assert bed.laptop.ssh("n3", "cat kept").output() == "on the disk"
    assert bed.n3.run("cat /tmp/gone").status == 1
    bed.n3.power_off()
    bed.n3.replace_disk()
    bed.n3.power_on()
    assert bed.laptop.ssh("n3", "cat kept").status == 1
    assert bed.laptop.ssh("n3", "ls /opt/aragora/releases").output() == "bed"


def test_the_database_keeps_its_rows_when_the_power_goes(bed: Bed) -> None:
    bed.db.sql("CREATE TABLE kept (n int); INSERT INTO kept VALUES (7)")
    bed.db.redis("set kept 7")
    bed.db.power_off()
    bed.db.power_on()
    assert bed.db.sql("SELECT n FROM kept; DROP TABLE kept") == "7"
    assert bed.db.redis("get kept") == "7"


def test_a_host_whose_power_goes_does_not_say_goodbye(bed: Bed) -> None:
    """Its peers must find out by themselves: a connection that closes is what a killed process leaves, no more."""
    bed.n2.start("python3 -m http.server 7000")
    wait_until(lambda: bed.n2.listens(7000), "somebody listens")
    with bed.laptop.network():
        open_connection = socket.create_connection((bed.n2.address, 7000), timeout=30)
    with open_connection:
        bed.n2.power_off()
        open_connection.settimeout(SHORT_S)
        with pytest.raises(TimeoutError):
            open_connection.recv(1)


def test_killing_all_processes_of_the_user_leaves_the_machine_up(bed: Bed) -> None:
    bed.n2.start("exec -a to-be-killed sleep 600")
    bed.n2.kill_processes()
    assert "to-be-killed" not in bed.laptop.ssh("n2", "ps -e -o args").output()


def test_a_pulled_cable_parts_a_host_from_all_and_pushing_it_back_ends_that(bed: Bed) -> None:
    bed.pull_cable(bed.n2)
    assert not reaches(bed, "n1", "n2")
    assert not reaches(bed, "n2", "n3")
    assert reaches(bed, "n1", "n3")
    bed.push_cable(bed.n2)
    wait_until(lambda: reaches(bed, "n1", "n2"), "n2 is back")


def test_a_cut_parts_two_hosts_and_no_other_and_stays_over_a_restart(bed: Bed) -> None:
    bed.cut(bed.n1, bed.n2)
    assert not reaches(bed, "n1", "n2")
    assert not reaches(bed, "n2", "n1")
    assert reaches(bed, "n2", "n3")
    assert reaches(bed, "n3", "n1")
    assert bed.n2.run(f"timeout 20 bash -c '</dev/tcp/{bed.db.address}/5432'").status == 0
    bed.n2.power_off()
    bed.n2.power_on()
    assert not reaches(bed, "n1", "n2")
    bed.join(bed.n1, bed.n2)
    assert reaches(bed, "n1", "n2")
    assert reaches(bed, "n2", "n1")


def test_a_slow_line_delays_and_loses_and_is_straightened(bed: Bed) -> None:
    def handshake_s() -> float:
        began = time.monotonic()
        assert bed.n1.listens(22)
        with bed.laptop.network():
            socket.create_connection((bed.n1.address, 22), timeout=60).close()
        return time.monotonic() - began

    bed.slow(bed.n1, delay_s=0.5)
    assert handshake_s() >= 1.0
    bed.slow(bed.n1, delay_s=0.0, loss=1.0)
    assert not reaches(bed, "n2", "n1")
    bed.slow(bed.n1, delay_s=0.01, loss=0.05)
    big = "head -c 300000 /dev/urandom | ssh n1 'wc -c'"
    assert bed.laptop.run(big).output() == "300000"
    bed.straighten(bed.n1)
    assert bed.laptop.run(big).output() == "300000"


def test_a_clock_can_be_wrong_on_one_host(bed: Bed) -> None:
    bed.n3.power_off()
    bed.n3.power_on(clock_ahead_s=300)
    clock = "python3 -c 'import time; print(time.time())'"
    try:
        for told in (bed.n3.run(clock), bed.laptop.ssh("n3", clock)):
            assert 290 < float(told.output()) - time.time() < 310
        steady = "python3 -c 'import time; a = time.monotonic(); time.sleep(1); print(time.monotonic() - a)'"
        assert 1 <= float(bed.n3.run(steady).output()) < 5
    finally:
        bed.n3.power_off()
        bed.n3.power_on()
    assert abs(float(bed.laptop.ssh("n3", clock).output()) - time.time()) < 10


def test_a_command_that_takes_too_long_is_ended_with_its_children(bed: Bed) -> None:
    ended = bed.n1.run("exec -a too-long sleep 600 & wait", timeout_s=1)
    assert ended.status in (-signal.SIGKILL, 128 + signal.SIGKILL)
    assert "too-long" not in bed.n1.run("ps -e -o args").output()


def test_hosts_may_open_as_many_files_as_the_machine_allows_and_have_room_for_shared_memory(bed: Bed) -> None:
    most = subprocess.run(["/bin/sh", "-c", "ulimit -Hn"], capture_output=True, check=True, text=True).stdout.strip()
    assert bed.n1.run("ulimit -n").output() == most
    assert bed.laptop.ssh("n1", "ulimit -n").output() == most
    shared = int(bed.n1.run("df --output=size -B1 /dev/shm | tail -n 1").output())
    assert 0.30 < shared / psutil.virtual_memory().total < 0.36


@pytest.mark.usefixtures("able_machine")
def test_the_end_of_a_bed_leaves_nothing_behind() -> None:
    others = psutil.Process().children(recursive=True)
    with standing_bed() as bed:
        bed.n1.start("sleep 600")
        bed.slow(bed.n2, delay_s=0.1)
        remains = Remains(psutil.Process(), but=others)
        assert len(remains.networks) == 6, "five hosts and the switch"
    remains.must_be_gone()


@pytest.mark.usefixtures("able_machine")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_bed_goes_with_the_command_that_built_it_however_that_ends(number: signal.Signals) -> None:
    command = [sys.executable, "-m", "worlds.hosts"]
    environment = os.environ | {"PYTHONPATH": f"{CHECKOUT}{os.pathsep}{CHECKOUT / 'tests'}"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment, cwd=CHECKOUT) as process:
        assert process.stdout is not None
        said = ""
        while "Ctrl-C here" not in said:
            line = process.stdout.readline()
            assert line, f"it ended after saying: {said}"
            said += line
        remains = Remains(psutil.Process(process.pid))
        assert remains.networks
        process.send_signal(number)
        process.wait(60)
    assert "ssh n1" in said
    assert process.returncode == (0 if number == signal.SIGINT else -signal.SIGKILL)
    remains.must_be_gone()


class Remains:
    """The processes below one, the bed's among them, and the networks they are in that this process is not in."""

    def __init__(self, builder: psutil.Process, but: Sequence[psutil.Process] = ()) -> None:
        self.processes = [process for process in builder.children(recursive=True) if process not in but]
        self.networks = {_network(str(process.pid)) for process in self.processes} - {_network("self"), "ended"}

    def must_be_gone(self) -> None:
        wait_until(lambda: not any(_lives(process) for process in self.processes), "the bed's processes have ended")
        left = {_network(process.name) for process in Path("/proc").glob("[0-9]*")} & self.networks
        assert not left, "a process still holds a network of the bed"
        assert "/run/bed" not in Path("/proc/self/mountinfo").read_text()


def _network(process: str) -> str:
    try:
        return str(Path(f"/proc/{process}/ns/net").readlink())
    except OSError:
        return "ended"


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
