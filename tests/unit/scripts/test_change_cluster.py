"""scripts/change_cluster.py as it is typed, with an `ssh` that plays the two heads: what it does when a step fails."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
PLAYED = """\
#!{python}
import json, pathlib, sys
here = pathlib.Path({directory!r})
head, command = sys.argv[-2:]
verb = command.removeprefix("/opt/aragora/bin/aragora cluster ")
with (here / "typed").open("a") as typed:
    typed.write(f"{{head}}: {{verb}}\\n")
told = json.loads((here / "heads.json").read_text())
if (head + ": " + verb) in told["fails"]:
    sys.exit("it went wrong")
print(json.dumps(told[head]) if verb == "describe --json" else "done")
"""
NGINX = """\
#!/bin/sh
echo "nginx $*" >> {directory}/typed
case $* in
  -t) ! grep -qFf {directory}/refused {file} ;;
  -T) echo "# configuration file {file}:" ;;
esac
"""
SHIPPED = (ROOT / "deploy/nginx/aragora_nodes.conf").read_text()
OLD = {"head": "127.0.0.1:6380", "nodes": ["127.0.0.1"], "release": "1.0.0-a", "ray": "2.60.0"}
NEW = {"head": "127.0.0.2:6380", "nodes": ["127.0.0.2"], "release": "1.0.0-b", "ray": "2.59.0"}
BOTH = {
    "http_port": 8080, "python": "3.11.7", "installation": "5eed", "pending": 0, "generation_begins": False,
    "serves": "127.0.0.1:6380", "problems": [],
}  # fmt: skip
ASKED = ["old: describe --json", "new: describe --json"]
CHECKED = [*ASKED, "nginx -t", "nginx -T"]


@dataclass
class Played:
    """The two heads, the files of nginx on this machine, and what was typed on either."""

    directory: Path
    heads: dict[str, Any]
    fails: list[str] = field(default_factory=list)

    @property
    def nodes_file(self) -> Path:
        return self.directory / "aragora_nodes.conf"

    def move(self, *more: str) -> subprocess.CompletedProcess[str]:
        (self.directory / "heads.json").write_text(json.dumps({**self.heads, "fails": self.fails}))
        path = f"{self.directory}:{os.environ['PATH']}"
        return subprocess.run(
            [sys.executable, ROOT / "scripts/change_cluster.py", "--from", "old", "--to", "new", *more],
            env={**os.environ, "PATH": path}, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip

    def move_with_nginx(self, *more: str) -> subprocess.CompletedProcess[str]:
        return self.move("--nginx", "here", "--nodes-file", str(self.nodes_file), *more)

    def typed(self) -> list[str]:
        return (self.directory / "typed").read_text().splitlines()


@pytest.fixture
def played(tmp_path: Path) -> Played:
    programs = {
        "ssh": PLAYED.format(python=sys.executable, directory=str(tmp_path)),
        "nginx": NGINX.format(directory=tmp_path, file=tmp_path / "aragora_nodes.conf"),
        # By bash a node is asked from nginx's machine: it answers, where a test does not say otherwise.
        "bash": f'#!/bin/sh\necho "asked $*" >> {tmp_path}/asked\ncat {tmp_path}/answer\n',
    }
    for name, text in programs.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    (tmp_path / "answer").write_text("HTTP/1.1 200 OK\n")
    (tmp_path / "refused").write_text("")
    (tmp_path / "aragora_nodes.conf").write_text(SHIPPED)
    return Played(tmp_path, {"old": {**BOTH, **OLD}, "new": {**BOTH, **NEW}})


def test_it_moves_step_by_step_and_says_the_way_back(played: Played) -> None:
    done = played.move_with_nginx()
    assert done.returncode == 0, done.stdout
    assert played.typed() == [
        *CHECKED,
        "new: stand-by",
        "old: undeploy --keep-reads",
        "new: deploy --nodes 1",
        "nginx -t",
        "nginx -s reload",
        "old: undeploy",
    ]
    assert "Ray 2.59.0" in done.stdout
    assert "new debates were refused for at most" in done.stdout
    assert "change_cluster.py --from new --to old --nodes 1 --nginx here --nodes-file" in done.stdout.splitlines()[-1]


def test_nginx_stands_before_the_new_nodes_with_the_options_of_each_list(played: Played) -> None:
    played.heads["new"]["nodes"] = ["127.0.0.2", "127.0.0.3"]
    assert played.move_with_nginx().returncode == 0
    servers = [line.strip() for line in played.nodes_file.read_text().splitlines() if line.strip().startswith("server")]
    assert servers == [
        "server 127.0.0.2:8080 max_fails=2 fail_timeout=30s;",
        "server 127.0.0.3:8080 max_fails=2 fail_timeout=30s;",
        "server 127.0.0.2:8080 max_fails=0;",
        "server 127.0.0.3:8080 max_fails=0;",
    ]
    kept = [line for line in played.nodes_file.read_text().splitlines() if not line.strip().startswith("server")]
    assert kept == [line for line in SHIPPED.splitlines() if not line.strip().startswith("server")]


@pytest.mark.parametrize(
    ("head", "change", "told"),
    [
        ("new", {"installation": "another"}, "different databases"),
        ("new", {"installation": None}, "different databases"),
        ("new", {"head": "127.0.0.1:6380"}, "one cluster"),
        ("new", {"generation_begins": True}, "no way back"),
        ("new", {"problems": ["ARAGORA_JWT_SECRET is not that of the other nodes"]}, "new: ARAGORA_JWT_SECRET"),
        ("new", {"nodes": []}, "0 of 1 nodes are there"),
        ("old", {"serves": "127.0.0.9:6380"}, "127.0.0.9:6380 serves the database"),
        ("old", {"nodes": ["127.0.0.1", "127.0.0.4"]}, "1 of 2 nodes are there"),
    ],
)
def test_what_is_not_ready_is_refused_before_anything_is_changed(
    played: Played, head: str, change: dict[str, Any], told: str
) -> None:
    played.heads[head].update(change)
    done = played.move_with_nginx()
    assert done.returncode == 2
    assert told in done.stdout
    assert done.stdout.endswith("nothing was changed.\n")
    assert played.typed() == ASKED
    assert played.nodes_file.read_text() == SHIPPED


def test_fewer_nodes_are_enough_where_the_operator_says_so(played: Played) -> None:
    played.heads["old"]["nodes"] = ["127.0.0.1", "127.0.0.4"]
    done = played.move_with_nginx("--nodes", "1")
    assert done.returncode == 0
    assert "--from new --to old --nodes 2" in done.stdout.splitlines()[-1]


def test_a_head_that_does_not_answer_is_named(played: Played) -> None:
    played.fails = ["new: describe --json"]
    done = played.move_with_nginx()
    assert done.returncode == 2
    assert "NO: new: it went wrong" in done.stdout


def test_an_nginx_that_refuses_its_files_is_found_before_anything_is_changed(played: Played) -> None:
    (played.directory / "refused").write_text("127.0.0.1:\n")
    assert played.move_with_nginx().returncode == 2
    assert played.typed() == [*ASKED, "nginx -t"]


def test_an_nginx_before_other_nodes_is_not_the_right_one(played: Played) -> None:
    played.nodes_file.write_text(SHIPPED.replace("127.0.0.1:8080", "10.9.9.9:8080"))
    done = played.move_with_nginx()
    assert done.returncode == 2
    assert "10.9.9.9:8080" in done.stdout
    assert played.typed() == CHECKED


def test_a_look_changes_nothing(played: Played) -> None:
    assert played.move_with_nginx("--check").returncode == 0
    assert played.typed() == CHECKED


def test_where_the_new_one_cannot_stand_by_the_old_one_has_not_been_touched(played: Played) -> None:
    played.fails = ["new: stand-by"]
    done = played.move_with_nginx()
    assert done.returncode == 1
    assert played.typed() == [*CHECKED, "new: stand-by", "new: undeploy"]
    assert "refused for 0.0 s" in done.stdout


def test_a_node_that_nginx_does_not_reach_is_found_before_the_old_one_is_touched(played: Played) -> None:
    (played.directory / "answer").write_text("")
    done = played.move_with_nginx()
    assert done.returncode == 1
    assert "127.0.0.2:8080 did not answer with 200" in done.stdout
    assert not any(line.startswith("old: undeploy") for line in played.typed())


BACK = ["new: undeploy --keep-reads", "old: deploy --nodes 1", "new: undeploy"]
TURNED = ["nginx -t", "nginx -s reload"]


@pytest.mark.parametrize("step", ["old: undeploy --keep-reads", "new: deploy --nodes 1"])
def test_where_a_step_fails_the_old_one_serves_again(played: Played, step: str) -> None:
    played.fails = [step]
    done = played.move_with_nginx()
    assert done.returncode == 1
    typed = played.typed()
    assert typed[typed.index(step) + 1 :] == BACK
    assert "old serves as before" in done.stdout
    assert played.nodes_file.read_text() == SHIPPED


def test_where_nginx_refuses_the_new_nodes_its_file_is_as_it_was_and_the_old_one_serves_again(played: Played) -> None:
    (played.directory / "refused").write_text("127.0.0.2:\n")
    done = played.move_with_nginx()
    assert done.returncode == 1, done.stdout
    assert played.typed()[-3:] == BACK
    assert "nginx -s reload" not in played.typed()
    assert played.nodes_file.read_text() == SHIPPED


@pytest.mark.parametrize("step", ["new: undeploy --keep-reads", "old: deploy --nodes 1"])
def test_where_the_way_back_fails_too_it_says_what_to_type(played: Played, step: str) -> None:
    played.fails = ["new: deploy --nodes 1", step]
    done = played.move_with_nginx()
    assert done.returncode == 3
    assert played.typed()[-1] == step, "the old one is not begun beside a new one that may serve"
    last = done.stdout.splitlines()[-1]
    assert "Type on new: /opt/aragora/bin/aragora cluster undeploy; then on old:" in last
    assert "--instead-of 127.0.0.2 " in last


def test_an_old_ingress_that_does_not_end_is_told_and_the_move_stands(played: Played) -> None:
    played.fails = ["old: undeploy"]
    done = played.move_with_nginx()
    assert done.returncode == 0
    assert "type on old: /opt/aragora/bin/aragora cluster undeploy" in done.stdout


def test_typed_again_after_the_new_one_serves_it_does_what_is_left(played: Played) -> None:
    for head in ("old", "new"):
        played.heads[head]["serves"] = "127.0.0.2:6380"
    assert played.move_with_nginx().returncode == 0
    assert "new: stand-by" not in played.typed()
    assert played.typed()[-4:] == ["new: deploy --nodes 1", *TURNED, "old: undeploy"]


def test_without_nginx_it_says_where_to_point_what_stands_before_the_nodes(played: Played) -> None:
    done = played.move()
    assert done.returncode == 0
    assert "127.0.0.2:8080" in done.stdout
    assert "any more, type there: /opt/aragora/bin/aragora cluster undeploy" in done.stdout
    assert played.typed()[-1] == "new: deploy --nodes 1", "the old ingress answers reads until the operator has turned"


def test_help_says_what_it_does(played: Played) -> None:
    done = played.move("--help")
    assert done.returncode == 0
    assert "OLD drains" in done.stdout
