"""Move the service from one cluster to another one on the same PostgreSQL: for another version of Ray or Python, or for
other machines.

    python3 scripts/change_cluster.py --from USER@OLD --to USER@NEW --nginx USER@EDGE [--check]

OLD and NEW are the two heads. Type it where you type `ray up`: there is the key that opens them, and the machine of
nginx needs none. The nodes of NEW run already (`aragora node start`), with the .env of OLD, and without `aragora
cluster deploy`. Then:

1. It looks whether NEW can take over, and nginx reaches it. Nothing has changed until here; --check ends here.
2. OLD drains and ends its service; its nodes stay, for the way back.
3. NEW begins its service: the debates that OLD had left go on there.
4. nginx stands before the nodes of NEW.

From 2 on new debates are refused with 503 and Retry-After, from the end of 2 on everything is, until 4. Where one of
them fails, the service goes back to OLD. The way back later is this command with the two heads exchanged. Typed again
after it was interrupted, it does what is left.

Exit codes: 0 moved (or, with --check, can be); 1 the service is where it was before; 2 refused, nothing was changed;
3 it serves nowhere: the last line says what to type.
"""

from __future__ import annotations

import argparse
import shlex
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
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


@dataclass
class Move:
    """A move that has been found possible. `back` is the command that undoes it; `nginx` is None where something else
    stands before the nodes, and the operator points it to them."""

    old: Cluster
    new: Cluster
    nginx: Nginx | None
    wanted: int
    again: str
    back: str
    began: float = field(default_factory=time.monotonic)

    def run(self) -> int:
        """Returns the exit code."""
        try:
            self._step(f"2/4 {self.old.name} drains, and ends its service; its nodes stay", self.old.undeploy)
            self._step(f"3/4 {self.new.name} begins its service", lambda: self.new.deploy(self.wanted))
            if self.nginx is None:
                say(f"4/4 point your load balancer to {', '.join(self.new.nodes)} now")
            else:
                self._step(f"4/4 nginx stands before {', '.join(self.new.nodes)}", self._switch)
        except Failed as failed:
            say(f"   FAILED: {failed}")
            return self._go_back()
        except KeyboardInterrupt:
            say(f"Interrupted. To go on: {self.again}\n             To go back: {self.back}")
            return STANDS
        say(f"{self.new.name} serves; the service was away for {self._away_s():.1f} s (the draining included).")
        say(f"The way back: {self.back}")
        return MOVED

    def _go_back(self) -> int:
        """OLD again, once it is sure that NEW does not serve."""
        try:
            self._step(f"back: {self.new.name} ends what it has begun", self.new.undeploy)
            self._step(f"back: {self.old.name} begins its service again", lambda: self.old.deploy(len(self.old.nodes)))
        except (Failed, KeyboardInterrupt) as failed:
            say(f"   FAILED: {failed}")
            instead = self.new.head.rpartition(":")[0].strip("[]")
            say(
                f"The service is nowhere, after {self._away_s():.1f} s. Once the nodes of {self.new.name} are off, or have no "
                f"service (there: {ARAGORA} cluster undeploy), type on {self.old.name}: {ARAGORA} cluster deploy "
                f"(with --instead-of {instead} where it says that the other one serves)"
            )
            return STANDS
        say(f"{self.old.name} serves as before; the service was away for {self._away_s():.1f} s. nginx is as it was.")
        return WENT_BACK

    def _switch(self) -> None:
        assert self.nginx is not None
        silent = [node for node in self.new.nodes if not self.nginx.serves(node)]
        if silent:
            raise Failed(f"{', '.join(silent)}: asked from nginx's machine, it does not take requests")
        self.nginx.switch(self.new.nodes)

    def _step(self, what: str, act: Callable[[], None]) -> None:
        say(what)
        began = time.monotonic()
        act()
        say(f"   done in {time.monotonic() - began:.1f} s")

    def _away_s(self) -> float:
        return time.monotonic() - self.began


def main(arguments: Sequence[str]) -> int:
    asked = _parser().parse_args(arguments)
    key = None if asked.key is None else Path(asked.key).expanduser()
    nginx = None if asked.nginx is None else Nginx(Machine(asked.nginx, key), asked.nodes_file)
    say("1/4 can the new cluster take over?")
    try:
        old, new = (Cluster.at(Machine(destination, key)) for destination in (asked.old, asked.new))
        for cluster in (old, new):
            say(f"   {cluster.name}: {cluster.described}")
        wanted = asked.nodes or len(old.nodes)
        found = list(obstacles(old, new, wanted))
        if not found and nginx is not None:
            found = _obstacles_before(nginx, old, new)
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
    return Move(old, new, nginx, wanted, _typed(arguments), _typed(_exchanged(asked, len(old.nodes)))).run()


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _obstacles_before(nginx: Nginx, old: Cluster, new: Cluster) -> list[str]:
    nginx.check()
    others = foreign(nginx.nodes(), [*old.nodes, *new.nodes])
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
