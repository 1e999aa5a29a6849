"""One live server with agents on a local model server that stands in for a real one, and on one of OpenAI's kind that
does not know the server's key."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from worlds.live_server import LiveServer, running
from worlds.standing_in import standing_in

from tests.standins.providers import KEY, ProviderStandIn

WRONG_KEY = "sk-wrong-0123456789abcdefghij"


@pytest.fixture(scope="package")
def local() -> Iterator[ProviderStandIn]:
    """Answers well unless a test says otherwise, and cites what it is offered."""
    with standing_in(1) as (standin,):
        yield standin


@pytest.fixture(scope="package")
def openai() -> Iterator[ProviderStandIn]:
    """Knows `KEY`, which the server does not have."""
    with standing_in(1) as (standin,):
        yield standin


@pytest.fixture(scope="package")
def local_server(
    tmp_path_factory: pytest.TempPathFactory, local: ProviderStandIn, openai: ProviderStandIn
) -> Iterator[LiveServer]:
    """Ready. Tests share it."""
    directory = tmp_path_factory.mktemp("local") / "data"
    agents = {
        "ARAGORA_LOCAL_BASE_URL": local.chat,
        "ARAGORA_LOCAL_API_KEY": KEY,
        "ARAGORA_OPENAI_BASE_URL": openai.chat,
        "OPENAI_API_KEY": WRONG_KEY,
    }
    with running(directory, ARAGORA_KNOWLEDGE_LOOK_S="10", **agents) as live:  # a busy machine finds it, too
        yield live
