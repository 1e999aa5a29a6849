"""Workflows as definitions: written, checked, changed, listed; and the templates to begin with.

A definition that has faults is refused with 422, and `faults` beside the error holds each with its path in the
document. Whoever saves one needs the rights for what its steps do. Checking may take a second of work for the largest
documents, so a thread does it.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated, Any, Final

from fastapi import Header, Path, Query
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from starlette.responses import Response

from aragora import limits
from aragora.debate.proposition import Idempotency
from aragora.encoding import decode
from aragora.errors import Forbidden, InvalidInput, NotFound
from aragora.identity import workspaces
from aragora.identity.audit import Outcome
from aragora.identity.auditing import audited
from aragora.identity.rbac import (
    WORKFLOWS_CREATE,
    WORKFLOWS_DELETE,
    WORKFLOWS_READ,
    WORKFLOWS_UPDATE,
    permission,
)
from aragora.scope import Scope
from aragora.server.chapter import Call, Chapter
from aragora.server.failures import failure
from aragora.server.knowledge import covered, reach
from aragora.server.ports import AuditTrail
from aragora.server.schemas import IdempotencyKey, Line, Workspace, Workspaces
from aragora.server.views import UNCACHED, json_response
from aragora.server.workflow_views import (
    JsonSchema,
    TemplateDetail,
    TemplateList,
    Validation,
    VersionList,
    VersionView,
    WorkflowDetail,
    WorkflowList,
    WorkflowView,
)
from aragora.workflows.checking import OWNER, Checked, checked, rights_needed
from aragora.workflows.faults import Fault, InvalidDefinition, bounded, refused
from aragora.workflows.nesting import faults_of_nesting
from aragora.workflows.reading import Written, json_schema, read
from aragora.workflows.step_rules import Surroundings
from aragora.workflows.store.definitions import (
    PREFIX,
    VERSIONS_MAX,
    DefinitionStore,
    Head,
    Running,
    Version,
    Wanted,
    unknown_workflow,
)
from aragora.workflows.store.pinning import StoredDefinitions
from aragora.workflows.templates import Template, template, templates

_WORKFLOW_ID: Final = re.compile(rf"{PREFIX}_[0-9a-f]{{32}}")
_TAG: Final = re.compile(r'(?:W/)?"?([1-9][0-9]{0,6})"?')
_LIST_MAX: Final = 500


@dataclass(frozen=True, slots=True)
class WorkflowPorts:
    """What these routes call. The store connects with its first use; `versions` reads what it keeps. `running` None:
    nothing executes workflows.
    `surroundings` is what the server has: agents, protocols."""

    definitions: DefinitionStore
    versions: StoredDefinitions
    running: Running | None
    surroundings: Surroundings
    audit: AuditTrail


workflows: Chapter[WorkflowPorts] = Chapter("workflows")


def _of_a_workflow(text: str) -> str:
    """Raises NotFound for what no workflow is called, before any store is asked."""
    if _WORKFLOW_ID.fullmatch(text) is None:
        raise unknown_workflow()
    return text


WorkflowId = Annotated[str, Path(), AfterValidator(_of_a_workflow)]
_Number = Annotated[int, Field(ge=1, le=VERSIONS_MAX)]
_Document = Annotated[
    dict[str, Any], Field(description="the definition; GET /api/workflows/schema has its JSON Schema")
]
_Filter = Annotated[Line | None, Query(min_length=1, max_length=limits.NAME_MAX_CHARS)]
_IfMatch = Annotated[Line | None, Header(alias="If-Match", max_length=32)]
_TemplateId = Annotated[Line, Field(min_length=1, max_length=limits.NAME_MAX_CHARS)]


class _Asking(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    @model_validator(mode="before")
    @classmethod
    def _wrapped(cls, given: Any) -> Any:
        if isinstance(given, dict) and "steps" in given:
            raise ValueError('the workflow stands in `definition`: send {"definition": {"name": ..., "steps": [...]}}')
        return given


class CreateWorkflow(_Asking):
    """A definition, or the template whose definition it begins with."""

    definition: _Document | None = None
    template: Annotated[_TemplateId | None, Field(description="GET /api/workflow-templates lists them")] = None
    name: Annotated[
        Line | None,
        Field(min_length=1, max_length=limits.NAME_MAX_CHARS, description="in place of the definition's own"),
    ] = None
    workspace: Annotated[Workspace | None, Field(description="unsaid: the API key's, else `default`")] = None


class ChangeWorkflow(_Asking):
    """The definition from which new executions begin."""

    definition: _Document
    version: Annotated[_Number | None, Field(description="the version that it replaces; or send If-Match")] = None


class ValidateWorkflow(_Asking):
    """A definition that is looked at, and not kept."""

    definition: _Document
    workflow_id: Annotated[
        Line | None, Field(max_length=limits.NAME_MAX_CHARS, description="the workflow that it would change")
    ] = None


# --- Routes: fixed paths stand before {workflow_id}


@workflows.get("/api/workflows", needs=WORKFLOWS_READ, gives=WorkflowList)
async def listing(
    call: Call[WorkflowPorts],
    *,
    category: _Filter = None,
    tag: _Filter = None,
    search: Annotated[
        Line | None, Query(min_length=1, max_length=limits.NAME_MAX_CHARS, description="a part of the name")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=_LIST_MAX)] = 50,
    cursor: Annotated[Line | None, Query(max_length=512)] = None,
    workspace: Workspaces = None,
) -> Response:
    """Those of a workspace, newest first; `next_cursor` leads to the next page and is null on the last."""
    wanted = Wanted(category, tag, search)
    page = await call.ports.definitions.page(covered(call, workspace), wanted, cursor=cursor, limit=limit)
    shown = {"workflows": [_view(one) for one in page.items], "next_cursor": page.next_cursor}
    return json_response(shown, headers=UNCACHED)


@workflows.post("/api/workflows", needs=WORKFLOWS_CREATE, gives=WorkflowDetail, status=201, refuses=(404, 409))
async def create(call: Call[WorkflowPorts], body: CreateWorkflow, idempotency_key: IdempotencyKey = None) -> Response:
    """Keep a new workflow, at version 1. Give its definition, or a template to begin with. A definition with faults is
    refused with each of them (`faults`). The same Idempotency-Key returns the workflow that it made first."""
    document = _begun(body)
    workspace = workspaces.chosen(call.who, body.workspace)
    try:
        written = await _accepted(call, document, Scope(call.who.org_id, frozenset({workspace})))
    except InvalidDefinition as wrong:
        return _refusal(call, wrong)
    async with _noted(call, "create", "", digest=written.digest):
        who, idempotency = call.who, Idempotency(idempotency_key, written.digest) if idempotency_key else None
        made = await call.ports.definitions.create(who.org_id, workspace, who.user_id, written, idempotency)
    location = {"Location": f"/api/workflows/{made.workflow_id}"}
    if made.digest == written.digest:
        return _detail(made, decode(written.text), 201, location)
    _, changed = await call.ports.definitions.get(made.workflow_id, reach(call))
    return _detail(made, decode(changed.document), 201, location)


@workflows.post("/api/workflows/validate", needs=WORKFLOWS_CREATE, gives=Validation)
async def validate(call: Call[WorkflowPorts], body: ValidateWorkflow) -> Response:
    """Look at a definition without keeping it: its faults, the most that an execution may run and cost, and the rights
    that saving it takes."""
    try:
        written, found = await _looked_through(call, body.definition, await _place_of(call, body), body.workflow_id)
    except InvalidDefinition as wrong:
        return json_response(_validation(Checked(wrong.faults, None), None), headers=UNCACHED)
    return json_response(_validation(found, written), headers=UNCACHED)


@workflows.get("/api/workflows/schema", needs=WORKFLOWS_READ, gives=JsonSchema)
async def schema(call: Call[WorkflowPorts]) -> Response:  # noqa: ARG001  the policy is all that it needs
    """The JSON Schema of definitions. What it cannot say, POST /api/workflows/validate does."""
    return json_response(json_schema())


@workflows.get("/api/workflow-templates", needs=WORKFLOWS_READ, gives=TemplateList)
async def template_list(call: Call[WorkflowPorts]) -> Response:  # noqa: ARG001  the policy is all that it needs
    """Workflows to begin with."""
    return json_response({"templates": [_template(one) for one in templates().values()]})


@workflows.get("/api/workflow-templates/{template_id}", needs=WORKFLOWS_READ, gives=TemplateDetail)
async def template_detail(call: Call[WorkflowPorts], template_id: _TemplateId) -> Response:  # noqa: ARG001  see above
    """One of them, with its definition."""
    found = template(template_id)
    return json_response({**_template(found), "definition": found.document})


@workflows.get("/api/workflows/{workflow_id}", needs=WORKFLOWS_READ, gives=WorkflowDetail)
async def get(
    call: Call[WorkflowPorts], workflow_id: WorkflowId, version: Annotated[_Number | None, Query()] = None
) -> Response:
    """A workflow, with its latest definition or that of `version`. The ETag is the latest version: If-Match takes
    it."""
    head, found = await call.ports.definitions.get(workflow_id, reach(call), version)
    return _detail(head, decode(found.document), 200, shown=found)


@workflows.patch("/api/workflows/{workflow_id}", needs=WORKFLOWS_UPDATE, gives=WorkflowDetail, refuses=(409,))
async def change(
    call: Call[WorkflowPorts],
    workflow_id: WorkflowId,
    body: ChangeWorkflow,
    if_match: _IfMatch = None,
) -> Response:
    """Give a workflow another definition: a new version, from which new executions begin. Those that have begun go on
    with theirs. Name the version that it replaces, in `version` or If-Match; 409 `version_conflict` where it is not the
    latest. The same definition again changes nothing."""
    version = _replaced(body.version, if_match)
    head, _ = await call.ports.definitions.get(workflow_id, reach(call))
    within = Scope(head.org_id, frozenset({head.workspace}))
    try:
        written = await _accepted(call, body.definition, within, workflow_id)
    except InvalidDefinition as wrong:
        return _refusal(call, wrong)
    async with _noted(call, "change", workflow_id, digest=written.digest):
        kept = await call.ports.definitions.change(workflow_id, reach(call), call.who.user_id, written, version=version)
    return _detail(kept, decode(written.text), 200)


@workflows.delete("/api/workflows/{workflow_id}", needs=WORKFLOWS_DELETE, gives=None, status=204, refuses=(409,))
async def delete(call: Call[WorkflowPorts], workflow_id: WorkflowId, if_match: _IfMatch = None) -> Response:
    """Take a workflow away. 409 `workflow_running` where executions of it have not ended; with If-Match, 409
    `version_conflict` where the latest version is another one."""
    version = None if if_match is None else _replaced(None, if_match)
    async with _noted(call, "delete", workflow_id):
        await call.ports.definitions.delete(workflow_id, reach(call), call.ports.running, version=version)
    return Response(status_code=204)


@workflows.get("/api/workflows/{workflow_id}/versions", needs=WORKFLOWS_READ, gives=VersionList)
async def version_list(
    call: Call[WorkflowPorts],
    workflow_id: WorkflowId,
    *,
    before: Annotated[int | None, Query(ge=1, le=VERSIONS_MAX + 1, description="only versions before this one")] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> Response:
    """The versions of a workflow, the latest first."""
    found = await call.ports.definitions.versions(workflow_id, reach(call), before=before, limit=limit + 1)
    listed = [_version(one) for one in found[:limit]]
    following = found[limit - 1].version if len(found) > limit else None
    return json_response({"versions": listed, "next_before": following}, headers=UNCACHED)


def _begun(body: CreateWorkflow) -> dict[str, Any]:
    """The document that is asked for. Raises InvalidInput, NotFound."""
    if body.definition is not None and body.template is None:
        document = body.definition
    elif body.template is not None and body.definition is None:
        document = template(body.template).document
    else:
        raise InvalidInput("Give either a definition or a template.")
    return document if body.name is None else {**document, "name": body.name}


def _looked_at(document: dict[str, Any], around: Surroundings) -> tuple[Written, Checked]:
    """Raises InvalidDefinition where the document cannot be read."""
    written = read(document)
    return written, checked(written.definition, around)


async def _looked_through(
    call: Call[WorkflowPorts], document: dict[str, Any], within: Scope, workflow_id: str | None
) -> tuple[Written, Checked]:
    """As `_looked_at`, with what it would start `within` one workspace. Raises InvalidDefinition, Unavailable."""
    written, found = await asyncio.to_thread(_looked_at, document, _around(call, workflow_id))
    nested = await faults_of_nesting(written.definition, workflow_id, partial(call.ports.versions.within, within))
    return written, replace(found, faults=bounded((*found.faults, *nested)))


async def _place_of(call: Call[WorkflowPorts], body: ValidateWorkflow) -> Scope:
    """The workspace of the workflow that would be changed; else the one in which a new one would be."""
    if body.workflow_id is not None and _WORKFLOW_ID.fullmatch(body.workflow_id):
        with suppress(NotFound):
            head, _ = await call.ports.definitions.get(body.workflow_id, reach(call))
            return Scope(head.org_id, frozenset({head.workspace}))
    return Scope(call.who.org_id, frozenset({workspaces.chosen(call.who, None)}))


async def _accepted(
    call: Call[WorkflowPorts], document: dict[str, Any], within: Scope, workflow_id: str | None = None
) -> Written:
    """The definition, where it has no fault and the caller may save it. Raises InvalidDefinition, Forbidden."""
    written, found = await _looked_through(call, document, within, workflow_id)
    if found.faults:
        raise refused(found.faults)
    for right in sorted(rights_needed(written.definition)):
        if right != OWNER:
            call.require(permission(right))
        elif "owner" not in call.who.roles:
            raise Forbidden(
                "An approval with `on_expiry: approve` is given by nobody once its time is over: only an owner may "
                "save it. Say `expire`, or ask an owner.",
                code="owner_needed",
            )
    return written


def _around(call: Call[WorkflowPorts], workflow_id: str | None) -> Surroundings:
    has = call.ports.surroundings
    return Surroundings(workflow_id, has.agents, has.protocols, has.consensus)


def _replaced(version: int | None, if_match: str | None) -> int:
    """The version that is to be replaced. Raises InvalidInput where none is named, or two are."""
    if if_match is None:
        if version is None:
            raise InvalidInput(
                "Name the version that this replaces, in `version` or If-Match: read the workflow first.",
                code="version_needed",
            )
        return version
    tag = _TAG.fullmatch(if_match.strip())
    if tag is None:
        raise InvalidInput('If-Match is no version of a workflow: send the ETag of the latest one, such as "1".')
    if version is not None and version != int(tag[1]):
        raise InvalidInput("If-Match and version name two versions: send one of them.")
    return int(tag[1])


@asynccontextmanager
async def _noted(call: Call[WorkflowPorts], action: str, target: str, **details: str) -> AsyncIterator[None]:
    """Write to the audit log what the caller does, then do the block; where that is refused, a second entry says so.
    Raises Unavailable: what cannot be audited is not done."""
    who = call.who

    async def note(outcome: Outcome, /, **of: str) -> None:
        await call.ports.audit.note(
            call.visit, f"workflow.{action}", who.actor, who.org_id, outcome, subject=who.user_id, target=target, **of
        )

    async with audited(note, **details):
        yield


def _refusal(call: Call[WorkflowPorts], wrong: InvalidDefinition) -> Response:
    faults = [_fault(one) for one in wrong.faults]
    return failure(call.request.scope, wrong.status, wrong.code, wrong.message, extra={"faults": faults})


def _fault(one: Fault) -> dict[str, str]:
    return {"path": one.path, "code": one.code, "message": one.message}


def _validation(found: Checked, written: Written | None) -> dict[str, Any]:
    return {
        "ok": not found.faults,
        "faults": [_fault(one) for one in found.faults],
        "bounds": found.bounds,
        "rights": [] if written is None else sorted(rights_needed(written.definition)),
        "digest": None if written is None else written.digest,
    }


def _view(head: Head) -> dict[str, Any]:
    return {name: getattr(head, name) for name in WorkflowView.model_fields}


def _detail(
    head: Head,
    document: Any,
    status: int,
    headers: dict[str, str] | None = None,
    *,
    shown: Version | None = None,
) -> Response:
    number = head.version if shown is None else shown.version
    view = {**_view(head), "shown_version": number, "definition": document}
    return json_response(view, status, {**UNCACHED, "ETag": f'"{head.version}"', **(headers or {})})


def _version(one: Version) -> dict[str, Any]:
    return {name: getattr(one, name) for name in VersionView.model_fields}


def _template(one: Template) -> dict[str, Any]:
    of, document = one.written.definition, one.document
    return {
        "template_id": one.template_id,
        "name": of.name,
        "description": of.description,
        "category": of.category,
        "tags": list(of.tags),
        "inputs": document.get("inputs", {}),
        "steps": len(of.steps),
    }
