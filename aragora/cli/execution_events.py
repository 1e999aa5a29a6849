"""The events of an execution, read up to its end whatever happens to the connection on the way.

Each event comes once and in order: what is asked for next is always what follows the last one seen, so a server that
goes away and comes back costs nothing but time.
"""

from __future__ import annotations

import asyncio
import random
import sys
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

from aragora.client import RECONNECT, AragoraClient, NotAragora
from aragora.errors import RateLimited, Unavailable
from aragora.workflows.model import WIRE_NAMES, ExecutionEnded, ExecutionRetried, ExecutionStatus, ReceiptIssued

PATH: Final = "/api/workflow-executions"
LOOK_S: Final = 20.0  # the server holds a request so long where nothing happens
RECEIPT_S: Final = 10.0  # it is issued a moment after the end; without a chain of receipts there is none
PAUSE_S: Final = 0.2
RETRY_AFTER_MAX_S: Final = 60.0
AWAY_S: Final = 300.0  # a restart takes a minute, and a large one some
ENDED: Final = WIRE_NAMES[ExecutionEnded]
RETRIED: Final = WIRE_NAMES[ExecutionRetried]
RECEIPT: Final = WIRE_NAMES[ReceiptIssued]

Event = Mapping[str, Any]


async def followed(client: AragoraClient, execution_id: str, after: int = 0) -> AsyncIterator[Event]:
    """The envelopes of an execution's events after number `after`, up to those of its end and its receipt. One that was
    retried after an end has another end, and is followed to the last.

    Raises NotFound and other refusals of the server; Unavailable or RateLimited where it is away at the beginning, or
    later for longer than a restart takes.
    """
    seen, over, give_up = after, await _ended(client, execution_id), 0.0
    while True:
        page = await _patiently(client, f"{PATH}/{execution_id}/events", after=seen, wait_s=0 if over else LOOK_S)
        new = [event for event in _events(page, client.url) if event["seq"] > seen]
        for event in new:
            seen = event["seq"]
            yield event
            if event["type"] in (ENDED, RETRIED):
                over, give_up = event["type"] == ENDED, time.monotonic() + RECEIPT_S
            elif event["type"] == RECEIPT and over:
                give_up = 0.0
        if new:
            continue
        if over and time.monotonic() >= give_up:
            return
        if over:
            await asyncio.sleep(PAUSE_S)


async def _ended(client: AragoraClient, execution_id: str) -> bool:
    """Whether it has ended: then its end is among the events, or before the first of them that is asked for."""
    found = await client.get(f"{PATH}/{execution_id}")
    try:
        return ExecutionStatus(found["status"]).ended
    except (KeyError, TypeError, ValueError):
        raise _not_aragora(client.url) from None


async def _patiently(client: AragoraClient, path: str, **query: float) -> Any:
    """The answer to GET `path`. A server that is away, or asks for patience, is asked again for a while."""
    began, failures = time.monotonic(), 0
    while True:
        try:
            return await client.get(path, **{name: str(value) for name, value in query.items()})
        except (Unavailable, RateLimited) as away:
            failures += 1
            if time.monotonic() - began >= AWAY_S:
                raise
            if failures == 1:
                sys.stderr.write("aragora: the server is away; asking again ...\n")
            wanted = None if away.retry_after_s is None else min(away.retry_after_s, RETRY_AFTER_MAX_S)
            await asyncio.sleep(RECONNECT.delay_s(failures, random.random(), wanted))


def _events(page: Any, url: str) -> list[Event]:
    try:
        return [event for event in page["events"] if isinstance(event["seq"], int) and isinstance(event["type"], str)]
    except (KeyError, TypeError):
        raise _not_aragora(url) from None


def _not_aragora(url: str) -> NotAragora:
    return NotAragora(f"What answers at {url} is no Aragora server: name one with --url.")
