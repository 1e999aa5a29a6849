"""Move the service from one cluster to another one on the same PostgreSQL: for another version of Ray or Python, or for
other machines.

    python3 scripts/change_cluster.py --from USER@OLD --to USER@NEW --nginx USER@EDGE [--check]

OLD and NEW are the two heads. Type it where you type `ray up`: there is the key that opens them, and the machine of
nginx needs none. The nodes of NEW run already (`aragora node start`), with the .env of OLD, and without `aragora
cluster deploy`. Then:

1. It looks whether NEW can take over, and nginx reaches it. Nothing has changed until here; --check ends here.
2. NEW stands by: its ingress is started and answers nginx's machine. OLD serves on.
3. OLD drains, and takes no debates any more. Its ingress answers reads.
4. NEW begins its service: the debates that OLD had left go on there.
5. nginx stands before the nodes of NEW: not sooner, for until then they say of their health that they are starting.
6. The ingress of OLD ends; its nodes stay, for the way back.

From 3 to 5 new debates are refused with 503 and Retry-After. Where 2 to 5 fail, the service is OLD's again. The way
back later is this command with the two heads exchanged. Typed again after it was interrupted, it does what is left.

Exit codes: 0 moved (or, with --check, can be); 1 the service is where it was before; 2 refused, nothing was changed;
3 it stopped in between: the last line says what to type.
"""

from __future__ import annotations

import argparse
import shlex
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

sys.dont_write_bytecode = True

from change.cluster import ARAGORA, Cluster, foreign, obstacles  # noqa: E402 - after the line above
from change.machine import HERE, Failed, Machine  # noqa: E402
from change.nginx import NODES_FILE, Nginx  # noqa: E402

MOVED: Final = 0
WENT_BACK: Final = 1
REFUSED: Final = 2
STANDS: Final = 3
LIVE: Final = "/api/health/live"


@dataclass
class Move:
    """A move that has been found possible. `again` is the command that was typed, `back` the one that undoes it;
    `before` are the nodes before which nginx stands if OLD serves. `nginx` is None where something else stands before
    the nodes, and the operator points it to them."""

    old: Cluster
    new: Cluster
    nginx: Nginx | None
    before: Sequence[str]
    wanted: int
    again: str
    back: str
    began: float | None = None
    """When OLD began to refuse debates; None before."""

    def run(self) -> int:
        """Returns the exit code."""
        try:
            self._step(f"2/6 {self.new.name} stands by", self._stand_by)
            self.began = time.monotonic()
            self._step(f"3/6 {self.old.name} drains, and takes no debates any more", self.old.yield_service)
            self._step(f"4/6 {self.new.name} begins its service", lambda: self.new.deploy(self.wanted))
            self._step(f"5/6 what stands in front turns to {', '.join(self.new.nodes)}", self._turn)
            told = (
                f"{self.new.name} serves; new debates were refused for at most {self._away_s():.1f} s, the draining "
                "included."
            )
        except Failed as failed:
            say(f"   FAILED: {failed}")
            return self._go_back()
        except KeyboardInterrupt:
            say(f"Interrupted. To go on: {self.again}\n             To go back: {self.back}")
            return STANDS
        if self.nginx is None:
            say(f"6/6 once nobody asks {self.old.name} any more, type there: {ARAGORA} cluster undeploy")
        else:
            self._end(self.old, "6/6 ")
        say(told)
        say(f"The way back: {self.back}")
        return MOVED

    def _stand_by(self) -> None:
        if self.new.told["serves"] != self.new.head:  # it does where a move is typed again
            self.new.stand_by()
        silent = [node for node in self.new.nodes if self.nginx is not None and not self.nginx.answers(node, LIVE)]
        if silent:
            raise Failed(f"asked from nginx's machine for {LIVE}, {', '.join(silent)} did not answer with 200")

    def _turn(self) -> None:
        if self.nginx is None:
            say("   point your load balancer there now")
            return
        self.nginx.switch(self.new.nodes)

    def _end(self, cluster: Cluster, step: str) -> None:
        """What of the other one is left: who serves does not depend on it."""
        try:
            self._step(f"{step}{cluster.name}: its ingress ends; its nodes stay", cluster.undeploy)
        except (Failed, KeyboardInterrupt) as failed:
            say(f"   FAILED: {failed}; type on {cluster.name}: {ARAGORA} cluster undeploy")

    def _go_back(self) -> int:
        """OLD again, once it is sure that NEW takes no debates."""
        try:
            if self.began is not None:
                self._step(f"back: {self.new.name} takes no debates any more", self.new.yield_service)
                self._step(f"back: {self.old.name} takes them again", lambda: self.old.deploy(len(self.old.nodes)))
            if self.nginx is not None and self.nginx.nodes() != list(self.before):
                nginx, before = self.nginx, self.before
                self._step(f"back: nginx turns to {', '.join(before)}", lambda: nginx.switch(before))
            told = f"{self.old.name} serves as before; new debates were refused for {self._away_s():.1f} s."
        except (Failed, KeyboardInterrupt) as failed:
            say(f"   FAILED: {failed}")
            say(self._by_hand())
            return STANDS
        self._end(self.new, "back: ")
        say(told)
        return WENT_BACK

    def _by_hand(self) -> str:
        dead = self.new.head.rpartition(":")[0].strip("[]")
        return (
            f"Who serves is not sure, {self._away_s():.1f} s after it began. Type on {self.new.name}: {ARAGORA} cluster undeploy; "
            f"then on {self.old.name}: {ARAGORA} cluster deploy (with --instead-of {dead} if all of {self.new.name} is off); "
            f"nginx is to stand before {', '.join(self.before)}"
        )

    def _step(self, what: str, act: Callable[[], None]) -> None:
        say(what)
        began = time.monotonic()
        act()
        say(f"   done in {time.monotonic() - began:.1f} s")

    def _away_s(self) -> float:
        return 0.0 if self.began is None else time.monotonic() - self.began


