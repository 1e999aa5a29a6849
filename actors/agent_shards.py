"""Which actors of an agent a coordinator asks: of its own where there are enough of them. Pure.

With `ARAGORA_AGENT_SHARDS` of at least `ARAGORA_COORDINATOR_SHARDS` no two coordinators ask the same actor, so that a
coordinator's agents can run on its own node (`actors.placement`), where asks go through a socket. With fewer, several
coordinators share one. With one, agents are not parted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self
from zlib import crc32


@dataclass(frozen=True, slots=True)
class AgentShards:
    """The `numbers` of the shards of every agent that one coordinator asks; none where agents are not parted."""

    numbers: tuple[int, ...] = ()

    @classmethod
    def of(cls, coordinator: int, *, coordinators: int, shards: int) -> Self:
        """Those of the coordinator with this number, of so many, where each agent has so many shards."""
        if shards == 1:
            return cls()
        return cls(tuple(range(coordinator, shards, coordinators)) or (coordinator % shards,))

    def key(self, agent: str, debate_id: str) -> str:
        """The key of the actor that answers for the agent in a debate."""
        if not self.numbers:
            return agent
        return f"{agent}#{self.numbers[crc32(debate_id.encode()) % len(self.numbers)]}"

    def has(self, key: str) -> bool:
        """Whether the actor with this key is one of these."""
        _, _, number = key.rpartition("#")
        return number.isdigit() and int(number) in self.numbers
