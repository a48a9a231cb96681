"""What an account's users share (rate budget, tokens), the inbox of webhooks, and passes over ids alone.

Revision ID: 0008
Revises: 0007
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "rate_budget",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("account", "name"),
    )
    op.create_table(
        "token",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("account"),
    )
    op.create_table(
        "hook_inbox",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("stream", sa.Text(), nullable=False),
        sa.Column("record_key", sa.Text(), nullable=False),
        sa.Column("occurred_at", sa.BigInteger(), nullable=True),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("read_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("source", "id"),
    )
    op.create_index("hook_inbox_read", "hook_inbox", ["read_at"])
    op.add_column("id_pass", sa.Column("kind", sa.Text(), nullable=False, server_default="records"))
    op.add_column("id_pass", sa.Column("answered", sa.Text(), nullable=True))
    op.add_column("page", sa.Column("left_out", sa.Text(), nullable=True))
    op.add_column("cursor", sa.Column("ids_checked_at", sa.BigInteger(), nullable=True))
