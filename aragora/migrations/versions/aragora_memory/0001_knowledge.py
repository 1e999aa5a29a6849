"""Items of the Knowledge Mound with topics, sources, links, ledger, vectors, and what full-text search reads."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_TABLES = (
    *("knowledge_workspaces", "knowledge_items", "knowledge_topics", "knowledge_sources", "knowledge_links"),
    *("knowledge_ledger", "knowledge_vectors", "knowledge_applied", "knowledge_tokens"),
)


def upgrade() -> None:
    op.create_table(
        "knowledge_workspaces",
        sa.Column("org_id", sa.Text, nullable=False),
        sa.Column("workspace", sa.Text, nullable=False),
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("offers", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("org_id", "workspace"),
    )
    _items()
    _beside_items()
    op.create_table(
        "knowledge_ledger",
        sa.Column("org_id", sa.Text, nullable=False),
        sa.Column("workspace", sa.Text, nullable=False),
        sa.Column("seq", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("item_id", sa.Text, nullable=False),
        sa.Column("change", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("org_id", "workspace", "seq"),
    )
    op.create_index("ix_knowledge_ledger_item", "knowledge_ledger", ["item_id", "seq"])
    op.create_table(
        "knowledge_applied",
        sa.Column("outbox_id", sa.Text, nullable=False),
        sa.Column("applied_at", sa.Double),
        sa.PrimaryKeyConstraint("outbox_id"),
    )
    op.create_index("ix_knowledge_applied_at", "knowledge_applied", ["applied_at"])
    _tokens()


def _items() -> None:
    table = "knowledge_items"
    op.create_table(
        table,
        sa.Column("item_no", sa.Integer, nullable=False),
        sa.Column("item_id", sa.Text, nullable=False),
        sa.Column("org_id", sa.Text, nullable=False),
        sa.Column("workspace", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("visibility", sa.Text, nullable=False),
        sa.Column("domain", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("relation", sa.Text, nullable=False),
        sa.Column("confidence", sa.Double, nullable=False),
        sa.Column("valid_from", sa.Double),
        sa.Column("valid_to", sa.Double),
        sa.Column("recorded_at", sa.Double, nullable=False),
        sa.Column("changed_at", sa.Double, nullable=False),
        sa.Column("superseded_at", sa.Double),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("sameness", sa.Text),
        sa.Column("item", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("item_no"),
        sqlite_autoincrement=True,
    )
    op.create_index("ux_knowledge_items_id", table, ["item_id"], unique=True)
    op.create_index("ux_knowledge_items_sameness", table, ["org_id", "workspace", "sameness"], unique=True)
    op.create_index("ix_knowledge_items_home", table, ["org_id", "workspace", "item_no"])
    op.create_index("ix_knowledge_items_subject", table, ["org_id", "workspace", "subject", "relation"])
    shared = sa.text("visibility = 'org'")
    op.create_index(
        "ix_knowledge_items_shared", table, ["org_id", "item_no"], sqlite_where=shared, postgresql_where=shared
    )


def _beside_items() -> None:
    op.create_table(
        "knowledge_topics",
        sa.Column("item_no", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("topic", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("item_no", "topic"),
    )
    op.create_index("ix_knowledge_topics_topic", "knowledge_topics", ["topic", "item_no"])
    op.create_table(
        "knowledge_sources",
        sa.Column("item_no", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("root", sa.Text, nullable=False),
        sa.Column("debate_id", sa.Text),
        sa.Column("person", sa.Text),
        sa.PrimaryKeyConstraint("item_no", "root"),
    )
    op.create_index("ix_knowledge_sources_root", "knowledge_sources", ["root", "item_no"])
    op.create_index("ix_knowledge_sources_debate", "knowledge_sources", ["debate_id", "item_no"])
    op.create_index("ix_knowledge_sources_person", "knowledge_sources", ["person", "item_no"])
    op.create_table(
        "knowledge_links",
        sa.Column("item_id", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("to_id", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("item_id", "kind", "to_id"),
    )
    op.create_index("ix_knowledge_links_to", "knowledge_links", ["to_id", "kind"])
    op.create_table(
        "knowledge_vectors",
        sa.Column("item_no", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("embedder_id", sa.Text, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("vector", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("item_no", "embedder_id"),
    )
    op.create_index("ix_knowledge_vectors_embedder", "knowledge_vectors", ["embedder_id", "item_no"])


def _tokens() -> None:
    """The tokens are made by us (`aragora.knowledge.search.tokens`): the databases only split at spaces."""
    if op.get_bind().dialect.name == "sqlite":
        op.execute(
            "CREATE VIRTUAL TABLE knowledge_tokens USING fts5"
            "(scope, tokens, tokenize = 'unicode61 remove_diacritics 0')"
        )
        return
    op.execute("CREATE TABLE knowledge_tokens (item_no INTEGER PRIMARY KEY, tokens tsvector NOT NULL)")
    op.execute("CREATE INDEX ix_knowledge_tokens_tokens ON knowledge_tokens USING gin (tokens)")


def downgrade() -> None:
    for table in reversed(_TABLES):
        op.drop_table(table)
