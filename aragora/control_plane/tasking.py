"""What callers do with tasks: each call is one unit of the writer, under the rules of the machine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from hashlib import blake2b
from typing import Any, Final, TypeAlias

from aragora.clock import Clock
from aragora.control_plane import machine, serving
from aragora.control_plane.machine import Step
from aragora.control_plane.model import JSON_DEPTH_MAX, LEASE_S, PAYLOAD_MAX_BYTES, Holding, NewTask, Task
from aragora.control_plane.store.units import Act, Claim, Key, Submit, Submitted, Sweep
from aragora.control_plane.store.write_group import TIDIED_AT_ONCE
from aragora.control_plane.store.writer import TaskWriter
from aragora.encoding import encode, encode_text
from aragora.errors import InvalidInput, NotFound
from aragora.ids import new_id
from aragora.scope import EVERYTHING, Scope
from aragora.storage.storable import check_values
from aragora.texts import check_all, depth_of

PREFIX: Final = "tsk"

_Rule: TypeAlias = Callable[[Task], Step]


def checked_json(value: Any) -> str:
    """A payload or a result as JSON. Raises InvalidInput for what cannot be kept: more than 64 KB, nested too deeply,
    control characters, numbers that are not finite."""
    if depth_of(value, JSON_DEPTH_MAX) > JSON_DEPTH_MAX:
        raise InvalidInput(f"nested deeper than {JSON_DEPTH_MAX} levels")
    try:
        check_all(value, "value")
        text = encode_text(value)
    except (ValueError, TypeError, OverflowError) as error:
        raise InvalidInput(f"it cannot be kept as JSON: {error}") from None
    if len(text.encode()) > PAYLOAD_MAX_BYTES:
        raise InvalidInput(f"more than {PAYLOAD_MAX_BYTES} bytes as JSON: keep it elsewhere, and say here where")
    return text


class Tasks:
    """Tasks in the store of `writer`. A task that is out of a caller's scope does not exist. Every method raises
    Unavailable where the store is away; nothing was written then."""

    def __init__(self, writer: TaskWriter, clock: Clock) -> None:
        self._writer = writer
        self._clock = clock

    async def submit(self, new: NewTask, key: str | None = None) -> Submitted:
        """Make a task. The same `key` of the same person gives the task that it made first. Raises Conflict where that
        was another one, RateLimited where too many are open, InvalidInput."""
        task = machine.submit(new, new_id(PREFIX), self._clock.now())
        known = None if key is None else Key(key, blake2b(encode(_asked(new)), digest_size=16).hexdigest())
        return await self._writer.submit(Submit(task, known))

    async def claim_next(
        self,
        org_id: str,
        workspace: str,
        agent_id: str,
        capabilities: tuple[str, ...] | None = None,
        *,
        lease_s: float = LEASE_S,
    ) -> Task | None:
        """Give an agent the most urgent task that fits it; None where there is none. Without `capabilities` those count
        with which it is registered; raises NotFound (`unknown_agent`) where it is not."""
        return await self._writer.claim(
            Claim(org_id, workspace, agent_id, capabilities, machine.lease_of(lease_s), self._clock.now())
        )

    async def claim(
        self,
        task_id: str,
        scope: Scope,
        agent_id: str,
        capabilities: tuple[str, ...] | None = None,
        *,
        lease_s: float = LEASE_S,
    ) -> Task:
        """Give an agent this task. Raises NotFound, Conflict (`machine.claim`)."""
        now = self._clock.now()

        def rule(task: Task, registered: tuple[str, ...] | None) -> Step:
            able = registered if capabilities is None else capabilities
            if able is None and task.capabilities:
                raise NotFound(
                    f"no agent {agent_id} is registered in this workspace: register it, or say what it can do",
                    code="unknown_agent",
                )
            return machine.claim(task, agent_id, able or (), lease_s, now)

        return await self._writer.act(Act(task_id, scope, rule, now, agent_id if capabilities is None else None))

    async def heartbeat(self, task_id: str, scope: Scope, holding: Holding, *, lease_s: float = LEASE_S) -> Task:
        """Keep a task for `lease_s` seconds more. Raises NotFound, Conflict."""
        now = self._clock.now()
        return await self._act(task_id, scope, lambda task: machine.heartbeat(task, holding, lease_s, now), now)

    async def complete(
        self,
        task_id: str,
        scope: Scope,
        holding: Holding,
        result: str,
        *,
        latency_ms: float | None = None,
        cost_usd: float = 0.0,
    ) -> Task:
        """A task is done, with `result` as JSON. Raises NotFound, Conflict (`machine.complete`)."""
        now = self._clock.now()

        def rule(task: Task) -> Step:
            return machine.complete(task, holding, result, now, latency_ms=latency_ms, cost_usd=cost_usd)

        return await self._act(task_id, scope, rule, now)

    async def fail(
        self,
        task_id: str,
        scope: Scope,
        holding: Holding,
        error: str,
        *,
        again: bool = True,
        latency_ms: float | None = None,
        cost_usd: float = 0.0,
    ) -> Task:
        """An attempt failed; `again` False where no other one can do better. Raises NotFound, Conflict,
        InvalidInput for an error that no database holds."""
        check_values("task", task_id, (error,))
        now = self._clock.now()

        def rule(task: Task) -> Step:
            return machine.fail(task, holding, error, now, again=again, latency_ms=latency_ms, cost_usd=cost_usd)

        return await self._act(task_id, scope, rule, now)

    async def retry(self, task_id: str, scope: Scope) -> Task:
        """Try a task again that failed for good. Raises NotFound, Conflict."""
        now = self._clock.now()
        return await self._act(task_id, scope, lambda task: machine.revive(task, now), now)

    async def cancel(self, task_id: str, scope: Scope) -> Task:
        """Nobody wants a task any more. Raises NotFound, Conflict where it has ended otherwise."""
        now = self._clock.now()
        return await self._act(task_id, scope, lambda task: machine.cancel(task, now), now)

    async def cancel_for(self, execution_id: str, task_id: str) -> Task:
        """An execution does not wait for a task any more that it asked for. Raises NotFound where it did not, Conflict
        where the task has ended otherwise."""
        now = self._clock.now()
        return await self._act(task_id, EVERYTHING, lambda task: serving.cancel_for(task, execution_id, now), now)

    async def sweep(self) -> int:
        """Do what time alone does: end the attempts whose leases ran out, and the tasks whose deadlines passed.
        Returns how many tasks changed."""
        changed = 0
        while True:
            found = await self._writer.sweep(Sweep(self._clock.now()))
            changed += found
            if found < TIDIED_AT_ONCE:
                return changed

    async def _act(self, task_id: str, scope: Scope, rule: _Rule, now: float) -> Task:
        return await self._writer.act(Act(task_id, scope, lambda task, _: rule(task), now))


def _asked(new: NewTask) -> dict[str, Any]:
    """What a request is known by. What came with a later version is left out where nobody set it: a request that is
    repeated after an update is the same. A workflow's is never a person's."""
    told = {field.name: getattr(new, field.name) for field in fields(new)}
    return told if new.serves else {name: value for name, value in told.items() if name != "serves"}
