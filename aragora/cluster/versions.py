"""Which versions of Python and Ray may be in one cluster. Pure.

Ray refuses another version of itself and another Python in words that only Ray's developers read, and by then the node
has begun to start.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Versions:
    """As `3.11.7` and `2.60.0`."""

    python: str
    ray: str

    @property
    def python_minor(self) -> str:
        return ".".join(self.python.split(".")[:2])


def unlike(here: Versions, there: Versions) -> tuple[str, ...]:
    """A line for each version that keeps this node out of a cluster with those `there`. Another patch of one Python
    fits."""
    return tuple(_unlike(here, there))


def _unlike(here: Versions, there: Versions) -> Iterator[str]:
    if here.python_minor != there.python_minor:
        yield (
            f"Python is {here.python} here and {there.python} in the cluster: install Aragora here with Python "
            f"{there.python_minor}"
        )
    if here.ray != there.ray:
        yield f"Ray is {here.ray} here and {there.ray} in the cluster: install the release of Aragora that runs there"
