"""The settings without secrets that the nodes of a cluster have in common. Pure.

Two of them keep a node out where they differ: with another number of coordinator shards it would look for debates where
they are not, and a node in development lets in whom the others refuse. Another Redis only is told: somebody may be
moving it, node by node.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from aragora.cluster.answers import ADOPT
from aragora.config.settings import Settings

REDIS: Final = "ARAGORA_REDIS_URL"
_NEEDED_ALIKE: Final = ("ARAGORA_COORDINATOR_SHARDS", "ARAGORA_ENV")


def shared_settings(settings: Settings) -> dict[str, str]:
    """By name; of Redis the place without user and password."""
    redis = settings.redis_url
    return {
        "ARAGORA_COORDINATOR_SHARDS": str(settings.coordinator_shards),
        "ARAGORA_ENV": settings.env,
        REDIS: "none" if redis is None else _place(redis.get_secret_value()),
    }


def refused_settings(own: Mapping[str, str], stored: Mapping[str, str]) -> tuple[str, ...]:
    """A line for each setting by which this node does not fit the others."""
    return tuple(
        f"{name} is {own[name]} here and {stored[name]} on the other nodes: make it the same (to change it, stop all "
        f"nodes, set it everywhere and run {ADOPT})"
        for name in _NEEDED_ALIKE
        if name in stored and own[name] != stored[name]
    )


def told_settings(own: Mapping[str, str], stored: Mapping[str, str]) -> tuple[str, ...]:
    """A line for each setting that differs and keeps nobody out."""
    if REDIS not in stored or own[REDIS] == stored[REDIS]:
        return ()
    places = f"{own[REDIS]} here and {stored[REDIS]} on the node that joined last"
    return (f"{REDIS}: {places}; rate limits, and logins with Google, need one for all nodes",)


def _place(url: str) -> str:
    parts = urlsplit(url)
    return parts.netloc.rpartition("@")[2] + parts.path
