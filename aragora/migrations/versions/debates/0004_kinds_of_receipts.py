"""The kind of a document in the receipt chain: a debate's receipt, or a certificate that something was forgotten.

Going back drops the column, not the documents: the chain stays whole.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column("receipts", sa.Column("kind", sa.Text, nullable=False, server_default="debate"))
    others = sa.text("kind <> 'debate'")
    op.create_index(
        "receipts_of_other_kinds", "receipts", ["kind", "position"], sqlite_where=others, postgresql_where=others
    )


def downgrade() -> None:
    op.drop_index("receipts_of_other_kinds", "receipts")
    with op.batch_alter_table("receipts") as receipts:
        receipts.drop_column("kind")
