"""`aragora agents --available`: the models that this environment's keys and servers offer, without a running server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from rich.console import Console

from aragora.agents.offered import Offer
from aragora.agents.offers import OfferedModel
from aragora.cli.main import main
from aragora.cli.rendering.offered import HOW, print_offers
from aragora.config.providers import PROVIDERS

MODELS = {"object": "list", "data": [{"id": "qwen3:8b"}, {"id": "llama3.2"}, {"id": "nomic-embed-text"}]}
LONG = "nousresearch/deephermes-3-mistral-24b-preview-with-a-long-name:free"


@pytest.fixture
async def ollama() -> AsyncIterator[str]:
    async def models(_request: web.Request) -> web.Response:
        return web.json_response(MODELS)

    app = web.Application()
    app.router.add_get("/v1/models", models)
    async with TestServer(app) as running:
        yield str(running.make_url("/v1"))


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., None]:
    """The provider's variables of this process: those given and no others."""
    for provider in PROVIDERS:
        for name in (provider.key_variable, provider.address_variable):
            monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("ARAGORA_LOCAL_BASE_URL", raising=False)
    monkeypatch.delenv("ARAGORA_AGENTS_FILE", raising=False)
    monkeypatch.setenv("ARAGORA_DATA_DIR", str(tmp_path))

    def chosen(**variables: str) -> None:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return chosen


async def typed(*arguments: str) -> int:
    return await asyncio.to_thread(main, ["agents", "--available", *arguments])


async def test_each_model_is_listed_by_the_name_to_ask_it_by_and_those_that_do_not_chat_are_counted(
    ollama: str, environment: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    environment(
        ARAGORA_LOCAL_BASE_URL=ollama, OPENAI_API_KEY="sk-test-key", ARAGORA_OPENAI_BASE_URL="http://127.0.0.1:9"
    )
    assert await typed() == 0
    told = capsys.readouterr().out
    assert "local:llama3.2" in told
    assert "local:qwen3:8b" in told
    assert "nomic" not in told
    assert "1 model left out: no chat" in told
    assert "OpenAI (http://127.0.0.1:9)" in told
    assert "it could not be reached" in told
    assert "sk-test-key" not in told


async def test_as_json_every_model_says_whether_it_chats(
    ollama: str, environment: Callable[..., None], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "agents.toml").write_text(f"[agents.box]\nprovider = 'local'\naddress = '{ollama}'\n")
    environment(ARAGORA_LOCAL_BASE_URL=ollama)
    assert await typed("--json") == 0
    usual, box = json.loads(capsys.readouterr().out)
    assert {model["agent"]: model["chats"] for model in usual["models"]} == {
        "local:llama3.2": True, "local:nomic-embed-text": False, "local:qwen3:8b": True,
    }  # fmt: skip
    assert (box["agents"], [model["agent"] for model in box["models"]]) == (["box"], ["", "", ""])


async def test_where_nobody_answers_it_is_no_success(environment: Callable[..., None]) -> None:
    environment(ARAGORA_LOCAL_BASE_URL="http://127.0.0.1:9/v1")
    assert await typed() == 3


async def test_where_no_debate_may_name_a_model_it_says_how_one_is_declared(
    ollama: str, environment: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    environment(ARAGORA_LOCAL_BASE_URL=ollama, ARAGORA_MODELS_ON_THE_SPOT="false")
    assert await typed() == 0
    told = capsys.readouterr().out
    assert "ARAGORA_MODELS_ON_THE_SPOT" in told
    assert "aragora ask --agents" not in told


async def test_where_nothing_is_set_it_says_what_to_set(
    environment: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    environment()
    assert await typed() == 0
    assert "OPENROUTER_API_KEY" in capsys.readouterr().out
    assert await typed("--json") == 0
    assert json.loads(capsys.readouterr().out) == []


async def test_a_wrong_agents_file_is_told_and_is_no_line_among_the_json(
    environment: Callable[..., None], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    environment()
    (tmp_path / "agents.toml").write_text("[agents.box]\nprovidr = 'local'\n")
    assert await typed("--json") == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "agents.toml line 2, agents.box.providr" in captured.err


def shown(width: int | None, *offers: Offer) -> list[str]:
    console = Console(width=width or 200, force_terminal=width is not None, color_system=None, legacy_windows=False)
    console.soft_wrap = width is None
    with console.capture() as captured:
        print_offers(console, offers, HOW)
    return captured.get().splitlines()


def offer(**changes: Any) -> Offer:
    model = OfferedModel(LONG, f"openrouter:{LONG}", True, 202_752, 0.4, 1.75)
    return Offer(**{"source": "openrouter", "address": "https://openrouter.ai/api/v1", "models": (model,), **changes})


def test_80_columns_hold_every_line_and_a_long_name_stays_whole() -> None:
    lines = shown(80, offer(), offer(models=(OfferedModel("m", "openrouter:m"),)))
    assert max(map(len, lines)) <= 80
    name = f"openrouter:{LONG}"
    assert name in "".join(line.strip() for line in lines)


def test_a_pipe_gets_one_line_for_each_model() -> None:
    (line,) = [line for line in shown(None, offer()) if LONG in line]
    assert line.split() == [f"openrouter:{LONG}", "202k", "0.40", "1.75"]


def test_a_model_that_cannot_be_named_and_a_server_of_declared_agents_are_told_so() -> None:
    nameless = offer(models=(OfferedModel("my model", ""),))
    assert any("my model (cannot be named so: declare it in agents.toml)" in line for line in shown(None, nameless))
    declared = offer(source="local", models=(OfferedModel("m", ""),), agents=("ann", "bob"))
    lines = shown(None, declared)
    assert any("asked by ann, bob" in line for line in lines)
    assert any(line.split()[:1] == ["m"] for line in lines)


def test_what_a_server_calls_its_models_moves_no_cursor() -> None:
    steering = offer(models=(OfferedModel("m\x1b[2J", ""),))
    assert "\x1b" not in "".join(shown(None, steering))
