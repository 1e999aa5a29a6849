"""Tasks and their attempts, read; agents, read and registered."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Select, delete, func, literal, select, tuple_

from aragora.control_plane.model import AGENTS_MAX, Agent, Attempt, Task, TaskState
from aragora.control_plane.serving import Standing
from aragora.control_plane.store.rows import AGENT, ATTEMPT, TASK, agent_of, attempt_of, task_of, text_of
from aragora.control_plane.store.tables import control_agents, control_attempts, control_tasks
from aragora.control_plane.store.write_group import unknown_task
from aragora.encoding import encode_text
from aragora.errors import Conflict, NotFound
from aragora.scope import Scope
from aragora.storage.cursors import Page, Place, cursor_of, place_of
from aragora.storage.database import Database
from aragora.storage.tables import insert_into

RETAINED_S: Final = 30 * 86_400.0
"""How long a task stays after its end. Attempts stay three times as long: recommendations follow from them."""
ATTEMPTS_RETAINED_S: Final = 3 * RETAINED_S
FORGOTTEN_AT_ONCE: Final = 1_000

_OF: Final = control_tasks.c


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which tasks a list has; None means all."""

    state: TaskState | None = None
    type: str | None = None
    agent_id: str | None = None


class TaskStore:
    """Kept in the context `debates`. Every method raises Unavailable where the database is away. What is out of scope
    does not exist."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, task_id: str, scope: Scope) -> Task:
        """Raises NotFound."""
        query = _within(select(*(_OF[name] for name in TASK)).where(_OF.task_id == task_id), control_tasks, scope)
        rows = await self._database.rows(query, "reading a task")
        if not rows:
            raise unknown_task()
        return task_of(rows[0])

    async def standings(self, task_ids: Collection[str]) -> Mapping[str, Standing]:
        """Where these tasks stand, for the workflows that they serve; what is not there (any more) is left out."""
        columns = (_OF.task_id, _OF.state, _OF.result, _OF.error, _OF.agent_id, _OF.cost_usd)
        query = select(*columns).where(_OF.task_id.in_(sorted(task_ids)))
        rows = await self._database.rows(query, "reading what came of tasks") if task_ids else []
        return {row[0]: Standing(TaskState(row[1]), *row[2:]) for row in rows}

    async def attempts(self, task_id: str) -> list[Attempt]:
        """The attempts at a task that are over, the first one first."""
        of = control_attempts.c
        query = select(*(of[name] for name in ATTEMPT)).where(of.task_id == task_id).order_by(of.fence)
        return [attempt_of(row) for row in await self._database.rows(query, "reading attempts at a task")]

    async def page(self, scope: Scope, wanted: Wanted, *, cursor: str | None = None, limit: int = 50) -> Page[Task]:
        """Newest first. Raises InvalidInput for a bad cursor."""
        query = _within(select(*(_OF[name] for name in TASK)), control_tasks, scope)
        if wanted.state is not None:
            query = query.where(_OF.state == wanted.state.value)
        if wanted.type is not None:
            query = query.where(_OF.type == wanted.type)
        if wanted.agent_id is not None:
            query = query.where(_OF.agent_id == wanted.agent_id)
        if cursor is not None:
            place = place_of(cursor)
            query = query.where(tuple_(_OF.created_at, _OF.task_id) < tuple_(literal(place.at), literal(place.id)))
        query = query.order_by(_OF.created_at.desc(), _OF.task_id.desc()).limit(limit + 1)
        found = [task_of(row) for row in await self._database.rows(query, "listing tasks")]
        if len(found) <= limit:
            return Page(tuple(found))
        last = found[limit - 1]
        return Page(tuple(found[:limit]), cursor_of(Place(last.created_at, last.task_id)))

    async def outcomes(self, scope: Scope, since: float, limit: int, *, wanted: str | None = None) -> list[Attempt]:
        """The newest attempts that ended since then, the last one first. `wanted` leaves out those that tell nothing of
        a type of task or a capability; a few of these may be among what is found."""
        of = control_attempts.c
        query = _within(select(*(of[name] for name in ATTEMPT)).where(of.at >= since), control_attempts, scope)
        if wanted is not None:
            query = query.where((of.type == wanted) | of.capabilities.contains(encode_text(wanted), autoescape=True))
        query = query.order_by(of.at.desc(), of.task_id, of.fence).limit(limit)
        return [attempt_of(row) for row in await self._database.rows(query, "reading outcomes of tasks")]

    async def last_ended(self) -> float | None:
        """When the newest attempt of all ended; None where there is none."""
        rows = await self._database.rows(
            select(func.max(control_attempts.c.at)), "reading the newest outcome of a task"
        )
        found: float | None = rows[0][0]
        return found

    async def register(self, agent: Agent) -> Agent:
        """Write what an agent can do, in place of what was known of it; returns it as it is kept. Raises Conflict where
        the organisation has as many agents as it may."""
        table = control_agents
        own = (table.c.org_id == agent.org_id, table.c.workspace == agent.workspace, table.c.agent_id == agent.agent_id)
        values = {name: getattr(agent, name) for name in AGENT} | {"capabilities": text_of(agent.capabilities)}
        new = insert_into(self._database, table).values(values)
        kept = {name: new.excluded[name] for name in ("capabilities", "registered_by", "updated_at")}
        async with self._database.writing("registering an agent") as connection:
            if (await connection.execute(select(table.c.agent_id).where(*own))).first() is None:
                count = select(func.count()).select_from(table).where(table.c.org_id == agent.org_id)
                if (await connection.execute(count)).scalar_one() >= AGENTS_MAX:
                    raise Conflict(
                        f"{AGENTS_MAX} agents are registered in this organisation, the most there may be",
                        code="too_many_agents",
                    )
            statement = new.on_conflict_do_update(index_elements=["org_id", "workspace", "agent_id"], set_=kept)
            row = (await connection.execute(statement.returning(*(table.c[name] for name in AGENT)))).one()
        return agent_of(row)

    async def unregister(self, org_id: str, workspace: str, agent_id: str) -> None:
        """Let an agent be registered no more; what it holds stays with it. Raises NotFound."""
        of = control_agents.c
        gone = delete(control_agents).where(of.org_id == org_id, of.workspace == workspace, of.agent_id == agent_id)
        async with self._database.writing("removing an agent") as connection:
            if not (await connection.execute(gone)).rowcount:
                raise NotFound("No agent of that name is registered in this workspace.", code="unknown_agent")

    async def agents(self, scope: Scope, *, after: str = "", limit: int = AGENTS_MAX) -> list[Agent]:
        """The registered agents, in order of their names, then workspaces."""
        of = control_agents.c
        query = _within(select(*(of[name] for name in AGENT)).where(of.agent_id > after), control_agents, scope)
        query = query.order_by(of.agent_id, of.workspace).limit(limit)
        return [agent_of(row) for row in await self._database.rows(query, "listing agents")]

    async def forget(self, now: float) -> int:
        """Delete up to `FORGOTTEN_AT_ONCE` tasks, and as many attempts, whose time is over; returns how many rows: call
        again until it is 0."""
        old = select(_OF.task_id).where(_OF.ended_at.is_not(None), _OF.ended_at < now - RETAINED_S)
        old = old.order_by(_OF.ended_at).limit(FORGOTTEN_AT_ONCE)
        of = control_attempts.c
        past = select(of.task_id, of.fence).where(of.at < now - ATTEMPTS_RETAINED_S).limit(FORGOTTEN_AT_ONCE)
        async with self._database.writing("forgetting tasks") as connection:
            tasks = await connection.execute(delete(control_tasks).where(_OF.task_id.in_(old)))
            attempts = await connection.execute(delete(control_attempts).where(tuple_(of.task_id, of.fence).in_(past)))
        return tasks.rowcount + attempts.rowcount


def _within(query: Select[Any], table: Any, scope: Scope) -> Select[Any]:
    if scope.org_id is not None:
        query = query.where(table.c.org_id == scope.org_id)
    return query if scope.workspaces is None else query.where(table.c.workspace.in_(sorted(scope.workspaces)))
