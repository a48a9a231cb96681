"""When each source had been read as a whole for the first time.

Revision ID: 0003
Revises: 0002
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "known_since",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("source"),
    )
    # A store of before had no such moment: that of its last stream to be read whole stands for it.
    op.execute(
        "INSERT INTO known_since (source, at) SELECT source, max(first_complete_at) FROM cursor"
        " GROUP BY source HAVING count(*) = count(first_complete_at)"
    )
