"""How this installation's webhooks leave: the guard and the sender as the settings say."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from aragora import __version__
from aragora.clock import Clock
from aragora.config.settings import Settings
from aragora.webhooks.guard import Guard, allowed_networks
from aragora.webhooks.resolver import Resolver
from aragora.webhooks.sender import Sender

USER_AGENT: Final = f"Aragora-Webhooks/{__version__}"


def guard_of(settings: Settings, own_hosts: Iterable[str] = ()) -> Guard:
    """What webhooks may reach: in production by HTTPS only. Raises Misconfigured."""
    return Guard(allowed_networks(settings.webhook_allowed_networks), settings.production, frozenset(own_hosts))


def open_sender(settings: Settings, guard: Guard, clock: Clock) -> Sender:
    """The one sender of a process; belongs to its event loop. The caller closes it."""
    return Sender(
        guard,
        resolver=Resolver(guard, clock=clock),
        clock=clock,
        ca_file=settings.webhook_ca_file,
        proxy=settings.webhook_proxy,
        user_agent=USER_AGENT,
    )
