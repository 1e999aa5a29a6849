"""What the commands of the mound's operator print: adapters, a sync, how far the index is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from aragora.cli.rendering.layout import Listing
from aragora.cli.rendering.webhooks import moment
from aragora.texts import counted


def adapters_table(listed: Iterable[Mapping[str, Any]]) -> Listing:
    """One row for each adapter."""
    table = Listing("adapter", "state", "waiting", "lag (s)", "last (UTC)", "result", wrapped=("last (UTC)", "result"))
    for one in listed:
        last = one.get("last") or {}
        table.row(
            str(one.get("adapter", "")),
            str(one.get("state", "")),
            str(one.get("backlog", "-")),
            _seconds(one.get("lag_s")),
            moment(last.get("at")),
            _result(last) if last else "-",
        )
    return table


def synced_text(done: Mapping[str, Any]) -> str:
    """What a sync did."""
    left = int(done.get("backlog") or 0)
    waits = f" {counted(left, 'debate')} still wait, the oldest for {_seconds(done.get('lag_s'))} s." if left else ""
    return f"{done.get('adapter')}: {_counts(done)}.{waits}"


def progress(rebuild: Mapping[str, Any]) -> str:
    """How far the index is."""
    done, of = (f"{int(rebuild.get(name) or 0):,}" for name in ("done", "of"))
    stage, refused = rebuild.get("stage"), int(rebuild.get("refused") or 0)
    without = f"; {counted(refused, 'text')} cannot be embedded" if refused else ""
    if stage == "loading":
        return f"Loading: {done} of {of} vectors."
    if stage == "embedding":
        return f"Computing vectors again: {done} of {of} items{without}."
    took = float(rebuild.get("ended_at") or 0) - float(rebuild.get("began_at") or 0)
    what = "vectors computed again" if rebuild.get("embed_anew") else "vectors loaded"
    return f"Done: {done} {what} in {took:.1f} s{without}."


def _result(last: Mapping[str, Any]) -> str:
    return f"{last.get('outcome')}: {_counts(last)}"


def _counts(done: Mapping[str, Any]) -> str:
    """`3 debates read, 2 of 5 items written, 3 notes; passed over: 1 nothing new`."""
    skipped = done.get("skipped") or {}
    over = f"; passed over: {', '.join(f'{count} {why}' for why, count in sorted(skipped.items()))}" if skipped else ""
    parts = [f"{counted(int(done.get('debates') or 0), 'debate')} read"]
    gathered, noted = int(done.get("gathered") or 0), int(done.get("noted") or 0)
    if gathered or not noted:
        parts.append(f"{done.get('written')} of {counted(gathered, 'item')} written")
    if noted:
        parts.append(counted(noted, "note"))
    return f"{', '.join(parts)}{over}"


def _seconds(value: object) -> str:
    return f"{value:.1f}" if isinstance(value, int | float) else "-"
