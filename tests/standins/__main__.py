"""Run the stand-in for the providers and print how to point Aragora at it: `python -m tests.standins [PORT]`."""

from __future__ import annotations

import asyncio
import sys

from tests.standins.providers import KEY, ProviderStandIn


async def main() -> None:
    async with ProviderStandIn(port=int(sys.argv[1]) if len(sys.argv) > 1 else 0) as server:
        for name, url in {
            "ANTHROPIC": server.anthropic,
            "OPENAI": server.chat,
            "OPENROUTER": server.chat,
            "XAI": server.chat,
            "MISTRAL": server.mistral,
            "GEMINI": server.gemini,
        }.items():
            sys.stdout.write(f"export {name}_API_KEY={KEY} ARAGORA_{name}_BASE_URL={url}\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        sys.exit(0)
