"""The guard of the unit tests itself."""

from __future__ import annotations

import pytest
import ray


def test_code_that_asks_ray_outside_a_cluster_fails_the_test_instead_of_starting_one() -> None:
    with pytest.raises(pytest.fail.Exception, match="started Ray"):
        ray.get_runtime_context().get_node_id()
    assert not ray.is_initialized()
