"""Pipelines of any start: the event at which a deal of each begins, and the one at which it is won.

Revision ID: 0007
Revises: 0006
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("pipeline", sa.Column("starts", sa.Text(), nullable=True))
    op.add_column("pipeline", sa.Column("won", sa.Text(), nullable=True))
