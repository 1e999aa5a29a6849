"""This program's release on every node of the cluster, before its processes run there.

It travels through Ray, so it needs no way from node to node besides the cluster's own, and is installed as `ray up`
installs it (scripts/install_release.py). Where a node has it, nothing is sent.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from actors.release import running_release
from aragora.errors import Unavailable

INSTALLED_S: Final = 600.0
"""Packages may have to be downloaded."""
NO_PART: Final = frozenset({".venv", "__pycache__", ".git", ".nomic", ".env"})


def install_everywhere() -> None:
    """Returns once every node that takes work has this process's release and runs it from its next start on. This
    process is connected. Blocks. Raises Unavailable with a line for each node where that failed."""
    import ray  # noqa: PLC0415 - reads its environment at import
    from ray.exceptions import RayError  # noqa: PLC0415
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy  # noqa: PLC0415

    from actors.cluster_nodes import nodes  # noqa: PLC0415

    release = running_release()
    if release is None:
        return
    packed = ray.put(pack(release))
    begun = {
        node.address: ray.remote(installer())
        .options(num_cpus=0, max_retries=0, scheduling_strategy=NodeAffinitySchedulingStrategy(node.id, soft=False))
        .remote(str(release), packed)
        for node in nodes()
        if node.takes_work
    }
    problems = []
    for address, task in begun.items():
        try:
            problem = ray.get(task, timeout=INSTALLED_S)
        except (RayError, TimeoutError) as error:
            problem = f"no answer ({type(error).__name__})"
        if problem:
            problems.append(f"{address}: release {release.name} is not installed: {problem}")
    if problems:
        raise Unavailable("\n".join(problems))


def pack(release: Path) -> bytes:
    """The files of a release without its environment, which each node makes for itself."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz", compresslevel=1) as archive:
        archive.add(release, ".", filter=lambda entry: None if Path(entry.name).name in NO_PART else entry)
    return packed.getvalue()


def installer() -> Callable[[str, bytes], str]:
    """What installs a release on the node where it is called, with its directory and what `pack` made of it; returns
    what went wrong, empty where nothing did.

    It runs in processes of an older release. So it is sent by value, as a function inside this one, and uses the
    standard library alone.
    """

    def install(release: str, packed: bytes) -> str:
        import io  # noqa: PLC0415 - the function travels alone
        import os  # noqa: PLC0415
        import shutil  # noqa: PLC0415
        import subprocess  # noqa: PLC0415
        import sys  # noqa: PLC0415
        import tarfile  # noqa: PLC0415

        root = os.path.dirname(os.path.dirname(release))  # noqa: PTH120
        if os.path.realpath(os.path.join(root, "current")) == release:  # noqa: PTH118
            return ""
        incoming = os.path.join(root, "incoming")  # noqa: PTH118
        try:
            if os.path.isdir(incoming):  # noqa: PTH112
                shutil.rmtree(incoming)
            os.makedirs(incoming)  # noqa: PTH103
            with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
                archive.extractall(incoming, filter="data")
        except OSError as error:
            return f"{error.strerror or error} ({error.filename})"
        base: Any = getattr(sys, "_base_executable", sys.executable)
        own = ("RAY_", "PYTHON", "VIRTUAL_ENV", "LD_")
        done = subprocess.run(  # noqa: S603 - this program's own script
            [base, os.path.join(incoming, "scripts/install_release.py"), root],  # noqa: PTH118
            env={name: value for name, value in os.environ.items() if not name.startswith(own)},
            capture_output=True, stdin=subprocess.DEVNULL, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            return (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        return "" if os.path.isdir(release) else "it has another name there"  # noqa: PTH112

    return install
