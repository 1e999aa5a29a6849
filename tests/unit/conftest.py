"""What every unit test may rely on: none of them starts Ray."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NoReturn

import pytest
import ray


@pytest.fixture(autouse=True, scope="session")
def no_unit_test_starts_ray() -> Iterator[None]:
    """Many of Ray's functions start a whole local cluster where none runs: here that fails the test at once."""

    def refuse(*_args: Any, **_options: Any) -> NoReturn:
        pytest.fail(
            "A unit test started Ray. Hand the code under test what it asks Ray for, or test it in integration."
        )

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ray, "init", refuse)
        yield
