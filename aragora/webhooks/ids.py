"""Ids that follow from what they name: what is done twice, after a crash or from a backup, has the same ids, so that
a receiver knows what it has had. Pure."""

from __future__ import annotations

import hashlib


def event_id(of: str, seq: int) -> str:
    """The id of an event in the journal of a debate or an execution: the same for all endpoints, retries, replays."""
    return f"{of}:{seq}"


def delivery_id(event_id: str, endpoint_id: str) -> str:
    """The id of the delivery of an event to an endpoint."""
    return f"dlv_{hashlib.sha256(f'{event_id} {endpoint_id}'.encode()).hexdigest()[:32]}"
