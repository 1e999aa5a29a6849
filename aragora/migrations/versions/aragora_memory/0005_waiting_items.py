"""What waits for a person, disputed and quarantined items, in an index of its own: the health counts it, and must not
read every item for that."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    waiting = sa.text("status IN ('disputed', 'quarantined')")
    op.create_index(
        "ix_knowledge_items_waiting",
        "knowledge_items",
        ["status", "changed_at"],
        sqlite_where=waiting,
        postgresql_where=waiting,
    )


def downgrade() -> None:
    op.drop_index("ix_knowledge_items_waiting", "knowledge_items")
