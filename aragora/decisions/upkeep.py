"""The durable job of kept decisions: it judges debates that have ended, and deletes what nobody is given any more."""

from __future__ import annotations

from typing import Final

from aragora.background import Job
from aragora.decisions.router import Router
from aragora.decisions.store.requests import Requests
from aragora.texts import counted

EVERY_S: Final = 60.0
_JUDGED_AT_ONCE: Final = 200


def keeping_decisions(router: Router, requests: Requests) -> Job:
    """The job. Without it entries are judged when they are asked for; figures would tell of them later."""

    async def keep() -> str:
        judged = 0
        for entry in await router.entries.ended(_JUDGED_AT_ONCE):
            if entry.status is not None:
                await router.judge(entry)
                judged += 1
        now = router.clock.now()
        stale = await router.entries.forget_stale(now)
        await requests.forget(now)
        return f"judged {counted(judged, 'decision')}, forgot {stale}"

    return Job("keep decisions", EVERY_S, keep)
