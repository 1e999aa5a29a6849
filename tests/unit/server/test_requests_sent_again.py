"""Whoever heard no answer may send a request again: each write of workflows, approvals and decisions may come twice.

A route takes an Idempotency-Key, or there is a reason here why it needs none.
"""

from __future__ import annotations

from typing import Any, Final

import pytest

from aragora.server.chapter import Chapter
from aragora.server.chapters.decisions import decisions
from aragora.server.chapters.workflow_approvals import workflow_approvals
from aragora.server.chapters.workflow_executions import workflow_executions
from aragora.server.chapters.workflows import workflows

CHAPTERS: Final[tuple[Chapter[Any], ...]] = (workflows, workflow_executions, workflow_approvals, decisions)
WITHOUT_KEY: Final = {
    ("POST", "/api/workflows/validate"): "it keeps nothing",
    (
        "PATCH",
        "/api/workflows/{workflow_id}",
    ): "it names the version that it replaces, and the same document changes none",
    ("DELETE", "/api/workflows/{workflow_id}"): "what is gone is 404",
    ("POST", "/api/workflow-executions/{execution_id}/pause"): "one that is paused stays so",
    ("POST", "/api/workflow-executions/{execution_id}/resume"): "one that goes on does so",
    ("POST", "/api/workflow-executions/{execution_id}/cancel"): "one that is being cancelled, or is, stays so",
    ("POST", "/api/workflow-approvals/resolve"): "a person's answer counts once: the same again gets the same",
}
WRITES: Final = {
    (method, route.path): route
    for chapter in CHAPTERS
    for route in chapter.routes
    for method in route.methods - {"GET", "HEAD"}
}


@pytest.mark.parametrize(("method", "path"), list(WRITES), ids=" ".join)
def test_a_write_takes_a_key_or_has_a_reason_why_it_needs_none(method: str, path: str) -> None:
    takes = {one.alias for one in WRITES[method, path].dependant.header_params}
    assert ("Idempotency-Key" in takes) != ((method, path) in WITHOUT_KEY)


def test_every_reason_is_of_a_route() -> None:
    assert WITHOUT_KEY.keys() <= WRITES.keys()
