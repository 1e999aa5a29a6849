"""Workflows that the decision router leads to: found by name in the question's workspace, started with the question."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aragora.clock import Clock
from aragora.debate.budget import micros_of
from aragora.debate.proposition import Idempotency, Proposition
from aragora.decisions.ports import Started
from aragora.errors import NotFound
from aragora.ids import new_id
from aragora.scope import Scope
from aragora.server.chapters.workflow_executions import PREFIX, ExecutionCommands
from aragora.workflows.definition import Definition
from aragora.workflows.ports import Definitions
from aragora.workflows.starting import first_event
from aragora.workflows.store.definitions import DefinitionStore, Head, Wanted


class NamedWorkflows:
    """Fulfils `aragora.decisions.ports.Workflows`. Which workflow a question goes to, the operator's rules say; its
    steps are done in the name of whoever asked."""

    def __init__(
        self, workflows: DefinitionStore, definitions: Definitions, commands: ExecutionCommands, clock: Clock
    ) -> None:
        self._workflows = workflows
        self._definitions = definitions
        self._commands = commands
        self._clock = clock

    async def start(self, workflow: str, proposition: Proposition, idempotency: Idempotency | None) -> Started:
        """Start the newest workflow of this name. Raises NotFound where the workspace has none; InvalidInput where it
        wants more than a question has; Conflict, Unavailable."""
        head = await self._found(workflow, Scope(proposition.org_id, frozenset({proposition.workspace})))
        pinned = await self._definitions.pinned(head.workflow_id, head.version)
        started = first_event(
            pinned,
            given(pinned.definition, proposition),
            execution_id=new_id(PREFIX),
            started_by=proposition.created_by,
            org_id=proposition.org_id,
            workspace=proposition.workspace,
            now=self._clock.now(),
            budget_micros=None if proposition.budget_usd is None else micros_of(proposition.budget_usd),
        )
        kept = await self._commands.start(started, idempotency)
        return Started(workflow, kept.record.execution_id)

    async def _found(self, name: str, scope: Scope) -> Head:
        cursor: str | None = None
        while True:
            page = await self._workflows.page(scope, Wanted(search=name), cursor=cursor)
            for head in page.items:
                if head.name == name:
                    return head
            cursor = page.next_cursor
            if cursor is None:
                raise NotFound(
                    f"The rules lead to the workflow {name!r}, and this workspace has none of that name: make it, or"
                    " change the rules (ARAGORA_DECISION_RULES).",
                    code="unknown_workflow",
                )


def given(definition: Definition, proposition: Proposition) -> Mapping[str, Any]:
    """What a question brings, of what a workflow takes."""
    known: dict[str, Any] = {
        "question": proposition.question,
        "context": proposition.context,
        "domain": proposition.domain,
        "options": list(proposition.options),
    }
    return {name: value for name, value in known.items() if name in definition.inputs and value}
