"""How a login began."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column("sessions", sa.Column("method", sa.Text))


def downgrade() -> None:
    op.drop_column("sessions", "method")
