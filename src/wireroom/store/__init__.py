"""The database: connections, group commit, schema and migrations. Knows no room above it."""
