"""`aragora agents`: the agents of a server with their health and rating; with --available, the models that the keys and
servers of this environment offer, whether a server of Aragora's runs or not."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import typer

from aragora.agents.catalog import check
from aragora.agents.offered import Offer, offered
from aragora.cli.conventions import AWAY, DEFAULT_URL, DONE, AsJson, DataDir, Token, Url
from aragora.cli.rendering.offered import HOW, HOW_DECLARED, NOTHING_SET, print_offers
from aragora.cli.rendering.tables import agents_table
from aragora.cli.rendering.terminal import print_json, say, terminal
from aragora.client import AragoraClient
from aragora.config.settings import settings_in


def agents(
    *,
    available: Annotated[
        bool,
        typer.Option(
            "--available", help="List the models that each key and server of this environment offers instead."
        ),
    ] = False,
    data_dir: DataDir = None,
    url: Url = DEFAULT_URL,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """List the agents of a running server with provider, model, circuit breaker, latency and rating."""
    if available:
        settings = settings_in(data_dir)
        offers = asyncio.run(offered(settings, check(settings).agents))
        _show(offers, HOW if settings.any_model else HOW_DECLARED, as_json=as_json)
        raise typer.Exit(AWAY if offers and all(offer.problem for offer in offers) else DONE)
    listing, ratings = asyncio.run(_fetch(url, token))
    if as_json:
        print_json([agent | {"elo": ratings.get(agent.get("name", ""))} for agent in listing])
        return
    terminal().print(agents_table(listing, ratings))


def _show(offers: list[Offer], how: str, *, as_json: bool) -> None:
    if as_json:
        print_json(offers)
    elif offers:
        print_offers(terminal(), offers, how)
    else:
        terminal().print(say(NOTHING_SET, "yellow"))


async def _fetch(url: str, token: str | None) -> tuple[list[dict[str, Any]], dict[str, float]]:
    async with AragoraClient(url, token=token) as client:
        health = await client.page("/api/agents/health", "agents")
        rankings = await client.page("/api/leaderboard/rankings", "agents")
    return health["agents"], {row["name"]: row["elo"] for row in rankings["agents"] if {"name", "elo"} <= row.keys()}
