"""What adapters note of debates besides items, and what follows from many of these notes. Pure.

An observation says of one debate what an adapter counts: numbers, names of agents, digests and ids, and never words of
the debate, so that nobody finds in them what is forgotten. It is a function of the journal alone: a store that was lost
is rebuilt from the journals to the same rows. What an adapter knows is folded from them when it is asked; each debate
counts once, in whatever order they came.
"""

from __future__ import annotations

from dataclasses import dataclass

from aragora.knowledge.ledger import mark_of
from aragora.knowledge.model import debate_root, person_root


@dataclass(frozen=True, slots=True)
class Observation:
    """One note of an adapter.

    Attributes:
        key: what it is about; the adapter reads the newest of a key.
        body: what it says, as JSON, of a type of the adapter's.
        debate_id: the debate that it is of; of an attempt at a task `TASK_ID:FENCE`, the task and which of its
            attempts. person: who opened the debate, or made the task; empty where nobody is known.
        at: when the debate or the attempt ended, in seconds since the epoch.
    """

    key: str
    body: str
    debate_id: str
    person: str
    at: float

    @property
    def marks(self) -> frozenset[str]:
        """The marks under which it can be forgotten: its debate's, its person's."""
        return frozenset((mark_of(debate_root(self.debate_id)), mark_of(person_root(self.person))))
