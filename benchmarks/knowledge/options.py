"""What can be chosen about the scenarios."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Options:
    """Sizes of the scenarios.

    Args:
        vectors: of the large workspace of `scan`; the small one has a tenth.
        searches: of each workspace.
        texts: that `embedding` and `tokens` read.
        pairs: known items of `floor`.
        items: of the workspace of `searches`, and of that of `summaries`.
        spread: items of the 100 workspaces of `spread`.
        switched: items whose embedder changes under load.
        learnt: debates that `learning` learns from.
    """

    vectors: int = 100_000
    searches: int = 100
    texts: int = 40
    pairs: int = 400
    items: int = 100_000
    spread: int = 100_000
    switched: int = 20_000
    learnt: int = 400
