"""Tables that other programs know: created only when missing, never reset or reshaped."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, MetaData, Table, Text, text

_NOW = text("CURRENT_TIMESTAMP")

legacy = MetaData()

tasks = Table(
    "tasks",
    legacy,
    Column("id", Integer, primary_key=True),
    Column("prompt", Text, nullable=False),
    Column("order", Integer, nullable=False, server_default=text("0")),
    Column("createdat", Text, server_default=_NOW),
    Column("updatedat", Text, server_default=_NOW),
    Column("uuid", Text),
    Column("status", Integer, nullable=False, server_default=text("0")),
    sqlite_autoincrement=True,
)
Index("idx_tasks_status", tasks.c.status)
Index("idx_tasks_order", tasks.c.order)
Index("idx_tasks_status_order", tasks.c.status, tasks.c.order)
Index("idx_tasks_uuid", tasks.c.uuid, unique=True)
# SQLite's indexes end with the row's number by themselves.
Index("ix_tasks_turn", tasks.c.status, tasks.c.order, tasks.c.id).ddl_if(dialect="postgresql")

system_settings = Table(
    "system_settings",
    legacy,
    Column("name", Text, primary_key=True),
    Column("value", Integer, nullable=False, server_default=text("0")),
    Column("created_at", Text, server_default=_NOW),
    Column("updated_at", Text, server_default=_NOW),
)

schema_migrations = Table(
    "schema_migrations",
    legacy,
    Column("name", Text, primary_key=True),
    Column("executed_at", Text, nullable=False),
)

git_credentials = Table(
    "git_credentials",
    legacy,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False),
    Column("username", Text),
    Column("password", Text),
    Column("token", Text),
    Column("repository_url", Text),
    Column("active", Integer, server_default=text("1")),
    Column("created_at", Text, server_default=_NOW),
    Column("updated_at", Text, server_default=_NOW),
)
Index("idx_git_credentials_name", git_credentials.c.name, unique=True)
Index("idx_git_credentials_active", git_credentials.c.active)
Index("idx_git_credentials_repository_url", git_credentials.c.repository_url)

telegram_bots = Table(
    "telegram_bots",
    legacy,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False),
    Column("bot_token", Text, nullable=False),
    Column("webhook_secret", Text, nullable=False),
    Column("bot_type", Text, nullable=False),
    Column("active", Integer, server_default=text("1")),
    Column("created_at", Text, server_default=_NOW),
    Column("updated_at", Text, server_default=_NOW),
)
Index("idx_telegram_bots_name", telegram_bots.c.name, unique=True)
Index("idx_telegram_bots_bot_token", telegram_bots.c.bot_token, unique=True)
Index("idx_telegram_bots_webhook_secret", telegram_bots.c.webhook_secret, unique=True)
Index("idx_telegram_bots_active", telegram_bots.c.active)
Index("idx_telegram_bots_bot_type", telegram_bots.c.bot_type)
