"""Runs that had the same source phase: one holds its points, the others refer to it."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Columns for the phase, its last update and the run that holds its points; copies that are there stay."""
    with op.batch_alter_table("runs") as runs:
        runs.add_column(sa.Column("phase", sa.String(64)))
        runs.add_column(sa.Column("phase_step", sa.Integer))
        runs.add_column(sa.Column("phase_run", sa.String(32)))
        runs.create_index("runs_phase", ["phase", "owner"])
        runs.create_index("runs_phase_run", ["phase_run"])
