"""`aragora demo`: a decision with a checked receipt, without an API key or a running server; it leaves nothing behind.

A server on free ports with a temporary data directory debates the question: with the embedded model, or with the
providers whose keys are set. It does not see the storage, cluster and identity settings of the environment.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final

import typer

from aragora.cli.ask import AskSettings, DebateResult, ask_and_watch
from aragora.cli.conventions import Question, Rounds
from aragora.cli.local_server import local_server
from aragora.cli.rendering.events import EventPrinter
from aragora.cli.rendering.tables import print_verification
from aragora.cli.rendering.terminal import say, terminal
from aragora.client import AragoraClient
from aragora.config.providers import PROVIDERS

QUESTION: Final = "Should a small team start with a monolith or with microservices?"
BETTER: Final = (*(provider.key_variable for provider in PROVIDERS), "ARAGORA_LOCAL_BASE_URL")
OF_PROVIDERS: Final = (
    *(f"ARAGORA_{provider.name.upper()}_" for provider in PROVIDERS),
    "ARAGORA_LOCAL_",
    "ARAGORA_EMBEDDED_",
)
KEPT_OUT: Final = ("ARAGORA_", "DATABASE_URL", "KNOWLEDGE_MOUND_", "SUPABASE_", "RAY_", "CP_")
TINY: Final = (
    "No API key is set, so the agents speak through the embedded model: 270 million parameters on this machine's CPU. "
    "It is tiny: expect the shape of a debate, not wisdom. For better answers set a key (ANTHROPIC_API_KEY, "
    "OPENAI_API_KEY, ...) or ARAGORA_LOCAL_BASE_URL (Ollama, vLLM, llama.cpp, any OpenAI-compatible server)."
)


def demo(
    question: Question = QUESTION,
    rounds: Annotated[int, Rounds] = 1,
) -> None:
    """Start a server for one question, stream the debate, check the receipt, stop everything."""
    console = terminal()
    better = [name for name in BETTER if os.environ.get(name)]
    console.print(say(f"Providers from {', '.join(better)}." if better else TINY, "yellow"))
    started = time.monotonic()
    result = asyncio.run(_demo(question, AskSettings(rounds=rounds), EventPrinter(console)))
    if result.verification is not None:
        print_verification(console, result.verification)
    console.print(say(f"{time.monotonic() - started:.0f} s from start to everything stopped.", "dim"))
    raise typer.Exit(result.exit_code)


async def _demo(question: str, settings: AskSettings, show: EventPrinter) -> DebateResult:
    sys.stderr.write("Starting the server ...\n")
    with tempfile.TemporaryDirectory(prefix="aragora-demo-") as directory:
        environment = demo_environment(os.environ) | {"ARAGORA_DATA_DIR": f"{directory}/data"}
        async with local_server(Path(directory) / "server.log", environment) as url, AragoraClient(url) as client:
            return await ask_and_watch(client, question, settings, show, verify=True)


def demo_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """`environment` without what would connect the demo to other stores, clusters or secrets; providers stay."""
    return {
        name: value
        for name, value in environment.items()
        if name.startswith(OF_PROVIDERS) or not name.startswith(KEPT_OUT)
    }
