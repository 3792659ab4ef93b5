"""Alembic's entry: runs the versions in batch mode over the connection that `ctx.database` hands in."""

from alembic import context

from ctx.schema import metadata

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata, render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
