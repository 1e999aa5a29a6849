"""Which step of a workflow a task serves.

Going back drops the column: the executions that wait for such tasks would not hear of their ends.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.add_column("control_tasks", sa.Column("serves", sa.Text, nullable=False, server_default=""))


def downgrade() -> None:
    with op.batch_alter_table("control_tasks") as tasks:
        tasks.drop_column("serves")
