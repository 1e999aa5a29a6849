"""What all hosts start from, laid over the machine's root: Debian's packages, a user, and one release ready to copy.

The hosts have no way out. So the release "bed" in /opt/aragora/releases is as an earlier deployment would have left it:
the tree under test, its lock file and an environment with exactly what that lock file pins. It is a true copy, owned by
the user, because the kernel lets nobody link a file that is not theirs.
"""

from __future__ import annotations

import importlib.metadata
import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path, PurePath
from typing import Final

from worlds.hosts.tree import CHECKOUT, DEBIAN, OTHER_RAY, VENV, copy_tree, relocate

USER: Final = "aragora"
UID: Final = 4477  # none that a machine is likely to have given away
HOME: Final = Path("/home") / USER
RELEASE: Final = Path("/opt/aragora/releases/bed")
FIRST_PROCESS: Final = Path(__file__).with_name("first_process.py")
FOLDED: Final = {"bin": "usr/bin", "sbin": "usr/sbin", "lib": "usr/lib", "lib64": "usr/lib64"}  # links on Debian

SSHD_CONFIG: Final = f"""\
HostKey /etc/ssh/ssh_host_ed25519_key
AllowUsers {USER}
AuthenticationMethods publickey
PasswordAuthentication no
UsePAM no
UseDNS no
MaxStartups 100
MaxSessions 100
PidFile none
Subsystem sftp /usr/lib/openssh/sftp-server
Include /etc/ssh/sshd_config.d/*.conf
"""
PROFILE: Final = 'if [ -n "$BASH_VERSION" ] && [ -f "$HOME/.bashrc" ]; then . "$HOME/.bashrc"; fi\n'


def fill(layer: Path, addresses: dict[str, str], public_key: str, host_keys: dict[str, str]) -> None:
    """Fill the empty directory `layer`. `addresses` and `host_keys` (public) are by the hosts' names."""
    _packages(layer)
    _release(layer)
    _python(layer)
    _user(layer, public_key)
    _write(layer / "etc/ssh/sshd_config", SSHD_CONFIG)
    _write(layer / "etc/ssh/ssh_known_hosts", _known_hosts(addresses, host_keys))
    names = "".join(f"{address} {name}\n" for name, address in addresses.items())
    _write(layer / "etc/hosts", f"127.0.0.1 localhost\n{names}")
    _write(layer / "etc/resolv.conf", "")  # nobody to ask: a name is in /etc/hosts or unknown at once
    _write(layer / "usr/local/lib/bed/first_process.py", FIRST_PROCESS.read_text(encoding="utf-8"))
    _hide(layer / CHECKOUT.relative_to("/"))


def own(path: Path) -> None:
    """Give `path` and all below it to the user of the hosts."""
    subprocess.run(["chown", "--recursive", "--no-dereference", f"{UID}:{UID}", str(path)], check=True)


def _packages(layer: Path) -> None:
    for part in DEBIAN.iterdir():
        shutil.copytree(part, layer / FOLDED.get(part.name, part.name), symlinks=True, dirs_exist_ok=True)


def _release(layer: Path) -> None:
    release = layer / RELEASE.relative_to("/")
    copy_tree(release)
    _copy_environment(release / ".venv")
    relocate(release / ".venv", {VENV: RELEASE / ".venv", CHECKOUT: RELEASE})
    own(layer / "opt/aragora")


def _copy_environment(venv: Path) -> None:
    """Copy the environment of the tests without the tools of the tests."""
    packages = next(VENV.glob("lib/python3*/site-packages"))
    spare = not_locked(packages)
    places = {VENV: venv, VENV / "bin": venv / "bin", packages: venv / packages.relative_to(VENV)}
    apart = {DEBIAN, OTHER_RAY, VENV / "lib", VENV / "bin"}
    for source, destination in places.items():
        destination.mkdir(parents=True)
        wanted = [str(entry) for entry in source.iterdir() if entry not in spare and entry not in apart]
        subprocess.run(["cp", "--archive", "--target-directory", str(destination), *wanted], check=True)


def not_locked(packages: Path) -> set[Path]:
    """What lies in the environment for packages only that the lock file does not name."""
    lock = (CHECKOUT / "requirements.lock").read_text(encoding="utf-8")
    kept = {_normal(name) for name in re.findall(r"^([A-Za-z0-9._-]+)==", lock, re.MULTILINE)} | {"pip", "setuptools"}
    needed: set[Path] = {packages / "__pycache__"}
    spare: set[Path] = set()
    for package in importlib.metadata.distributions(path=[str(packages)]):
        files = {_place(packages, file) for file in package.files or ()}
        (needed if _normal(package.metadata["Name"]) in kept else spare).update(files)
    return spare - needed


def _place(packages: Path, file: PurePath) -> Path:
    """The directory or file among the packages that a file belongs to, or the command that it is."""
    return VENV / "bin" / file.name if file.parts[0] == ".." else packages / file.parts[0]


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _python(layer: Path) -> None:
    """The interpreter of the environment, readable for everybody and on everybody's path."""
    interpreter = Path(sys.executable).resolve()
    for parent in reversed(interpreter.parents):
        mode = stat.S_IMODE(parent.stat().st_mode)
        if mode & stat.S_IXOTH == 0:
            (layer / parent.relative_to("/")).mkdir(parents=True)
            (layer / parent.relative_to("/")).chmod(mode | 0o055)
    (layer / "usr/local/bin").mkdir(parents=True, exist_ok=True)
    for name in ("python3", f"python3.{sys.version_info.minor}"):
        (layer / "usr/local/bin" / name).symlink_to(interpreter)


def _user(layer: Path, public_key: str) -> None:
    accounts = {
        "passwd": f"{USER}:x:{UID}:{UID}:{USER}:{HOME}:/bin/bash\n",
        "group": f"{USER}:x:{UID}:\n",
        "shadow": f"{USER}:*:19000:0:99999:7:::\n",
    }
    for name, line in accounts.items():
        _write(layer / "etc" / name, Path("/etc", name).read_text(encoding="utf-8") + line)
    (layer / "etc/shadow").chmod(0o600)
    if not any(line.startswith("sshd:") for line in Path("/etc/passwd").read_text(encoding="utf-8").splitlines()):
        with (layer / "etc/passwd").open("a", encoding="utf-8") as accounts_file:
            accounts_file.write("sshd:x:4478:65534::/run/sshd:/usr/sbin/nologin\n")
    home = layer / HOME.relative_to("/")
    _write(home / ".profile", PROFILE)
    _write(home / ".bashrc", "")
    _write(home / ".ssh/authorized_keys", public_key)
    (home / ".ssh").chmod(0o700)
    (home / ".ssh/authorized_keys").chmod(0o600)
    own(home)


def _known_hosts(addresses: dict[str, str], host_keys: dict[str, str]) -> str:
    return "".join(f"{name},{addresses[name]} {key}\n" for name, key in host_keys.items())


def _hide(path: Path) -> None:
    """A whiteout: what the machine has at this path is not there on the hosts."""
    path.parent.mkdir(parents=True, exist_ok=True)
    os.mknod(path, stat.S_IFCHR, os.makedev(0, 0))


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
