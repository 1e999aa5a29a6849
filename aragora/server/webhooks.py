"""What the chapters of webhooks share: their ports, the ids in their paths, audit entries, and telling the
dispatcher."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Final

import structlog
from fastapi import Path, Query
from pydantic import AfterValidator, ConfigDict

from aragora.clock import Clock
from aragora.errors import Fenced, InvalidInput, NotFound, Unavailable
from aragora.identity.audit import Outcome
from aragora.identity.auditing import audited
from aragora.identity.rate_limits import RateLimits
from aragora.ids import could_be_id
from aragora.server.chapter import Call
from aragora.server.ports import AuditTrail
from aragora.server.schemas import Line, Secretive
from aragora.webhooks.model import Failure
from aragora.webhooks.ports import Dispatching
from aragora.webhooks.registering import Registering
from aragora.webhooks.replays import Replays
from aragora.webhooks.reviving import Reviving
from aragora.webhooks.store.deliveries import DeliveryStore

ID_MAX_CHARS: Final = 128
RANGE_MAX_S: Final = 90 * 86_400.0
SECONDS_MAX: Final = 1e11  # some 3,000 years; a time in milliseconds is over it

FAILURES: Final = f"the class of the failure ({', '.join(Failure)}); null where it was delivered"

log: Final[structlog.stdlib.BoundLogger] = structlog.get_logger("aragora.webhooks")

_WEBHOOK_ID: Final = re.compile(r"wh_[0-9a-f]{32}")
_REPLAY_ID: Final = re.compile(r"rpl_[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class WebhookServices:
    """Endpoints and deliveries over one store, and replays, which read journals of debates too."""

    registering: Registering
    reviving: Reviving
    deliveries: DeliveryStore
    replays: Replays


@dataclass(frozen=True, slots=True)
class WebhookPorts:
    """What these routes call. `services` opens the store with first use."""

    services: Callable[[], Awaitable[WebhookServices]]
    dispatching: Dispatching
    audit: AuditTrail
    limits: RateLimits
    clock: Clock


class Wanting(Secretive):
    """A request of webhooks: whatever it holds is not repeated when it is refused."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True, allow_inf_nan=False)


def _of_a_webhook(text: str) -> str:
    """Raises NotFound for what no webhook is called, before any store is asked."""
    if _WEBHOOK_ID.fullmatch(text) is None:
        raise NotFound(f"there is no webhook {_shown(text)}")
    return text


def _of_a_delivery(text: str) -> str:
    """As `_of_a_webhook`. Deliveries of `deliver_webhook` have ids of their own."""
    if len(text) > ID_MAX_CHARS or not could_be_id(text):
        raise NotFound(f"there is no delivery {_shown(text)}")
    return text


def _of_a_replay(text: str) -> str:
    """As `_of_a_webhook`."""
    if _REPLAY_ID.fullmatch(text) is None:
        raise NotFound(f"there is no replay {_shown(text)}")
    return text


def _shown(text: str) -> str:
    return text if len(text) <= ID_MAX_CHARS and could_be_id(text) else "of that id"


WebhookId = Annotated[str, Path(), AfterValidator(_of_a_webhook)]
DeliveryId = Annotated[str, Path(), AfterValidator(_of_a_delivery)]
ReplayId = Annotated[str, Path(), AfterValidator(_of_a_replay)]
Limit = Annotated[int, Query(ge=1, le=200)]
Cursor = Annotated[Line | None, Query(max_length=512)]


def check_range(since: float | None, until: float | None) -> None:
    """Raises InvalidInput where the range is empty, or wider than any question about deliveries."""
    if since is None or until is None:
        return
    if until <= since:
        raise InvalidInput("until is not after since: give a later until, or leave one of them out.")
    if until - since > RANGE_MAX_S:
        raise InvalidInput(f"since and until are over {RANGE_MAX_S / 86_400:g} days apart: ask for less at a time.")


async def note(
    call: Call[WebhookPorts], action: str, target: str, *, outcome: Outcome = Outcome.SUCCESS, **details: str
) -> None:
    """Write to the audit log what the caller does. Raises Unavailable: what cannot be audited is not done."""
    who = call.who
    await call.ports.audit.note(
        call.visit, f"webhook.{action}", who.actor, who.org_id, outcome, subject=who.user_id, target=target, **details
    )


@asynccontextmanager
async def noted(call: Call[WebhookPorts], action: str, target: str, **details: str) -> AsyncIterator[None]:
    """Note the action, then do the block. Where that is refused, a second entry says so."""

    async def told(outcome: Outcome, /, **of: str) -> None:
        await note(call, action, target, outcome=outcome, **of)

    async with audited(told, **details):
        yield


async def tell(telling: Awaitable[None], webhook_id: str) -> None:
    """Tell the dispatcher of what was stored. Where it does not answer, it finds it by itself within half a minute, so
    what was done counts as done."""
    try:
        await telling
    except (Unavailable, Fenced) as away:
        log.warning("the dispatcher of webhooks does not answer", webhook_id=webhook_id, error=away.message)
