"""What cosine the embedder gives to a question's own answer and to other texts of the same field: where its constants
`FLOOR` and `SURE` come from, and how well it finds known items without full text."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import numpy as np

from aragora.knowledge.search.embedders.embedded import FLOOR, SURE, EmbeddedEmbedder
from benchmarks.knowledge.known_items import pairs
from benchmarks.knowledge.options import Options
from benchmarks.webhooks.options import Line


def run(options: Options) -> Iterator[Line]:
    """One line; takes about 0.3 s of a processor for each pair."""
    yield asyncio.run(_measured(options))


async def _measured(options: Options) -> Line:
    embedder = EmbeddedEmbedder()
    known = pairs(options.pairs)
    questions = np.stack([await embedder.embed_query(pair.question) for pair in known])
    answers = np.concatenate([await embedder.embed_passages([pair.answer]) for pair in known])
    await embedder.aclose()
    cosines = questions @ answers.T
    own = np.diag(cosines)
    is_other = ~np.eye(len(known), dtype=bool)
    others = cosines[is_other]
    place = (cosines > own[:, None]).sum(axis=1) + 1
    figures: dict[str, object] = {
        "pairs": len(known),
        "recall_at_1": float((place <= 1).mean()),
        "recall_at_10": float((place <= 10).mean()),
        "mrr": float((1 / place).mean()),
        **{f"own_p{share}": float(np.percentile(own, share)) for share in (1, 5, 50)},
        **{f"other_p{share}": float(np.percentile(others, share)) for share in (50, 99, 99.9)},
        "best_other_p50": float(np.median(np.where(is_other, cosines, -1).max(axis=1))),
        "own_below_floor": float((own < FLOOR).mean()),
        "other_below_floor": float((others < FLOOR).mean()),
        "other_above_sure": float((others > SURE).mean()),
    }
    kept = float((own >= FLOOR).mean())
    return Line("floor", figures, "99 % of answers at or above the floor", kept >= 0.985)
