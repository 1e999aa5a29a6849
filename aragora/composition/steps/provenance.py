"""Where what an execution writes into the Knowledge Mound comes from.

It is no word of the execution's own. What it writes of a debate is that debate's, with its receipt: it goes with the
debate where that is forgotten, and supports nothing that the debate had been shown. What it writes of a task is the
task's; of anything else the word of whoever started it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol

from aragora.knowledge.lessons import Lessons
from aragora.knowledge.model import Home, Source, SourceKind, debate_root, person_root, task_root
from aragora.knowledge.roots import lineage
from aragora.knowledge.store.reading import KnowledgeReader
from aragora.knowledge.taught import TaughtDebate
from aragora.workflows.definition import DEPTH_MAX
from aragora.workflows.journal import readable
from aragora.workflows.model import Ask, Event, ExecutionStarted
from aragora.workflows.origins import Origins, all_origins, origins_of
from aragora.workflows.ports import Definitions
from aragora.workflows.records import ExecutionRecord

HISTORY_MAX: Final = 5_000
"""The last events of an execution that are looked through for what a text came of."""
ORIGINS_MAX: Final = 50
"""The debates, tasks and items that count as behind a text, the newest of each."""
_PAGE: Final = 1_000


class Journals(Protocol):
    """Executions (`aragora.workflows.store.executions.ExecutionStore`)."""

    async def record(self, execution_id: str) -> ExecutionRecord | None: ...

    async def journal(self, execution_id: str, after: int = 0, limit: int = 500) -> list[str]: ...


@dataclass(frozen=True, slots=True)
class _Behind:
    """The debates and tasks behind a text."""

    debates: Sequence[TaughtDebate]
    tasks: Sequence[str]

    @property
    def roots(self) -> set[str]:
        """Theirs, and of all that the debates had been shown."""
        offered = (root for one in self.debates for root in (_root(one), *one.offered.roots))
        return {*map(task_root, self.tasks), *offered}


class Provenance:
    """Over the journals of executions and debates. `lessons` makes a reader of debates, for one text."""

    def __init__(
        self, journals: Journals, definitions: Definitions, lessons: Callable[[], Lessons], reader: KnowledgeReader
    ) -> None:
        self._journals = journals
        self._definitions = definitions
        self._lessons = lessons
        self._reader = reader

    async def of(self, ask: Ask, started: ExecutionStarted, at: float) -> tuple[Source, ...]:
        """The sources of the text that an ask brings, at `at` in seconds since the epoch. Raises NotFound where the
        definition is gone, Unavailable."""
        pinned = await self._definitions.pinned(started.workflow_id, started.version)
        filled, earlier = origins_of(pinned.definition, ask.step, await self._history(started.execution_id))
        home, lessons = Home(started.org_id, started.workspace), self._lessons()
        behind, before = [await self._behind(one, home, lessons) for one in (filled, earlier)]
        items = await self._reader.some(home.scope, [*earlier.items, *filled.items][-ORIGINS_MAX:])
        shown = {*lineage(items), *behind.roots, *before.roots}

        def brought(source: Source) -> Source:
            exposed = tuple(sorted(shown - {source.root}))
            by, execution_id = started.started_by, started.execution_id
            return replace(
                source, kind=SourceKind.WORKFLOW, at=at, exposed=exposed, person=by, execution_id=execution_id
            )

        if behind.debates:
            return tuple(brought(one.source(_decided_at(one))) for one in behind.debates)
        roots = [task_root(one) for one in behind.tasks] or [person_root(started.started_by)]
        return tuple(brought(Source(SourceKind.WORKFLOW, root, at)) for root in roots)

    async def _behind(self, origins: Origins, home: Home, lessons: Lessons) -> _Behind:
        debates, tasks = await self._all(origins, 1)
        found = [await lessons.of(one) for one in debates[-ORIGINS_MAX:]]
        mine = [one for one in found if one is not None and one.home == home]
        return _Behind(mine, tasks[-ORIGINS_MAX:])

    async def _all(self, origins: Origins, depth: int) -> tuple[list[str], list[str]]:
        """The debates and tasks, those of the executions that were started among them."""
        debates, tasks = list(origins.debates), list(origins.tasks)
        for execution_id in origins.executions[-ORIGINS_MAX:] if depth < DEPTH_MAX else ():
            inner = await self._all(all_origins(await self._history(execution_id)), depth + 1)
            debates += inner[0]
            tasks += inner[1]
        return debates, tasks

    async def _history(self, execution_id: str) -> list[Event]:
        record = await self._journals.record(execution_id)
        events: list[Event] = []
        after = 0 if record is None else max(0, record.last_seq - HISTORY_MAX)
        while payloads := await self._journals.journal(execution_id, after, _PAGE):
            events += readable(payloads)
            after += len(payloads)
        return events


def _root(debate: TaughtDebate) -> str:
    return debate_root(debate.spec.debate_id)


def _decided_at(debate: TaughtDebate) -> int | None:
    """The seq of its decision."""
    return None if debate.decision is None else debate.decision[0]
