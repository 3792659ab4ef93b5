"""The store's tables. A change here is a new file in ``ctx/migrations/versions/`` and a new `REVISION`.

A missing value is NULL. Times are seconds since 1970. ``runs.checkpoint`` names the file that ``checkpoint_step``
belongs to: points after that step go when the run is taken up again. `ctx.phases` says what ``runs.phase`` is.
"""

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)

REVISION = "0003"
metadata = MetaData()

runs = Table(
    "runs",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("key", String(64), nullable=False),
    Column("state", String(16), nullable=False),
    Column("owner", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("note", Text, nullable=False),
    Column("study", String(32)),
    Column("config", JSON, nullable=False),
    Column("final", JSON(none_as_null=True)),
    Column("manifest", JSON, nullable=False),
    Column("error", Text),
    Column("attempt", Integer, nullable=False),
    Column("crashes", Integer, nullable=False),
    Column("stop_requested", Boolean, nullable=False),
    Column("threads", Integer),
    Column("step", Integer, nullable=False),
    Column("steps", Integer),
    Column("checkpoint", Text),
    Column("checkpoint_step", Integer),
    Column("lease_owner", Text),
    Column("lease_until", Double),
    Column("created", Double, nullable=False),
    Column("started", Double),
    Column("ended", Double),
    Column("deleted", Double),
    Column("phase", String(64)),
    Column("phase_step", Integer),
    Column("phase_run", String(32)),
    Index("runs_state", "state", "created"),
    Index("runs_key", "key", "owner"),
    Index("runs_created", "created"),
    Index("runs_owner", "owner", "started"),
    Index("runs_phase", "phase", "owner"),
    Index("runs_phase_run", "phase_run"),
)

metrics = Table(
    "metrics",
    metadata,
    Column("run_id", String(32), ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    Column("name", Text, primary_key=True),
    Column("step", Integer, primary_key=True),
    Column("value", Double),
    sqlite_with_rowid=False,
)

outputs = Table(
    "outputs",
    metadata,
    Column("run_id", String(32), ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    Column("name", Text, primary_key=True),
    Column("data", LargeBinary, nullable=False),
)

studies = Table(
    "studies",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("owner", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("config", JSON, nullable=False),
    Column("created", Double, nullable=False),
    Index("studies_created", "created"),
)

study_runs = Table(
    "study_runs",
    metadata,
    Column("study_id", String(32), ForeignKey("studies.id", ondelete="CASCADE"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("run_id", String(32), ForeignKey("runs.id", ondelete="CASCADE"), nullable=False),
    Column("arm", Text, nullable=False),
    Column("draw", Integer, nullable=False),
    Index("study_runs_run", "run_id"),
)

jobs = Table(
    "jobs",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("kind", String(32), nullable=False),
    Column("payload", JSON, nullable=False),
    Column("owner", Text, nullable=False),
    Column("state", String(16), nullable=False),
    Column("progress", Text, nullable=False),
    Column("done", Double),
    Column("total", Double),
    Column("error", Text),
    Column("attempt", Integer, nullable=False),
    Column("lease_owner", Text),
    Column("lease_until", Double),
    Column("created", Double, nullable=False),
    Column("ended", Double),
    Column("result", JSON(none_as_null=True)),
    Index("jobs_state", "state", "created"),
)

leases = Table(
    "leases",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("owner", Text, nullable=False),
    Column("until", Double, nullable=False),
)
