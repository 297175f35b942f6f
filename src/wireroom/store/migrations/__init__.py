"""Alembic migrations; run by `store.migrate`, one file a version in `versions/`."""
