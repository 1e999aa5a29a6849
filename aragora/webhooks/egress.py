"""How this installation's webhooks leave: the guard and the sender as the settings say."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from aragora import __version__
from aragora.clock import Clock
from aragora.config.settings import Settings
from aragora.webhooks.guard import Guard, allowed_networks
from aragora.webhooks.resolver import Resolver
from aragora.webhooks.sender import Sender

USER_AGENT: Final = f"Aragora-Webhooks/{__version__}"


def guard_of(settings: Settings) -> Guard:
    """What webhooks may reach: in production by HTTPS only, and never this server, under the names that
    ARAGORA_ALLOWED_ORIGINS gives it. Raises Misconfigured."""
    origins = (urlsplit(origin).hostname or "" for origin in settings.allowed_origins)
    own = frozenset(host for host in origins if "." in host and not _is_address(host))
    return Guard(allowed_networks(settings.webhook_allowed_networks), settings.production, own)


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


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
