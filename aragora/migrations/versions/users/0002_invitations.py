"""Invitations; and the addresses of accounts in their one form (NFKC, lower case).

An address whose form another account has already stays as it is: its owner logs in by typing it as before.
"""

from __future__ import annotations

import unicodedata

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "invitations",
        sa.Column("invitation_id", sa.Text, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("email", sa.Text, nullable=False),
        sa.Column("org_id", sa.Text, nullable=False),
        sa.Column("roles", sa.Text, nullable=False),
        sa.Column("invited_by", sa.Text, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("expires_at", sa.Double, nullable=False),
        sa.Column("accepted_at", sa.Double),
        sa.Column("revoked_at", sa.Double),
        sa.PrimaryKeyConstraint("invitation_id"),
        sa.UniqueConstraint("digest"),
    )
    op.create_index("ix_invitations_org", "invitations", ["org_id", "invitation_id"])
    op.create_index("ix_invitations_expiry", "invitations", ["expires_at"])
    _normalise()


def downgrade() -> None:
    """The addresses stay in their one form: it is also what was typed, or looks the same."""
    op.drop_table("invitations")


def _normalise() -> None:
    users = sa.table("users", sa.column("user_id", sa.Text), sa.column("email", sa.Text))
    connection = op.get_bind()
    rows = connection.execute(sa.select(users.c.user_id, users.c.email).order_by(users.c.user_id)).all()
    taken = {row.email for row in rows}
    for row in rows:
        normal = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", row.email).lower()).strip()
        if normal not in taken:
            taken.add(normal)
            connection.execute(sa.update(users).where(users.c.user_id == row.user_id).values(email=normal))
