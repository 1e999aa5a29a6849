"""What the routes of workflows show."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field


class FaultView(BaseModel):
    path: Annotated[str, Field(description="its place: steps[2].approval.deadline_s; empty: the whole document")]
    code: str
    message: str


class BoundsView(BaseModel):
    step_runs: int
    usd: Annotated[float | None, Field(description="null: no budget bounds it")]


class Validation(BaseModel):
    ok: bool
    faults: list[FaultView]
    bounds: Annotated[
        BoundsView | None, Field(description="the most that an execution may run and cost; null where that is unknown")
    ]
    rights: Annotated[list[str], Field(description="what saving it takes: permissions, and role:owner")]
    digest: Annotated[str | None, Field(description="SHA-256 of its canonical JSON")]


class WorkflowView(BaseModel):
    workflow_id: str
    workspace: str
    version: Annotated[int, Field(description="the latest")]
    name: str
    description: str
    category: str
    tags: list[str]
    digest: str
    created_at: float
    created_by: str
    updated_at: float
    updated_by: str


class WorkflowDetail(WorkflowView):
    shown_version: Annotated[int, Field(description="the version whose definition this is")]
    definition: dict[str, Any]


class WorkflowList(BaseModel):
    workflows: list[WorkflowView]
    next_cursor: str | None


class VersionView(BaseModel):
    version: int
    digest: str
    created_at: float
    created_by: str


class VersionList(BaseModel):
    versions: list[VersionView]
    next_before: Annotated[int | None, Field(description="`before` of the next page; null on the last")]


class TemplateView(BaseModel):
    template_id: str
    name: str
    description: str
    category: str
    tags: list[str]
    inputs: Annotated[dict[str, Any], Field(description="what its executions are given")]
    steps: int


class TemplateDetail(TemplateView):
    definition: dict[str, Any]


class TemplateList(BaseModel):
    templates: list[TemplateView]


class JsonSchema(BaseModel):
    model_config = ConfigDict(extra="allow")
