"""Moves everything from one database to another: SQLite to PostgreSQL, back, to a backup, from a backup."""
