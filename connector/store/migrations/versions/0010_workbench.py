"""What a source last told of itself, and how far a resync has come that was interrupted.

Revision ID: 0010
Revises: 0009
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "source_metadata",
        sa.Column("source", sa.Text(), primary_key=True),
        sa.Column("read_at", sa.BigInteger(), nullable=False),
        sa.Column("streams", sa.Text(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
    )
    op.add_column("cursor", sa.Column("resync", sa.Text(), nullable=True))
