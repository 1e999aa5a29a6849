"""An index of meanings that is not started."""

from __future__ import annotations

from collections.abc import Collection

from aragora.errors import Unavailable
from aragora.knowledge.near import Near


class NoMeanings:
    """In place of the index: searches go by words, and say so."""

    async def nearest(self, scopes: Collection[str], question: str, k: int, allowed: Collection[int] | None) -> Near:
        raise Unavailable("the index of meanings is not started: words alone were searched")
