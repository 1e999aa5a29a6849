"""An item, and an entry of the ledger, as rows of the tables and back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from aragora.encoding import decode, decode_as, encode_text, from_plain
from aragora.knowledge.confidence import confidence_of
from aragora.knowledge.ledger import NAMES, Change, Entry
from aragora.knowledge.model import Item, Source, Status
from aragora.knowledge.sameness import sameness

_CHANGES: Final = {name: kind for kind, name in NAMES.items()}


def item_of(text: str) -> Item:
    """The item of the column `item`. Raises ValueError where it cannot be read."""
    return decode_as(text, Item)


def columns_of(item: Item) -> dict[str, Any]:
    """The row of `knowledge_items`, without its number."""
    statement = item.statement
    return {
        "item_id": item.item_id,
        "org_id": item.org_id,
        "workspace": item.workspace,
        "kind": statement.kind,
        "status": item.status,
        "visibility": item.visibility,
        "domain": statement.domain,
        "subject": statement.subject,
        "relation": statement.relation,
        "confidence": confidence_of(item).value,
        "valid_from": statement.valid_from,
        "valid_to": statement.valid_to,
        "recorded_at": item.recorded_at,
        "changed_at": item.changed_at,
        "superseded_at": item.superseded_at,
        "version": item.version,
        "sameness": None if item.status is Status.FORGOTTEN else sameness(statement),
        "item": encode_text(item),
    }


def sources_of(item: Item) -> list[dict[str, Any]]:
    """The rows of `knowledge_sources`, without the item's number: one for each root."""
    by_root: dict[str, Source] = {}
    for source in (*item.sources, *item.against):
        by_root.setdefault(source.root, source)
    return [{"root": root, "debate_id": source.debate_id, "person": source.person} for root, source in by_root.items()]


def links_of(item: Item) -> list[dict[str, Any]]:
    """The rows of `knowledge_links`."""
    return [{"item_id": item.item_id, "kind": link.kind, "to_id": link.item_id} for link in item.links]


def row_of(entry: Entry) -> dict[str, Any]:
    """The row of `knowledge_ledger`."""
    return {
        "org_id": entry.org_id,
        "workspace": entry.workspace,
        "seq": entry.seq,
        "item_id": entry.item_id,
        "change": NAMES[type(entry.change)],
        "body": encode_text(entry.change),
        "at": entry.at,
    }


def entries_of(rows: Iterable[Any]) -> list[Entry]:
    """The entries of rows of `knowledge_ledger`; those without a body are left out: their item is forgotten."""
    return [
        Entry(row.org_id, row.workspace, row.seq, row.item_id, _change_of(row.change, row.body), row.at)
        for row in rows
        if row.body
    ]


def _change_of(name: str, body: str) -> Change:
    change: Change = from_plain(decode(body), _CHANGES[name])
    return change
