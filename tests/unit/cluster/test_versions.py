"""Which versions fit into one cluster."""

from __future__ import annotations

import pytest

from aragora.cluster.versions import Versions, unlike

HEAD = Versions("3.11.7", "2.60.0")


@pytest.mark.parametrize("fits", [HEAD, Versions("3.11.9", "2.60.0")])
def test_the_same_versions_fit_and_another_patch_of_python_does(fits: Versions) -> None:
    assert unlike(fits, HEAD) == ()


def test_another_python_or_ray_is_told_with_both_versions() -> None:
    python, ray = unlike(Versions("3.1.7", "2.61.0"), HEAD)
    assert "Python is 3.1.7 here and 3.11.7 in the cluster" in python
    assert "Ray is 2.61.0 here and 2.60.0 in the cluster" in ray
