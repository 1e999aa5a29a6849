"""Operations of the mound are counted by what came of them."""

from __future__ import annotations

import pytest

from aragora.errors import Conflict, Unavailable
from aragora.knowledge.counting import LATENCY, OPERATIONS, Operation, counted
from aragora.observability.registry import Registry


@pytest.mark.parametrize(
    ("error", "status"),
    [(None, "done"), (Conflict("no"), "refused"), (Unavailable("away"), "failed"), (RuntimeError(), "failed")],
)
async def test_an_operation_is_counted_once_with_its_time(error: Exception | None, status: str) -> None:
    registry = Registry()

    @counted(Operation.ADD, registry)
    async def work() -> int:
        if error is not None:
            raise error
        return 1

    if error is None:
        assert await work() == 1
    else:
        with pytest.raises(type(error)):
            await work()
    drained = registry.drain()
    operations = [(dict(one.labels), one.amount) for one in drained if one.sample == OPERATIONS]
    assert operations == [({"type": "add", "status": status}, 1.0)]
    assert [one.amount for one in drained if one.sample == f"{LATENCY}_count"] == [1.0]
