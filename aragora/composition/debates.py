"""The feature `debates`: its routes, the WebSocket, and what keeps the open connections of this process."""

from __future__ import annotations

import random

from starlette.routing import WebSocketRoute

from aragora.clock import Clock
from aragora.identity.workspace_book import WorkspaceBook
from aragora.identity.writers import Writers
from aragora.server.authentication import Authenticator
from aragora.server.chapters.debates import DebatePorts, debates
from aragora.server.feature import Feature
from aragora.server.live.commands import PATH, Commands
from aragora.server.live.fanout import Fanout
from aragora.server.live.journals import DebateJournals
from aragora.server.live.sockets import SocketRegistry
from aragora.server.live.subjects import Subject, of_debates
from aragora.server.live.websocket import WebSocketEndpoint
from aragora.server.ports import ConnectionBoard, DebateCommands, DebateReader, EventFeed, Lifecycle, ServerConfig
from aragora.server.suggested import Customs


def open_debates(
    config: ServerConfig,
    *,
    commands: DebateCommands,
    reader: DebateReader,
    writers: Writers,
    workspaces: WorkspaceBook,
    feed: EventFeed,
    executions: Subject,
    lifecycle: Lifecycle,
    connections: ConnectionBoard,
    authenticator: Authenticator,
    clock: Clock,
    customs: Customs | None = None,
) -> Feature[DebatePorts]:
    """Debates over these ports; the WebSocket also has `executions`. Without `customs` no settings are taken from what
    suits a workspace."""
    sockets = SocketRegistry(config, lifecycle, connections, authenticator, clock)
    followed = of_debates(Fanout(feed, DebateJournals(reader), random.random))
    endpoint = WebSocketEndpoint(
        config,
        commands=Commands(
            commands,
            reader,
            authenticator,
            debates=followed,
            executions=executions,
            max_subscriptions=config.ws_max_subscriptions,
        ),
        sockets=sockets,
        authenticator=authenticator,
        clock=clock,
    )
    return Feature(
        "debates",
        DebatePorts(commands, reader, writers, workspaces, followed, sockets, clock, customs),
        chapters=(debates,),
        sockets=(WebSocketRoute(PATH, endpoint, name="ws"),),
        tasks=(sockets.run, sockets.drain, sockets.watch),
    )
