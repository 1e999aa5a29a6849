"""The settings of workflows."""

from __future__ import annotations

from pydantic import BaseModel

from aragora.config.variables import variable


class WorkflowSettings(BaseModel):
    """Chapter `Workflows` of docs/ENVIRONMENT.md."""

    workflow_execution_days: float = variable(
        "ARAGORA_WORKFLOW_EXECUTION_DAYS",
        "Days that executions are kept which have ended, with their journals and approvals. Their receipts stay.",
        default=90,
        ge=1,
        le=36_500,
    )
