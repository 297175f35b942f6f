"""Dead letters of every kind, planted into a database that no program has opened."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, text

from wireroom.store.sqlite import SqliteDatabase

NOW = "(CAST(strftime('%s', 'now') AS INTEGER) * 1000 - 300000)"
MESSAGE = '{"update_id": 1, "message": {"message_id": 1, "text": "what is left to do before the release?"}}'
STATEMENTS = (
    f"""INSERT INTO updates (bot_id, update_id, kind, lane, payload, state, reason, received_at, handled_at)
        VALUES (7, 1, 'message', 'telegram:7:4711:0', :message, 'dead',
                'OperationalError: disk I/O error', {NOW}, {NOW})""",
    f"""INSERT INTO deliveries (lane, bot_id, chat_id, state, opening, body, error, attempts, created_at)
        VALUES ('telegram:7:4711:0', 7, 4711, 'dead', '…', 'The tests pass again: two fixtures were shared.',
                'Forbidden: bot was blocked by the user', 12, {NOW})""",
    f"""INSERT INTO deliveries (lane, bot_id, chat_id, state, opening, body, error, attempts, created_at)
        VALUES ('telegram:7:-1001:9', 7, -1001, 'dead', '…', 'Nightly report: 3 tasks done, 1 left.',
                'Bad Request: message thread not found', 12, {NOW})""",
    f"""INSERT INTO deliveries (lane, bot_id, chat_id, state, opening, body, error, attempts, created_at)
        VALUES ('telegram:7:4711:0', 7, 4711, 'dead', '…', 'Done. I renamed the module.',
                'Forbidden: bot was blocked by the user', 12, {NOW})""",
    f"""INSERT INTO callbacks (url, payload, state, error, status_code, attempts, created_at)
        VALUES ('https://shop.example.org/done?token=x', '{{}}', 'dead', 'HTTP 410 Gone', 410, 20, {NOW})""",
    """INSERT INTO tasks (id, prompt, status, "order") VALUES (7, 'paint the fence', 3, 1)""",
    f"""INSERT INTO task_details (task_id, failures, is_dead, reason, epoch, updated_at)
        VALUES (7, 3, 1, 'The agent ended with exit code 2.', 3, {NOW})""",
    f"""INSERT INTO agent_calls (agent_id, agent_name, queue, action, due_at, state, error, attempts, request,
                                 retry, created_at, finished_at)
        VALUES (1, 'nightly', 'default', 'call', 1, 'dead', 'HTTP 500: Internal Server Error', 3,
                '{{"kind": "call", "url": "http://127.0.0.1:1/", "method": "GET"}}', '{{}}', {NOW}, {NOW})""",
)


async def plant(database: Path) -> None:
    """Store one dead update, three deliveries, one callback, one task and one call."""
    db = SqliteDatabase(database)
    try:
        await db.write(_insert)
    finally:
        await db.close()


def _insert(conn: Connection) -> None:
    for statement in STATEMENTS:
        if ":message" in statement:
            conn.execute(text(statement), {"message": MESSAGE})
        else:
            conn.exec_driver_sql(statement)
