"""Every query that the rooms put together by SQLAlchemy: hot ones with a call to explain, rare ones with why.

`module.function` below the package; what a person or a program waits for, or what repeats by itself, is hot.
Prepared statements are found, not listed. `test_query_plans` and `test_hot_queries` explain all of them.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import cast

from sqlalchemy import Connection

import wireroom
from wireroom.agents import overview, queue_figures
from wireroom.agents import queries as agents
from wireroom.agents.admission import Admission
from wireroom.agents.agent import Agent
from wireroom.agents.overview import AgentKind
from wireroom.agents.queues import Queues
from wireroom.api import access_audit, agent_tools, chat_view
from wireroom.api.access_audit import WantedEntries
from wireroom.api.chat_cursor import Cursor
from wireroom.api.conversation_news import ConversationReader
from wireroom.callbacks import queries as callbacks
from wireroom.callbacks.outbox import dead_callbacks
from wireroom.conversations import agent as agent_conversations
from wireroom.conversations import listing as conversations
from wireroom.conversations import summaries, topics
from wireroom.conversations.agent import AgentOrder
from wireroom.conversations.chat_settings import settings_of_lanes
from wireroom.conversations.folders import recent_folders
from wireroom.delivery import lost, outbox, outgoing
from wireroom.delivery import queries as deliveries
from wireroom.delivery.outgoing import Outgoing
from wireroom.intake import accept, people
from wireroom.intake.ask import Asker
from wireroom.runs import events, look, queries
from wireroom.runs import summaries as runs
from wireroom.store.database import driver
from wireroom.store.statement import Statement
from wireroom.tasks import columns, dependencies, listing, rows
from wireroom.tasks.listing import Wanted

Unit = Callable[[Connection], object]
LANE = "telegram:1:5:0"


class _Idle(Admission):
    """Looks which queues there are, and admits nothing."""

    def __init__(self) -> None:
        """Need neither an engine nor a clock."""

    def admit(self, conn: Connection, queue: str, now_ms: int) -> None:
        """Do nothing."""


def _agent(number: int) -> Agent:
    """Return a one-time agent as a row would make it."""
    return Agent(number, "x", "call", "{}", "q", None, "UTC", "skip", "skip", "{}", 0, 1, None, 1, 1)


def _agents_by(order: AgentOrder) -> Unit:
    return lambda conn: agent_conversations.page_of_agent_conversations(
        conn, order=order, descending=True, limit=5, offset=0
    )


HOT: dict[str, Unit] = {
    "agents.admission.admit_due": lambda conn: _Idle().admit_due(conn, 5),
    "agents.admission.admit_next": lambda conn: _Idle().admit_next(conn, "q", 5, was_catch_up=True),
    "agents.overview._ends": lambda conn: overview._ends(conn, [1, 2]),
    "agents.overview._overviews": lambda conn: overview._overviews(conn, [_agent(1)]),
    "agents.overview.list_overviews": lambda conn: overview.list_overviews(
        conn, kind=AgentKind.SCHEDULED, search="x", limit=5
    ),
    "agents.queries.count_agents": agents.count_agents,
    "agents.queries.list_agents": lambda conn: agents.list_agents(conn, limit=5),
    "agents.queries.list_agents, behind one": lambda conn: agents.list_agents(conn, limit=5, after="x"),
    "agents.queue_figures.agents_of": lambda conn: queue_figures.agents_of(conn, "q"),
    "agents.queue_figures.head_of": lambda conn: queue_figures.head_of(conn, "q"),
    "agents.queue_figures.list_figures": lambda conn: queue_figures.list_figures(conn, 5),
    "agents.queue_figures.list_figures, of one": lambda conn: queue_figures.list_figures(conn, 5, "default"),
    "agents.queues.list": lambda conn: Queues(_Idle(), concurrency=5).list(conn, 5),
    "api.access_audit.list_entries": lambda conn: access_audit.list_entries(conn, WantedEntries(5)),
    "api.access_audit.list_entries, of a person since": lambda conn: access_audit.list_entries(
        conn, WantedEntries(5, who="w5", since_ms=9, until_ms=900, before_id=9000)
    ),
    "api.access_audit.list_entries, of an action": lambda conn: access_audit.list_entries(
        conn, WantedEntries(5, action="a5")
    ),
    "api.agent_tools._newest_run": lambda conn: agent_tools._newest_run(conn, "c5"),
    "api.chat_view.conversation_rows": lambda conn: chat_view.conversation_rows(conn, "c5", 5),
    "api.chat_view.places": lambda conn: chat_view.places(conn, LANE),
    "api.chat_view.rows_of": lambda conn: chat_view.rows_of(conn, ["r5", "r6"]),
    "api.chat_view.watch_start": lambda conn: chat_view.watch_start(conn, LANE),
    "api.chat_view.watched_runs": lambda conn: chat_view.watched_runs(conn, LANE, 5, {}),
    "api.conversation_news._start": lambda conn: ConversationReader("t", "c5", None).look(conn),
    "api.conversation_news._watched": lambda conn: ConversationReader("t", "c5", Cursor(5, {})).look(conn),
    "callbacks.queries.callback_state": lambda conn: callbacks.callback_state(conn, 5),
    "callbacks.queries.count_callbacks": lambda conn: callbacks.count_callbacks(conn, state="dead"),
    "callbacks.queries.list_callbacks": lambda conn: callbacks.list_callbacks(conn, state="dead", limit=5),
    "callbacks.queries.list_callbacks, all": lambda conn: callbacks.list_callbacks(conn, limit=5),
    "callbacks.queries.list_callbacks, before one": lambda conn: callbacks.list_callbacks(
        conn, state="dead", limit=5, before=9
    ),
    "conversations.agent.agent_messages_of": lambda conn: agent_conversations.agent_messages_of(
        conn, "x", limit=5
    ),
    "conversations.agent.count_agent_conversations": agent_conversations.count_agent_conversations,
    "conversations.agent.find_agent_conversation": lambda conn: agent_conversations.find_agent_conversation(
        conn, "x"
    ),
    **{
        f"conversations.agent.page_of_agent_conversations, by {order}": _agents_by(order)
        for order in AgentOrder
    },
    "conversations.chat_settings.settings_of_lanes": lambda conn: settings_of_lanes(conn, [LANE]),
    "conversations.listing.count_all_conversations": conversations.count_all_conversations,
    "conversations.listing.page_of_conversations": lambda conn: conversations.page_of_conversations(
        conn, lane=None, limit=5
    ),
    "conversations.listing.page_of_conversations, of a lane": lambda conn: (
        conversations.page_of_conversations(conn, lane=LANE, limit=5)
    ),
    "conversations.listing.page_of_conversations, behind one": lambda conn: (
        conversations.page_of_conversations(conn, lane=None, limit=5, after=(9, "c9"))
    ),
    "conversations.topics.names_of_lanes": lambda conn: topics.names_of_lanes(conn, ["telegram:1:-1002:5"]),
    "conversations.summaries.count_conversations": lambda conn: summaries.count_conversations(conn, LANE),
    "conversations.summaries.current_summary": lambda conn: summaries.current_summary(conn, LANE),
    "conversations.summaries.list_conversations": lambda conn: summaries.list_conversations(
        conn, LANE, limit=5, offset=0
    ),
    "conversations.summaries.summary_of": lambda conn: summaries.summary_of(conn, "c5"),
    "delivery.lost._known": lambda conn: lost._known(
        conn, cast("Outgoing", SimpleNamespace(id=5, bot_id=1, chat_id=5)), 1, 9
    ),
    "delivery.outbox.discard_delivery": lambda conn: outbox.discard_delivery(conn, 5),
    "delivery.outgoing.note_failure": lambda conn: outgoing.note_failure(conn, 5, "x"),
    "delivery.queries.count_deliveries": lambda conn: deliveries.count_deliveries(conn, state="dead"),
    "delivery.queries.delivery_state": lambda conn: deliveries.delivery_state(conn, 5),
    "delivery.queries.list_deliveries": lambda conn: deliveries.list_deliveries(conn, state="dead"),
    "delivery.queries.list_deliveries, all": deliveries.list_deliveries,
    "delivery.queries.list_deliveries, before one": lambda conn: deliveries.list_deliveries(
        conn, state="dead", before=9
    ),
    "delivery.queries.recipient_of_run": lambda conn: deliveries.recipient_of_run(conn, "r5"),
    "intake.accept.advance_offset": lambda conn: accept.advance_offset(conn, 1, 5),
    "intake.accept.clear_payloads": lambda conn: accept.clear_payloads(conn, 9500),
    "intake.accept.dead_updates": lambda conn: accept.dead_updates(conn, 5),
    "intake.accept.next_offset": lambda conn: accept.next_offset(conn, 1),
    "intake.ask.known": lambda conn: Asker.known(cast("Asker", None), conn, "x"),
    "intake.people.stored_text": lambda conn: people.stored_text(conn, 5, "other lane"),
    "intake.people.use_code": lambda conn: people.use_code(conn, "login", "x", 5),
    "runs.events.read_events": lambda conn: events.read_events(conn, "r5"),
    "runs.events.text_so_far": lambda conn: events.text_so_far(conn, "r5"),
    "runs.queries.find_run": lambda conn: queries.find_run(conn, "r5"),
    "runs.queries.recent_runs": lambda conn: queries.recent_runs(conn, lane=LANE),
    "runs.queries.reword_waiting": lambda conn: queries.reword_waiting(conn, "r5", "x"),
    "runs.queries.run_of_message": lambda conn: queries.run_of_message(conn, LANE, 5),
    "runs.queries.unfinished_runs": lambda conn: queries.unfinished_runs(conn, LANE),
    "runs.summaries.count_runs": lambda conn: runs.count_runs(conn, lane=LANE, state=None),
    "runs.summaries.list_summaries": lambda conn: runs.list_summaries(
        conn, lane=None, state=None, limit=5
    ),
    "runs.summaries.list_summaries, behind one": lambda conn: runs.list_summaries(
        conn, lane=None, state=None, limit=5, after=(9, "r9")
    ),
    "runs.summaries.list_summaries, of a lane": lambda conn: runs.list_summaries(
        conn, lane=LANE, state=None, limit=5
    ),
    "runs.summaries.list_summaries, of a state": lambda conn: runs.list_summaries(
        conn, lane=None, state="failed", limit=5
    ),
    "callbacks.outbox.dead_callbacks": lambda conn: dead_callbacks(conn, after=5, limit=5),
    "conversations.folders.recent_folders": lambda conn: recent_folders(conn, 5),
    "delivery.outbox.dead_deliveries": lambda conn: outbox.dead_deliveries(conn, after=5, limit=5),
    "intake.accept.dead_update_ids": lambda conn: accept.dead_update_ids(conn, after=5, limit=5),
    "runs.look.task_of_request": lambda conn: look.task_of_request(conn, "q5"),
    "tasks.columns._counted": lambda conn: columns.count_columns(conn, columns.Sought()),
    "tasks.columns.show_window": lambda conn: columns.show_window(
        conn, columns.Window(columns.Column.READY, 0, 5), columns.Sought()
    ),
    "tasks.dependencies.needs_by_task": lambda conn: dependencies.needs_by_task(conn, [1, 2]),
    "tasks.listing.count_by_status": listing.count_by_status,
    "tasks.listing.count_tasks": lambda conn: listing.count_tasks(conn, Wanted(status=0)),
    "tasks.listing.list_tasks": lambda conn: listing.list_tasks(conn, Wanted(status=0, limit=5)),
    "tasks.listing.list_tasks, behind one": lambda conn: listing.list_tasks(
        conn, Wanted(status=0, limit=5, after=(1, 1))
    ),
    "tasks.rows.limits_by_label": rows.limits_by_label,
}  # fmt: skip
"""Each is run for real, and every statement of it explained."""

_KEY = "by primary key, when somebody asks for that one thing"
_DEAD = "by primary key, a bounded number of dead ones, when a person says so"
_HOURLY = "once an hour, a bounded number of rows"
RARE: dict[str, str] = {
    "agents.admission._lock": "PostgreSQL's advisory lock: no table",
    "agents.calls.retry_all": _DEAD,
    "agents.dead.discard_dead_calls": _DEAD,
    "agents.retention.forget_before": _HOURLY,
    "api.access_accounts._change": _KEY,
    "api.access_accounts.list_accounts": "the handful of accounts",
    "api.access_accounts.remove_account": _KEY,
    "api.access_audit._names": "as many steps by the index as there are names, when a person filters",
    "api.access_sessions.change_role_of_session": _KEY,
    "api.access_sessions.end_every_session": "the sessions, when a person says so",
    "api.access_sessions.end_session_named": _KEY,
    "api.access_sessions.end_session_of_token": _KEY,
    "api.access_sessions.end_sessions_of": "the sessions, when a person says so",
    "api.access_sessions.list_sessions": "the sessions, when a person looks",
    "api.access_sessions.store_session": "the sessions that are over, at each login",
    "api.dead_letters._note_all": "an insert",
    "api.guard.note_action": "an insert",
    "api.health._write_and_take_back": "by primary key, at most once a second",
    "app.chores._unfinished": _HOURLY,
    "app.probes._owner": "when memory runs short",
    "callbacks.outbox.discard_callbacks": _DEAD,
    "callbacks.outbox.retry_callbacks": _DEAD,
    "conversations.agent.create_agent_conversation": "an insert",
    "conversations.folders.folder_of": _KEY,
    "delivery.lost.note_search": _KEY,
    "delivery.outbox.discard_deliveries": _DEAD,
    "delivery.outbox.retry_deliveries": _DEAD,
    "delivery.outgoing.close_delivery": "by primary key, when one is given up",
    "delivery.outgoing.forget_message": "by primary key, when somebody has deleted the message",
    "delivery.outgoing.move_chat": "when a group becomes another one",
    "delivery.outgoing.store_parts": "by primary key, when an answer needs more than one message",
    "doctor.database_size._ask_size": "no table of ours",
    "intake.accept.count_dead_updates": "the dead ones by their partial index",
    "intake.accept.discard_updates": _DEAD,
    "intake.accept.retry_updates": _DEAD,
    "intake.bots.add_bot": "an insert, after a look at the handful of bots",
    "intake.bots.list_bots": "the handful of bots",
    "intake.bots.note_bot": "by primary key, when something about a bot is found out",
    "intake.bots.pause_bot": _KEY,
    "intake.bots.remove_bot": "what waits for a bot, when a person removes it",
    "intake.known_requests.promise_callback": "by primary key, when a known request is asked again",
    "intake.accept.payload_of": _KEY,
    "intake.people.change_role": _KEY,
    "intake.people.forget_person": _KEY,
    "intake.people.get_person": _KEY,
    "intake.people.list_people": "the people of the bots, when a person looks",
    "intake.people.new_code": "expired ones, at each new code",
    "intake.people.pair": "an insert",
    "intake.program_requests.again": _KEY,
    "runs.cancel.cancel_run": _KEY,
    "runs.log_search._events": "a bounded piece of one run's log, by primary key",
    "runs.look.backends_in_use": "a bounded number of the newest runs, in the order of their index",
    "runs.look.folder_of_run": _KEY,
    "runs.look.look_for_runs": "at most 2,000 runs in the order of an index; test_run_looks explains it",
    "runs.look.read_attempts": _KEY,
    "runs.orphans.adopt_orphans": "at the start, by primary key",
    "runs.orphans.find_orphans": "at the start, the unfinished ones by their partial index",
    "runs.overdue._end": "by primary key, when a run has waited too long",
    "runs.retention._delete": _HOURLY,
    "runs.retention._old": _HOURLY,
    "runs.retention.forget_before": _HOURLY,
    "system_settings.set_setting": "an insert into the audit",
    "tasks.board._locked": _KEY,
    "tasks.board._set": _KEY,
    "tasks.board._set_details": _KEY,
    "tasks.board.delete_task": _KEY,
    "tasks.board.forget_task": _KEY,
    "tasks.board.set_limit": "when a person sets a limit",
    "tasks.columns._unmet": "by primary key, the tasks that a window of cards waits for",
    "tasks.columns.cards_of": "by primary key, a window of cards",
    "tasks.columns.find_cards": "a search by words, which no index serves, when a person types",
    "tasks.columns.labels_in_use": "when a person opens the choices",
    "tasks.columns.repositories_in_use": "when a person opens the choices",
    "tasks.columns.waiting_for": _KEY,
    "tasks.dead._revive": _DEAD,
    "tasks.dead.dead_task_ids": "the dead ones by their partial index",
    "tasks.dead.list_dead_tasks": "the dead ones by their partial index, when a person looks",
    "tasks.moving._free_order": "the tasks of one column above a place, when a person moves one",
    "tasks.moving.move_task": _KEY,
    "tasks.operator._switch_under_lock": "by name, the handful of settings",
}
"""Why a plan of it matters to nobody."""

HAS_PLAN = re.compile(r"\s*(?:SELECT|WITH|INSERT|UPDATE|DELETE)\b")
APART = ("wireroom.store.migrations.", "wireroom.load.", "wireroom.bench.")
"""What is not imported by a running service: it has no statements, and may need extras of the package."""
PARAMETER = re.compile(r"(?<!:):(\w+)")


def _statements() -> Iterator[tuple[str, Statement]]:
    """Find every `Statement` of the package, so that a new one is looked at without being listed."""
    for module in pkgutil.walk_packages(wireroom.__path__, "wireroom."):
        if module.name.startswith(APART) or module.name.endswith("__main__"):
            continue
        for name, value in vars(importlib.import_module(module.name)).items():
            if isinstance(value, Statement) and HAS_PLAN.match(value._sql):
                yield f"{module.name.removeprefix('wireroom.')}.{name}", value


STATEMENTS = dict(_statements())
"""Every prepared statement of the package that has a plan, by `module.name`."""


def values_of(statement: Statement) -> dict[str, str]:
    """Return some value for each that the statement binds."""
    return dict.fromkeys(PARAMETER.findall(statement._sql), "1")


def sent_by(conn: Connection, unit: Unit) -> list[str]:
    """Run the unit, undo it, and return the statements that it sent, with their values in place."""
    sent: list[str] = []
    raw = driver(conn)
    raw.execute("BEGIN")
    raw.set_trace_callback(sent.append)
    unit(conn)
    raw.set_trace_callback(None)
    raw.execute("ROLLBACK")
    return sent


def plan_on_sqlite(conn: Connection, sql: str) -> str:
    """Return SQLite's plan of a statement whose values are in place."""
    return "\n".join(row[3] for row in driver(conn).execute(f"EXPLAIN QUERY PLAN {sql}").fetchall())
