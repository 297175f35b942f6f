"""The tables, as SQLAlchemy Core knows them; one definition for SQLite and PostgreSQL.

`legacy` tables keep the exact shape that other programs know and are only created when missing.
Every other `*_at` column is an integer: milliseconds since the epoch, UTC (`clock.to_ms`).
Migrations in `store/migrations` must produce exactly this; a test compares them.
"""

from wireroom.store.schema.agents import agent_calls, agents, queues
from wireroom.store.schema.base import metadata
from wireroom.store.schema.board import task_attempts, task_dependencies, task_details, task_limits
from wireroom.store.schema.bots import bot_details
from wireroom.store.schema.chats import chat_settings
from wireroom.store.schema.conversations import agent_conversations, agent_messages, conversations, messages
from wireroom.store.schema.delivery import callbacks, deliveries, delivery_parts
from wireroom.store.schema.intake import (
    access_codes,
    audit,
    page_accounts,
    page_sessions,
    people,
    polling_offsets,
    updates,
)
from wireroom.store.schema.jobs import jobs
from wireroom.store.schema.legacy import (
    git_credentials,
    legacy,
    schema_migrations,
    system_settings,
    tasks,
    telegram_bots,
)
from wireroom.store.schema.runs import permissions, remote_results, run_attempts, run_events, run_rounds, runs
from wireroom.store.schema.shared import request_budgets, send_lane_chats, send_lanes
from wireroom.store.schema.topics import topic_requests, topics

__all__ = [
    "access_codes",
    "agent_calls",
    "agent_conversations",
    "agent_messages",
    "agents",
    "audit",
    "bot_details",
    "callbacks",
    "chat_settings",
    "conversations",
    "deliveries",
    "delivery_parts",
    "git_credentials",
    "jobs",
    "legacy",
    "messages",
    "metadata",
    "page_accounts",
    "page_sessions",
    "people",
    "permissions",
    "polling_offsets",
    "queues",
    "remote_results",
    "request_budgets",
    "run_attempts",
    "run_events",
    "run_rounds",
    "runs",
    "schema_migrations",
    "send_lane_chats",
    "send_lanes",
    "system_settings",
    "task_attempts",
    "task_dependencies",
    "task_details",
    "task_limits",
    "tasks",
    "telegram_bots",
    "topic_requests",
    "topics",
    "updates",
]
