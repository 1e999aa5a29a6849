"""When a login last showed who it is, and what an API key may do."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("sessions", sa.Column("proved_at", sa.Double))
    op.add_column("api_keys", sa.Column("scopes", sa.Text))


def downgrade() -> None:
    op.drop_column("api_keys", "scopes")
    op.drop_column("sessions", "proved_at")
