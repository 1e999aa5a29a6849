"""`aragora agents`: the agents of a server with their health and rating."""

from __future__ import annotations

import asyncio
from typing import Any

from aragora.cli.conventions import DEFAULT_URL, AsJson, Token, Url
from aragora.cli.rendering.tables import agents_table
from aragora.cli.rendering.terminal import print_json, terminal
from aragora.client import AragoraClient


def agents(url: Url = DEFAULT_URL, token: Token = None, as_json: AsJson = False) -> None:
    """List the agents of a running server with provider, model, circuit breaker, latency and rating."""
    listing, ratings = asyncio.run(_fetch(url, token))
    if as_json:
        print_json([agent | {"elo": ratings.get(agent["name"])} for agent in listing])
        return
    terminal().print(agents_table(listing, ratings))


async def _fetch(url: str, token: str | None) -> tuple[list[dict[str, Any]], dict[str, float]]:
    async with AragoraClient(url, token=token) as client:
        health = await client.get("/api/agents/health")
        rankings = await client.get("/api/leaderboard/rankings")
    return health["agents"], {row["name"]: row["elo"] for row in rankings["agents"]}
