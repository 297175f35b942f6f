"""How Alembic runs our migrations: on the connection that `store.migrate` hands over, in one transaction."""

from __future__ import annotations

from alembic import context

from wireroom.store.schema import metadata

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadata,
    transactional_ddl=True,
    render_as_batch=connection.dialect.name == "sqlite",
    version_table="wireroom_version",
)
with context.begin_transaction():
    context.run_migrations()
