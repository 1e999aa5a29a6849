"""The inbox of approvals in Redis is brought into agreement with the database, whatever Redis lost or missed.

The outbox tells Redis of every change; what Redis forgets after that (it began anew without its file, or with an old
one), or never heard of (it was chosen while people were asked already), is found by comparing what waits. Where an
approval that waits was missing for longer than the outbox takes, the closed ones are compared too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import structlog

from aragora.background import Job
from aragora.clock import Clock
from aragora.errors import NotFound
from aragora.scope import EVERYTHING
from aragora.workflows.approvals import ApprovalRecord, ApprovalRequestStore, Wanted
from aragora.workflows.model import ApprovalStatus
from aragora.workflows.store.approvals import OpenedApprovals

EVERY_S: Final = 300.0
LATE_S: Final = 60.0
"""An approval that was opened so long ago and is not in the inbox was lost there."""
PAGE: Final = 200
WAITING: Final = Wanted(status=ApprovalStatus.PENDING)

log: Final = structlog.get_logger("aragora.workflows")


def agreeing(kept: ApprovalRequestStore, opened: Callable[[], OpenedApprovals], clock: Clock) -> Job:
    """The job for an inbox that is not the database; it is `opened` and closed with each run."""

    async def run() -> str:
        inbox = opened()
        try:
            count = await agree(kept, inbox, clock.now())
        finally:
            await inbox.aclose()
        return f"{count} approvals differed" if count else "the inbox agrees"

    return Job("inbox of approvals", EVERY_S, run)


async def agree(kept: ApprovalRequestStore, inbox: ApprovalRequestStore, now: float) -> int:
    """Put into `inbox` what it has otherwise than `kept` at `now` (seconds since the epoch); returns how many these
    were. What changes meanwhile may be among them: that does no harm. Raises Unavailable."""
    here, there = await _all(kept, WAITING), await _all(inbox, WAITING)
    if any(one.approval_id not in there and one.state.opened_at < now - LATE_S for one in here.values()):
        log.warning("the inbox of approvals has lost some: all of it is compared")
        here, there = await _all(kept, Wanted()), await _all(inbox, Wanted())
    versions = {key: one.version for key, one in here.items()}
    differing = [key for key in here.keys() | there.keys() if versions.get(key) != _version(there.get(key))]
    for approval_id in sorted(differing):
        try:
            record = await kept.get(EVERYTHING, approval_id)
        except NotFound:
            log.warning("the inbox has an approval that the database has not", approval=approval_id)
            continue
        await inbox.put([record])
    return len(differing)


async def _all(store: ApprovalRequestStore, wanted: Wanted) -> dict[str, ApprovalRecord]:
    """Of all organisations, by id."""
    found: dict[str, ApprovalRecord] = {}
    cursor: str | None = None
    while True:
        page = await store.page(EVERYTHING, wanted, cursor=cursor, limit=PAGE)
        found |= {one.approval_id: one for one in page.items}
        cursor = page.next_cursor
        if cursor is None:
            return found


def _version(record: ApprovalRecord | None) -> int | None:
    return None if record is None else record.version
