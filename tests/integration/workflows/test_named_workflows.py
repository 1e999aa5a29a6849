"""The decision router leads a question to a workflow by name."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from worlds.backends import SetClock
from worlds.local_runs import LocalRuns

from aragora.composition.named_workflows import NamedWorkflows
from aragora.config.settings import Settings
from aragora.debate.proposition import Idempotency, Proposition
from aragora.errors import InvalidInput, NotFound
from aragora.storage.database import Database
from aragora.workflows.model import ExecutionStatus
from aragora.workflows.reading import read
from aragora.workflows.store.definitions import DefinitionStore
from aragora.workflows.store.executions import ExecutionStore
from aragora.workflows.store.pinning import StoredDefinitions

ASKED = Proposition("Three or five?", created_by="ann", org_id="org", workspace="default", options=("3", "5"))
INPUTS = {"question": {}, "options": {"type": "list", "required": False, "default": []}}
SIGN = {"type": "approval", "id": "sign", "approvers": ["role:owner"], "deadline_s": None}


@pytest.fixture
async def named(
    definitions: DefinitionStore, stored: Settings, clock: SetClock, database: Database
) -> AsyncIterator[NamedWorkflows]:
    runs = LocalRuns(stored, clock)
    yield NamedWorkflows(definitions, StoredDefinitions(definitions), runs, clock)
    await runs.aclose()


async def test_a_question_starts_the_workflow_of_that_name_once(
    named: NamedWorkflows, definitions: DefinitionStore, database: Database
) -> None:
    written = read({"name": "Sign it", "inputs": INPUTS, "steps": [SIGN]})
    await definitions.create("org", "default", "eve", written)
    await definitions.create("org", "other", "eve", written)
    key = Idempotency.of("k", ASKED)
    first, again = [await named.start("Sign it", ASKED, key) for _ in range(2)]
    assert first == again
    record = await ExecutionStore(database).record(first.execution_id)
    assert record is not None
    assert (record.status, record.started_by, record.workspace) == (ExecutionStatus.WAITING, "ann", "default")


async def test_a_name_that_the_workspace_does_not_have_is_not_found(
    named: NamedWorkflows, definitions: DefinitionStore
) -> None:
    await definitions.create("org", "other", "eve", read({"name": "Sign it", "inputs": INPUTS, "steps": [SIGN]}))
    for asked in (ASKED, replace(ASKED, org_id="another", workspace="other")):
        with pytest.raises(NotFound, match="ARAGORA_DECISION_RULES"):
            await named.start("Sign it", asked, None)


async def test_a_workflow_that_wants_more_than_a_question_has_says_what(
    named: NamedWorkflows, definitions: DefinitionStore
) -> None:
    await definitions.create("org", "default", "eve", read({"name": "Pay", "inputs": {"amount": {}}, "steps": [SIGN]}))
    with pytest.raises(InvalidInput):
        await named.start("Pay", ASKED, None)
