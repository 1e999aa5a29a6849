"""The workspace of a debate, the index that lists those of one, and keys of requests that are unique within it.

All debates from before are in `default`. Going back drops the column: all debates of an organisation are then read
together. Of debates that one person opened under one key in several workspaces, the first keeps the key.
"""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_LATER_KEYS: Final = """
UPDATE debates SET idempotency_key = NULL, request_hash = NULL
WHERE idempotency_key IS NOT NULL AND EXISTS (
  SELECT 1 FROM debates AS first WHERE first.org_id = debates.org_id AND first.created_by = debates.created_by
  AND first.idempotency_key = debates.idempotency_key AND first.debate_id <> debates.debate_id
  AND (first.created_at < debates.created_at
    OR (first.created_at = debates.created_at AND first.debate_id < debates.debate_id))
)
"""


def upgrade() -> None:
    with op.batch_alter_table("debates") as debates:
        debates.add_column(sa.Column("workspace", sa.Text, nullable=False, server_default="default"))
        debates.drop_constraint("debates_idempotency", type_="unique")
        debates.create_unique_constraint(
            "debates_idempotency", ["org_id", "workspace", "created_by", "idempotency_key"]
        )
    op.create_index("debates_by_workspace", "debates", ["org_id", "workspace", "created_at", "debate_id"])


def downgrade() -> None:
    op.drop_index("debates_by_workspace", "debates")
    op.execute(_LATER_KEYS)
    with op.batch_alter_table("debates") as debates:
        debates.drop_constraint("debates_idempotency", type_="unique")
        debates.create_unique_constraint("debates_idempotency", ["org_id", "created_by", "idempotency_key"])
        debates.drop_column("workspace")
