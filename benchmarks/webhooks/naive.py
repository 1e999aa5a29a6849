"""The naive sender of `benchmarks.peers.commit_per_change` on the same bed, and ours in the same run."""

from __future__ import annotations

from benchmarks.peers import commit_per_change
from benchmarks.webhooks.bed import ONE_KB, Bed
from benchmarks.webhooks.options import Line, Options
from benchmarks.webhooks.throughput import measured


async def run(bed: Bed, options: Options) -> list[Line]:
    """One line without a goal."""
    body = b'{"a": "' + ONE_KB.encode() + b'"}'
    naive = await commit_per_change.per_s(bed.directory, bed.url, options.events * options.endpoints // 4, body)
    ours, _ = await measured(bed, options.events, options.endpoints)
    return [Line("peer: a commit for each change", {"per_s": naive, "ours_per_s": ours, "times": ours / naive})]
