"""Which coordinator shard a debate belongs to: rendezvous hashing (Thaler and Ravishankar, 1998).

Every shard draws a weight for the debate; the heaviest owns it. When the number of shards changes by one, only the
debates of that shard move.
"""

from __future__ import annotations

from hashlib import blake2b


def owner(debate_id: str, shards: int) -> int:
    """The shard 0..shards-1 that owns `debate_id`; the same in every process and at every start."""
    if shards == 1:
        return 0
    return max(range(shards), key=lambda shard: blake2b(f"{shard}:{debate_id}".encode(), digest_size=8).digest())
