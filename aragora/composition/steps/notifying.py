"""The step `notify`. Its message is told by the commit that began the step (`aragora.workflows.telling`): whoever chose
the event hears of it, and there is nothing else to do."""

from __future__ import annotations

from aragora.workflows.model import Ask, Done, ExecutionStarted, Reply


class Notifying:
    """Does steps of the kind `notify`."""

    async def do(self, ask: Ask, started: ExecutionStarted) -> Reply:  # noqa: ARG002  the port's shape
        """It is done as soon as it has begun."""
        return Done(ask.ask_id, {})

    async def stop(self, ref: str, started: ExecutionStarted) -> None:
        """Nothing goes on."""
