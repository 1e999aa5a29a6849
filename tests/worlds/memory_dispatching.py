"""A dispatcher of webhooks that delivers nothing and remembers what it was told."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from worlds.webhook_deliveries import answered

from aragora.webhooks.model import Answer


@dataclass
class MemoryDispatching:
    """Fulfils `aragora.webhooks.ports.Dispatching`. `failure` is raised by every call."""

    told: list[tuple[str, str]] = field(default_factory=list)
    answer: Answer = field(default_factory=lambda: answered(200))
    failure: Exception | None = None
    echoes: bool = True
    challenges: list[str] = field(default_factory=list)

    async def endpoint_changed(self, endpoint_id: str) -> None:
        self._hear("changed", endpoint_id)

    async def work(self, endpoint_id: str) -> None:
        self._hear("work", endpoint_id)

    async def cancelled(self, endpoint_id: str, delivery_id: str) -> None:
        self._hear(f"cancelled {delivery_id}", endpoint_id)

    async def replays(self) -> None:
        self._hear("replays", "")

    async def test(self, endpoint_id: str, event_type: str) -> Answer:
        self._hear(f"test {event_type}", endpoint_id)
        return self.answer

    async def verify(self, endpoint_id: str, challenge: str, version: int) -> Answer:
        """Answers as a receiver does that sends the challenge back, where `echoes`."""
        self._hear(f"verify {version}", endpoint_id)
        self.challenges.append(challenge)
        return replace(self.answer, text=challenge) if self.echoes else self.answer

    def _hear(self, what: str, endpoint_id: str) -> None:
        if self.failure is not None:
            raise self.failure
        self.told.append((what, endpoint_id))
