"""What a job found: the answer to a prediction."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """A column for it."""
    with op.batch_alter_table("jobs") as jobs:
        jobs.add_column(sa.Column("result", sa.JSON(none_as_null=True)))
