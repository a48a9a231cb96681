"""Deliveries that are taken back, their revision, and what somebody changed at the destination.

Revision ID: 0009
Revises: 0008
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("delivery", sa.Column("action", sa.Text(), nullable=False, server_default="send"))
    op.add_column("delivery", sa.Column("revision", sa.Integer(), nullable=False, server_default=sa.text("0")))
    op.add_column("delivery", sa.Column("may_stand", sa.SmallInteger(), nullable=False, server_default=sa.text("0")))
    op.execute(
        "UPDATE delivery SET may_stand = 1 "
        "WHERE confirmed_payload IS NOT NULL OR attempt > 0 OR state IN ('sending', 'unanswered')"
    )
    op.add_column("delivery", sa.Column("drift", sa.Text(), nullable=True))
    op.add_column("delivery", sa.Column("verified_at", sa.BigInteger(), nullable=True))
    op.add_column("delivery", sa.Column("withdrawn_at", sa.BigInteger(), nullable=True))
