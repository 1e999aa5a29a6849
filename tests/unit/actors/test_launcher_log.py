"""The reason of a machine that has not joined, read from the log of the launcher's autoscaler."""

from __future__ import annotations

from pathlib import Path

from actors.launcher_log import ERRORS, OUT, SSH_TRIES, TRIES, of_lines, refusals

ADDRESS = "10.77.0.11"
OTHER = "10.77.0.12"
DIFFERS = f"aragora: node n2 ({ADDRESS}): ARAGORA_JWT_SECRET is not that of the other nodes: copy the .env of one"
RELEASE = f"aragora: n2 ({ADDRESS}): runs release 1.0.0-4fc9553575ad (was here)"
STAMP = "2026-11-26 07:20:13,410\t"
AWAY = f"ssh: connect to host {OTHER} port 22: No route to host"


def tried(address: str) -> str:
    """As the launcher's updater says that it tries to reach a machine."""
    return (
        f"{STAMP}VVINFO command_runner.py:401 -- Full command is `\x1b[1mssh -tt -i ~/ray_bootstrap_key.pem "
        f"-o ConnectTimeout=10s aragora@{address} bash --login -c -i 'source ~/.bashrc; (uptime)'\x1b[22m\x1b[26m`"
    )


def reached(address: str) -> str:
    return f"{STAMP}INFO log_timer.py:25 -- NodeUpdater: {address}: Got remote shell  [LogTimer=584ms]"


def lines(*texts: str) -> list[str]:
    return [f"{text}\r\n" for text in texts]


def test_a_machines_own_line_is_its_reason() -> None:
    found = of_lines(lines(RELEASE, DIFFERS, f"{STAMP}ERR updater.py:177 -- New status: update-failed"), [])
    assert list(found) == [ADDRESS]
    assert found[ADDRESS].name == "n2"
    assert found[ADDRESS].said == ("ARAGORA_JWT_SECRET is not that of the other nodes: copy the .env of one",)


def test_what_goes_well_is_no_reason() -> None:
    waits = f"aragora: n2 ({ADDRESS}): another installation is at work; waiting for its end"
    assert of_lines(lines(RELEASE, waits), []) == {}


def test_lines_that_follow_each_other_are_one_refusal_and_a_new_try_is_another() -> None:
    second = f"node n2 ({ADDRESS}): DATABASE_URL is not set"
    found = of_lines(lines(DIFFERS, second, RELEASE, DIFFERS, second), [])[ADDRESS]
    assert len(found.said) == 2
    assert found.happened == 2


def test_a_refusal_is_plain_once_the_machine_has_repeated_it() -> None:
    once = lines(RELEASE, DIFFERS)
    assert not of_lines(once, [])[ADDRESS].plain
    assert of_lines(once * TRIES, [])[ADDRESS].plain


def test_another_reason_than_before_counts_from_one() -> None:
    port = f"aragora: node n2 ({ADDRESS}): port 8080 is in use: stop what uses it"
    found = of_lines(lines(DIFFERS, RELEASE, DIFFERS, RELEASE, port), [])[ADDRESS]
    assert found.said == ("port 8080 is in use: stop what uses it",)
    assert found.happened == 1


def test_a_machine_that_has_joined_since_has_no_reason() -> None:
    joined = f"node n2 ({ADDRESS}) runs as a worker of 10.77.0.10:6380"
    assert of_lines(lines(DIFFERS, *failed_to_copy(ADDRESS), RELEASE, joined), []) == {}


def test_machines_do_not_mix() -> None:
    other = f"aragora: n3 ({OTHER}): 12 MB are free in /opt/aragora/releases"
    found = of_lines(lines(DIFFERS, other, DIFFERS), [])
    assert found[ADDRESS].happened == 2
    assert found[OTHER].said == ("12 MB are free in /opt/aragora/releases",)


def test_lines_that_only_look_alike_are_left_out() -> None:
    alike = (
        f"  {STAMP}aragora: n2 ({ADDRESS}): from the middle of another line",
        "aragora: n2: without an address",
        f"n2 ({ADDRESS}): without the program's name",
        f"`aragora: n2 ({ADDRESS})`: quoted",
    )
    assert of_lines(lines(*alike), []) == {}


def test_a_machine_that_ssh_does_not_reach_has_sshs_reason() -> None:
    found = of_lines(lines(*[tried(OTHER)] * SSH_TRIES), [AWAY] * SSH_TRIES)[OTHER]
    assert "No route to host" in found.said[0]
    assert found.plain


def test_a_booting_machine_has_some_tries_before_it_counts_as_away() -> None:
    assert not of_lines(lines(*[tried(OTHER)] * (SSH_TRIES - 1)), [AWAY])[OTHER].plain


def test_a_machine_that_does_not_take_the_key_is_told_so() -> None:
    denied = f"aragora@{OTHER}: Permission denied (publickey)."
    (said,) = of_lines(lines(tried(OTHER)), [denied])[OTHER].said
    assert "Permission denied (publickey)" in said
    assert "authorized_keys" in said


def test_sshs_reason_is_over_once_the_machine_was_reached() -> None:
    assert of_lines(lines(tried(OTHER), reached(OTHER)), [AWAY]) == {}


def test_sshs_reason_comes_after_what_the_machine_said_while_it_was_there() -> None:
    own = f"aragora: node n3 ({OTHER}): port 8080 is in use"
    (said,) = of_lines(lines(tried(OTHER), reached(OTHER), own, tried(OTHER)), [AWAY])[OTHER].said
    assert "No route to host" in said


def failed_to_copy(address: str) -> list[str]:
    return [
        f"{STAMP}INFO log_timer.py:25 -- NodeUpdater: {address}: Applied config 6o5i5a13  [LogTimer=261ms]",
        f"{STAMP}ERR updater.py:177 -- \x1b[31mNew status: \x1b[1mupdate-failed\x1b[22m\x1b[26m\x1b[39m",
        f"{STAMP}ERR updater.py:191 -- Full traceback: Traceback (most recent call last):",
        '  File "updater.py", line 264, in sync_file_mounts',
        f"{STAMP}ERR updater.py:193 -- Error message: SSH command failed.",
    ]


def test_a_machine_to_which_nothing_could_be_copied_is_told_what_it_needs() -> None:
    found = of_lines(lines(*failed_to_copy(OTHER), *failed_to_copy(OTHER)), [])[OTHER]
    assert "rsync" in found.said[0]
    assert found.plain


def test_a_failure_that_ray_does_not_place_is_nobodys() -> None:
    told, *failure = failed_to_copy(OTHER)
    assert of_lines(lines(told, "a line of another machine", *failure), []) == {}


def test_the_place_in_the_log_counts_bytes_of_the_whole_file(tmp_path: Path) -> None:
    text = "".join(lines("ä" * 1_200_000, DIFFERS))
    (tmp_path / OUT).write_bytes(text.encode())
    (tmp_path / ERRORS).write_bytes(b"\xff\n")
    assert refusals(tmp_path)[ADDRESS].at == len(text.encode())


def test_without_a_log_nothing_is_known(tmp_path: Path) -> None:
    assert refusals(tmp_path) == {}
