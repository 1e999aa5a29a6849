"""What a person decides on who answers an approval, as one document with one digest. Pure.

A stranger who has the document can make the digest again: SHA-256, in hex, of its canonical JSON (RFC 8785).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from aragora.receipts.canonical import canonical, digest
from aragora.workflows.definition import Approval

FORMAT: Final = "aragora.approval/1"


def content_of(title: str, shown: Mapping[str, str], policy: Approval) -> dict[str, Any]:
    """The document: what is shown, by whose word it is decided and how, what is ticked off, and which step follows each
    outcome; null: its block ends there after `approved`, and the step has failed after another one."""
    return {
        "format": FORMAT,
        "title": title,
        "shown": dict(shown),
        "approvers": list(policy.approvers),
        "quorum": policy.quorum,
        "veto": policy.veto,
        "allow_requester": policy.allow_requester,
        "allow_author": policy.allow_author,
        "deadline_s": policy.deadline_s,
        "escalations": [{"approvers": list(one.approvers), "deadline_s": one.deadline_s} for one in policy.escalations],
        "on_expiry": policy.on_expiry,
        "checklist": [{"id": one.id, "label": one.label, "required": one.required} for one in policy.checklist],
        "comment": policy.comment,
        "follows": dict(follows(policy)),
    }


def follows(policy: Approval) -> Mapping[str, str | None]:
    """The step that follows each outcome."""
    otherwise = policy.next if policy.optional else None
    found = {outcome: policy.on.get(outcome, otherwise) for outcome in ("rejected", "expired")}
    return {"approved": policy.next, **found}


def digest_of(title: str, shown: Mapping[str, str], policy: Approval) -> str:
    """The digest of the document. Raises NotCanonical for texts that hold half of a character."""
    return digest(canonical(content_of(title, shown, policy)))
