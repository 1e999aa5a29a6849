"""Workspaces of an organisation, which of them an account and an invitation are for, and the one an API key is held to.

Accounts and invitations from before have the workspace `default`, where all that there was is; keys have those of their
owner. Going back drops who was held to which workspace: everybody then sees the whole organisation, as before.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column("users", sa.Column("workspaces", sa.Text))
    op.add_column("invitations", sa.Column("workspaces", sa.Text))
    op.add_column("api_keys", sa.Column("workspace", sa.Text))
    op.create_table(
        "workspaces",
        sa.Column("org_id", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("created_by", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("org_id", "name"),
    )


def downgrade() -> None:
    op.drop_table("workspaces")
    op.drop_column("api_keys", "workspace")
    op.drop_column("invitations", "workspaces")
    op.drop_column("users", "workspaces")
