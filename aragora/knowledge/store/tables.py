"""The tables of the Knowledge Mound. What full-text search reads differs between the databases and stands in
`aragora.knowledge.store.lexical`."""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Boolean, Column, Double, Index, Integer, LargeBinary, Table, Text, text

from aragora.storage.applied import applied_table
from aragora.storage.contexts import Context
from aragora.storage.tables import METADATA

_METADATA: Final = METADATA[Context.MEMORY]
SHARED: Final = text("visibility = 'org'")
WAITING: Final = text("status IN ('disputed', 'quarantined')")
BEGINS: Final = text("valid_from IS NOT NULL")
"""What three indexes hold of the items. Queries that say it in the same words are answered from them."""

knowledge_workspaces = Table(
    "knowledge_workspaces",
    _METADATA,
    Column("org_id", Text, primary_key=True),
    Column("workspace", Text, primary_key=True),
    Column("seq", Integer, nullable=False),  # of the newest ledger row; whoever writes holds this row
    Column("offers", Boolean, nullable=False),  # whether its debates are offered knowledge
)

knowledge_items = Table(  # as folded from the ledger: `item` holds all of it, the columns what is asked for
    "knowledge_items",
    _METADATA,
    Column("item_no", Integer, primary_key=True),
    Column("item_id", Text, nullable=False),
    Column("org_id", Text, nullable=False),
    Column("workspace", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("visibility", Text, nullable=False),
    Column("domain", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("relation", Text, nullable=False),
    Column("confidence", Double, nullable=False),
    Column("valid_from", Double),
    Column("valid_to", Double),
    Column("recorded_at", Double, nullable=False),
    Column("changed_at", Double, nullable=False),
    Column("superseded_at", Double),
    Column("version", Integer, nullable=False),
    Column("sameness", Text),  # equal for equal statements; NULL once forgotten
    Column("item", Text, nullable=False),  # JSON
    Index("ux_knowledge_items_id", "item_id", unique=True),
    Index("ux_knowledge_items_sameness", "org_id", "workspace", "sameness", unique=True),
    Index("ix_knowledge_items_home", "org_id", "workspace", "item_no"),
    Index("ix_knowledge_items_subject", "org_id", "workspace", "subject", "relation"),
    Index("ix_knowledge_items_shared", "org_id", "item_no", sqlite_where=SHARED, postgresql_where=SHARED),
    Index("ix_knowledge_items_waiting", "status", "changed_at", sqlite_where=WAITING, postgresql_where=WAITING),
    Index("ix_knowledge_items_begins", "org_id", "valid_from", sqlite_where=BEGINS, postgresql_where=BEGINS),
    sqlite_autoincrement=True,  # the number of an item that is gone never comes again
)

knowledge_topics = Table(
    "knowledge_topics",
    _METADATA,
    Column("item_no", Integer, primary_key=True, autoincrement=False),
    Column("topic", Text, primary_key=True),
    Index("ix_knowledge_topics_topic", "topic", "item_no"),
)

knowledge_sources = Table(  # for and against: whose word an item rests on
    "knowledge_sources",
    _METADATA,
    Column("item_no", Integer, primary_key=True, autoincrement=False),
    Column("root", Text, primary_key=True),
    Column("debate_id", Text),
    Column("person", Text),
    Index("ix_knowledge_sources_root", "root", "item_no"),
    Index("ix_knowledge_sources_debate", "debate_id", "item_no"),
    Index("ix_knowledge_sources_person", "person", "item_no"),
)

knowledge_links = Table(
    "knowledge_links",
    _METADATA,
    Column("item_id", Text, primary_key=True),  # of the item that holds the link
    Column("kind", Text, primary_key=True),
    Column("to_id", Text, primary_key=True),
    Index("ix_knowledge_links_to", "to_id", "kind"),
)

knowledge_ledger = Table(
    "knowledge_ledger",
    _METADATA,
    Column("org_id", Text, primary_key=True),
    Column("workspace", Text, primary_key=True),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("item_id", Text, nullable=False),
    Column("change", Text, nullable=False),
    Column("body", Text, nullable=False),  # JSON; empty once its item is forgotten
    Column("at", Double, nullable=False),
    Index("ix_knowledge_ledger_item", "item_id", "seq"),
)

knowledge_vectors = Table(
    "knowledge_vectors",
    _METADATA,
    Column("item_no", Integer, primary_key=True, autoincrement=False),
    Column("embedder_id", Text, primary_key=True),
    Column("version", Integer, nullable=False),  # of the item's wording
    Column("vector", LargeBinary, nullable=False),  # float32, little-endian
    Index("ix_knowledge_vectors_embedder", "embedder_id", "item_no"),
)

knowledge_generations = Table(  # how often what may be found in a scope has changed
    "knowledge_generations",
    _METADATA,
    Column("scope", Text, primary_key=True),  # see `aragora.knowledge.store.lexical.scopes_of`
    Column("generation", BigInteger, nullable=False),
)

knowledge_embedder = Table(  # whose vectors are searched; at most one row
    "knowledge_embedder",
    _METADATA,
    Column("one", Integer, primary_key=True, autoincrement=False),
    Column("embedder_id", Text, nullable=False),
    Column("since", Double, nullable=False),
)

knowledge_barred = Table(  # what is not learnt from any more: what a forgotten debate said, or a person until then
    "knowledge_barred",
    _METADATA,
    Column("org_id", Text, primary_key=True),
    Column("workspace", Text, primary_key=True),
    Column("mark", Text, primary_key=True),  # of `aragora.knowledge.ledger.mark_of`
    Column("until", Double, nullable=False),  # for sources up to this time; of a debate: for ever
)

knowledge_forgettings = Table(  # each request to forget, from before it is carried out
    "knowledge_forgettings",
    _METADATA,
    Column("forgetting_id", Text, primary_key=True),
    Column("org_id", Text, nullable=False),
    Column("workspace", Text, nullable=False),
    Column("asked_by", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("body", Text, nullable=False),  # JSON: ids, digests and counts, never a text
    Column("certificate_id", Text),  # NULL until it is issued
    Column("idempotency_key", Text),
    Column("request_hash", Text),
    Column("at", Double, nullable=False),
    Index("ux_knowledge_forgettings_key", "org_id", "workspace", "asked_by", "idempotency_key", unique=True),
    Index("ix_knowledge_forgettings_home", "org_id", "workspace", "at", "forgetting_id"),
    Index(
        "ix_knowledge_forgettings_open",
        "at",
        sqlite_where=text("status <> 'certified'"),
        postgresql_where=text("status <> 'certified'"),
    ),
)

knowledge_cursors = Table(  # how far a follower of another feed has come
    "knowledge_cursors",
    _METADATA,
    Column("name", Text, primary_key=True),
    Column("seq", BigInteger, nullable=False),
)

knowledge_requests = Table(  # of additions under a caller's key
    "knowledge_requests",
    _METADATA,
    Column("org_id", Text, primary_key=True),
    Column("workspace", Text, primary_key=True),
    Column("person", Text, primary_key=True),
    Column("idempotency_key", Text, primary_key=True),
    Column("request_hash", Text, nullable=False),
    Column("item_ids", Text, nullable=False),  # JSON: of the items that it named, in its order
    Column("at", Double, nullable=False),
)

knowledge_adapters = Table(  # for people: what adapters have applied stands in `knowledge_applied`
    "knowledge_adapters",
    _METADATA,
    Column("adapter", Text, primary_key=True),
    Column("cursor_at", Double),  # when the newest row that it applied was written; NULL: none was
    Column("synced_at", Double, nullable=False),
    Column("result", Text, nullable=False),  # JSON
)

knowledge_applied = applied_table("knowledge", Context.MEMORY)