def main(arguments: Sequence[str]) -> int:
    asked = _parser().parse_args(arguments)
    key = None if asked.key is None else Path(asked.key).expanduser()
    nginx = None if asked.nginx is None else Nginx(Machine(asked.nginx, key), asked.nodes_file)
    say("1/6 can the new cluster take over?")
    try:
        old, new = (Cluster.at(Machine(destination, key)) for destination in (asked.old, asked.new))
        for cluster in (old, new):
            say(f"   {cluster.name}: {cluster.described}")
        wanted = asked.nodes or len(old.nodes)
        named = [] if nginx is None else nginx.nodes()
        found = list(obstacles(old, new, wanted))
        if not found and nginx is not None:
            found = _obstacles_before(nginx, named, old, new)
    except Failed as failed:
        found = [str(failed)]
    if found:
        say("\n".join(f"   NO: {one}" for one in found))
        say("Refused; nothing was changed.")
        return REFUSED
    if asked.check:
        say("   yes. Nothing was changed.")
        return MOVED
    say("   yes")
    before = [node for node in named if node in old.nodes] or old.nodes
    back = _typed(_exchanged(asked, len(old.nodes)))
    return Move(old, new, nginx, before, wanted, _typed(arguments), back).run()


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _obstacles_before(nginx: Nginx, named: Sequence[str], old: Cluster, new: Cluster) -> list[str]:
    nginx.check()
    others = foreign(named, [*old.nodes, *new.nodes])
    if others:
        return [
            f"nginx names {', '.join(others)}, which are nodes of neither: is {nginx.machine.destination} the right one?"
        ]
    return [f"nginx's machine does not reach {node}: {why}" for node in new.nodes if (why := nginx.reaches(node))]


def _exchanged(asked: argparse.Namespace, nodes: int) -> list[str]:
    """The arguments of the way back."""
    arguments = ["--from", asked.new, "--to", asked.old, "--nodes", str(nodes)]
    if asked.nginx is not None:
        arguments += ["--nginx", asked.nginx]
    if asked.nodes_file != NODES_FILE:
        arguments += ["--nodes-file", asked.nodes_file]
    return arguments if asked.key is None else [*arguments, "--key", asked.key]


def _typed(arguments: Sequence[str]) -> str:
    return shlex.join(["python3", "scripts/change_cluster.py", *arguments])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="change_cluster.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--from", dest="old", required=True, metavar="USER@OLD", help="the head that serves now")
    parser.add_argument("--to", dest="new", required=True, metavar="USER@NEW", help="the head that is to serve")
    parser.add_argument(
        "--nginx", metavar="USER@EDGE",
        help=f"where nginx runs; `{HERE}`: on this machine; left out: you point your load balancer yourself",
    )  # fmt: skip
    parser.add_argument("--nodes-file", default=NODES_FILE, metavar="FILE", help=f"there; unset: {NODES_FILE}")
    parser.add_argument(
        "--nodes", type=int, metavar="N", help="nodes of NEW that must be there; unset: as many as OLD has"
    )
    parser.add_argument("--key", metavar="FILE", help="the private key for ssh, where ssh does not choose it itself")
    parser.add_argument("--check", action="store_true", help="only look whether it can be done")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
