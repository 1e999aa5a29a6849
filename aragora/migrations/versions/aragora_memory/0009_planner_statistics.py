"""What SQLite's planner is to think of the items: that there are many of each workspace, and one of each id.

Without statistics SQLite expects ten rows for any value of an index, and looked for ten items by number among all items
of their organisation. The figures are those of a large mound and not of this one: plans then stay the same as it grows,
and what is good there is good for a small one. PostgreSQL counts by itself.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

# Rows, and how many of them share the first column of the index, the first two, ...: the format of `sqlite_stat1`.
_STATISTICS = {
    "ux_knowledge_items_id": "1000000 1",
    "ux_knowledge_items_sameness": "1000000 200000 20000 1",
    "ix_knowledge_items_home": "1000000 200000 20000 1",
    "ix_knowledge_items_subject": "1000000 200000 20000 10 5",
    "ix_knowledge_items_shared": "20000 4000 1",
    "ix_knowledge_items_waiting": "2000 1000 2",
    "ix_knowledge_items_begins": "2000 400 2",
}


def upgrade() -> None:
    if op.get_bind().dialect.name != "sqlite":
        return
    op.execute("ANALYZE knowledge_items")  # makes the table of statistics where there is none
    op.execute("DELETE FROM sqlite_stat1 WHERE tbl = 'knowledge_items'")
    statistics = sa.table("sqlite_stat1", sa.column("tbl"), sa.column("idx"), sa.column("stat"))
    op.bulk_insert(
        statistics, [{"tbl": "knowledge_items", "idx": index, "stat": stat} for index, stat in _STATISTICS.items()]
    )


def downgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        op.execute("DELETE FROM sqlite_stat1 WHERE tbl = 'knowledge_items'")
