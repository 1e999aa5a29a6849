"""A node with another version of Ray than the others: a release like theirs in everything else, brought there as an
operator without `ray up` brings it.

The hosts have no way out. So the packages of that release lie there already, as an earlier one would have left them.
"""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path
from typing import Final

from worlds.hosts.base_layer import own
from worlds.hosts.host import Host
from worlds.hosts.installation import Installation
from worlds.hosts.linked_environment import linked_environment
from worlds.hosts.tree import CHECKOUT, OTHER_RAY, VENV, copy_tree
from worlds.hosts.units import BOOT_S, COPIED

EARLIER: Final = Path("/opt/aragora/releases/earlier")
LOCK: Final = "requirements.lock"


def why_no_other_ray() -> str | None:
    """None where another version lies beside the environment's; otherwise what to do, in one line."""
    if _metadata(OTHER_RAY):
        return None
    return f"no other version of Ray is in {OTHER_RAY}: `make drill` downloads one"


def version() -> str:
    """Which one it is."""
    (found,) = _metadata(OTHER_RAY)
    return found.name.removeprefix("ray-").removesuffix(".dist-info")


def install_with_other_ray(at: Installation, node: Host) -> None:
    """The tree under test becomes a release on the node, with that version of Ray in its lock file and environment."""
    lock = re.sub(r"^ray==\S+", f"ray=={version()}", (CHECKOUT / LOCK).read_text(encoding="utf-8"), flags=re.MULTILINE)
    earlier = Path(f"/proc/{node.pid}/root{EARLIER}")
    copy_tree(earlier)
    (earlier / LOCK).write_text(lock, encoding="utf-8")
    site = next(VENV.glob("lib/python3*/site-packages"))
    its_own = [entry.name for entry in (site / "ray", *_metadata(site))]
    linked_environment(earlier / ".venv", EARLIER, but=its_own)
    for entry in (OTHER_RAY / "ray", *_metadata(OTHER_RAY)):
        shutil.copytree(entry, earlier / ".venv" / site.relative_to(VENV) / entry.name, symlinks=True)
    (earlier / ".venv/.installed").touch()
    own(earlier)
    to = f"{node.name}:/opt/aragora/incoming/"
    at.typed(f"rsync -a --delete --exclude __pycache__ {COPIED} {shlex.quote(to)}").output()
    node.write(f"/opt/aragora/incoming/{LOCK}", lock, mode=0o644)
    at.bed.laptop.ssh(
        node.name, "python3 /opt/aragora/incoming/scripts/install_release.py /opt/aragora", timeout_s=BOOT_S
    ).output()


def _metadata(packages: Path) -> list[Path]:
    return list(packages.glob("ray-[0-9]*.dist-info"))
