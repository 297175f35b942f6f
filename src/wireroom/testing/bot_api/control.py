"""The people's side over HTTP, for a test or a person in another process.

POST /_control/<action> with a JSON object of keyword arguments, GET /_control/<view> with a query string.
An answer is {"ok": true, "result": ...}, or {"ok": false, "description": str} with status 400.

Actions: user, group, topic, say, edit, delete, press, stop, document, voice, push, fault, lift_faults, hold,
release. Views: hold, visible, drafts, seen_texts, sightings, answers, calls, pending, webhook,
callback_answers, commands, update.
Bytes travel as base64 text.
"""

from __future__ import annotations

import base64
import itertools
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import msgspec
from aiohttp import web

from wireroom.testing.bot_api.faults import (
    DropAfter,
    DropBefore,
    Fault,
    FaultRule,
    Garble,
    Hang,
    Hold,
    Refuse,
    Slow,
    blocked,
    broken,
    flooded,
    rejected,
)
from wireroom.testing.bot_api.model import Person
from wireroom.testing.bot_api.params import Params

if TYPE_CHECKING:
    from wireroom.testing.bot_api.server import BotAPIServer

_LONGEST_LOOK_SECONDS = 30.0
Action = Callable[[Params], Awaitable[Any]]


class Control:
    """Translates control requests into calls of the server's methods."""

    def __init__(self, server: BotAPIServer) -> None:
        self._server = server
        self._numbers = itertools.count(1)
        self._holds: dict[int, Hold] = {}
        self._rules: dict[int, FaultRule] = {}
        self._actions: dict[str, Action] = {
            "user": self._user,
            "group": self._group,
            "topic": self._topic,
            "say": self._say,
            "edit": self._edit,
            "delete": self._delete,
            "press": self._press,
            "stop": self._stop,
            "document": self._document,
            "voice": self._voice,
            "push": self._push,
            "fault": self._fault,
            "lift_faults": self._lift_faults,
            "hold": self._hold,
            "release": self._release,
        }
        self._views: dict[str, Action] = {
            "hold": self._look_at_hold,
            "visible": self._visible,
            "drafts": self._drafts,
            "seen_texts": self._seen_texts,
            "sightings": self._sightings,
            "answers": self._answers,
            "calls": self._calls,
            "pending": self._pending,
            "webhook": self._webhook,
            "callback_answers": self._callback_answers,
            "commands": self._commands,
            "update": self._update,
        }

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one control request; parameters may stand in the query string or in a JSON body."""
        name = request.path.removeprefix("/_control/")
        found = (self._actions if request.method == "POST" else self._views).get(name)
        if found is None:
            return _json(404, {"ok": False, "description": f"no control {request.method} {name}"})
        try:
            body = await request.read()
            given = msgspec.json.decode(body, type=dict[str, Any]) if body else {}
            result = await found(Params({**request.query, **given}))
        except (ValueError, LookupError, TypeError) as problem:
            return _json(400, {"ok": False, "description": f"{type(problem).__name__}: {problem}"})
        return _json(200, {"ok": True, "result": result})

    async def _user(self, params: Params) -> Any:
        """{"id": 7, "name": "Ada"}: make a person and their private chat."""
        person = self._server.user(params.integer("id"), params.text("name") or "Ada")
        return {"user": person.id, "chat": self._server.private_chat(person).id}

    async def _group(self, params: Params) -> Any:
        supergroup, forum = params.flag("supergroup"), params.flag("forum")
        return {"chat": self._server.group(params.text("title"), supergroup=supergroup, forum=forum).id}

    async def _topic(self, params: Params) -> Any:
        return {"thread": self._server.topic(params.integer("chat"), params.text("name"))}

    async def _say(self, params: Params) -> Any:
        return self._posted(
            await self._server.user_says(params.integer("chat"), params.text("text"), **self._where(params))
        )

    async def _edit(self, params: Params) -> Any:
        chat, message = params.integer("chat"), params.integer("message_id")
        return self._posted(await self._server.user_edits(chat, message, params.text("text")))

    async def _delete(self, params: Params) -> Any:
        await self._server.user_deletes(params.integer("chat"), params.integer("message_id"))
        return True

    async def _press(self, params: Params) -> Any:
        """{"chat": 7, "message_id": 2, "button": "Stop"}: press the button with this caption."""
        message = self._server.message(params.integer("chat"), params.integer("message_id"))
        button = message.button(params.text("button"))
        return self._posted(await self._server.user_presses(button, user=self._person(params)))

    async def _stop(self, params: Params) -> Any:
        """{"chat": 7, "draft_id": 5}: press the button that stops this draft."""
        wanted = params.integer("draft_id")
        shown = [one for one in self._server.drafts(params.integer("chat")) if one.draft_id == wanted]
        if not shown:
            raise LookupError(f"no draft {wanted} is seen now")
        return {"update_id": await self._server.user_stops(shown[0])}

    async def _document(self, params: Params) -> Any:
        update_id = await self._server.user_sends_document(
            params.integer("chat"),
            params.text("name") or "file.bin",
            base64.b64decode(params.text("content"), validate=True),
            caption=params.text("caption"),
            **self._where(params),
        )
        return self._posted(update_id)

    async def _voice(self, params: Params) -> Any:
        content = base64.b64decode(params.text("content"), validate=True)
        return self._posted(
            await self._server.user_sends_voice(params.integer("chat"), content, **self._where(params))
        )

    async def _push(self, params: Params) -> Any:
        update = params.mapping("update") or {}
        return await self._server.push_raw(update, params.integer("times", 1), at_once=params.flag("at_once"))

    async def _fault(self, params: Params) -> Any:
        """{"kind": "flooded", "retry_after": 3, "method"?, "chat"?, "count"?: 0 for ever, "for_seconds"?}."""
        number = next(self._numbers)
        self._rules[number] = self._server.fault(
            _read_fault(params),
            method=params.text("method") or None,
            chat=params.integer("chat") or None,
            count=params.integer("count", 1) or None,
            for_seconds=float(params.text("for_seconds")) if params.has("for_seconds") else None,
        )
        return {"id": number}

    async def _lift_faults(self, _params: Params) -> Any:
        self._server.lift_faults()
        return True

    async def _hold(self, params: Params) -> Any:
        """{"method": "editMessageText", "when": "after", "chat"?, "timeout_seconds"?: 30}."""
        number = next(self._numbers)
        self._holds[number] = self._server.hold(
            params.text("method") or None,
            params.text("when") or "after",
            chat=params.integer("chat") or None,
            timeout_seconds=float(params.text("timeout_seconds") or 30),
        )
        return {"id": number}

    async def _release(self, params: Params) -> Any:
        self._holds[params.integer("id")].release(drop=params.flag("drop"))
        return True

    async def _look_at_hold(self, params: Params) -> Any:
        """?id=1&wait_seconds=5: whether a call is parked, waiting so long for it."""
        hold = self._holds[params.integer("id")]
        wait_seconds = min(float(params.text("wait_seconds") or 0), _LONGEST_LOOK_SECONDS)
        try:
            await hold.reached(wait_seconds)
        except TimeoutError:
            return {"reached": False}
        return {"reached": True}

    async def _visible(self, params: Params) -> Any:
        return self._server.visible(params.integer("chat"), params.integer("thread") or None)

    async def _drafts(self, params: Params) -> Any:
        return self._server.drafts(params.integer("chat"))

    async def _seen_texts(self, params: Params) -> Any:
        return self._server.seen_texts(params.integer("chat"))

    async def _sightings(self, params: Params) -> Any:
        return self._server.sightings(params.integer("chat"))

    async def _answers(self, params: Params) -> Any:
        return self._server.answers_to(params.integer("message_id"), params.integer("chat") or None)

    async def _calls(self, params: Params) -> Any:
        method = params.text("method")
        return self._server.calls_of(method) if method else self._server.calls

    async def _pending(self, _params: Params) -> Any:
        return self._server.pending_updates

    async def _webhook(self, _params: Params) -> Any:
        return self._server.webhook

    async def _callback_answers(self, _params: Params) -> Any:
        return self._server.callback_answers

    async def _commands(self, _params: Params) -> Any:
        return self._server.commands

    async def _update(self, params: Params) -> Any:
        return self._server.update(params.integer("update_id"))

    def _person(self, params: Params) -> Person | None:
        return self._server.user(params.integer("user")) if params.has("user") else None

    def _where(self, params: Params) -> dict[str, Any]:
        return {
            "user": self._person(params),
            "thread": params.integer("thread") or None,
            "reply_to": params.integer("reply_to") or None,
        }

    def _posted(self, update_id: int) -> dict[str, int]:
        return {"update_id": update_id, "message_id": self._server.message_id_of(update_id)}


def _read_fault(params: Params) -> Fault:
    seconds = float(params.text("seconds") or 1)
    faults: dict[str, Callable[[], Fault]] = {
        "flooded": lambda: flooded(params.integer("retry_after", 1)),
        "blocked": blocked,
        "rejected": lambda: rejected(params.text("description") or "wrong parameter"),
        "broken": broken,
        "refuse": lambda: Refuse(params.integer("code", 400), params.text("description")),
        "hang": lambda: Hang(seconds),
        "slow": lambda: Slow(seconds),
        "drop_before": DropBefore,
        "drop_after": DropAfter,
        "garble": Garble,
    }
    kind = params.text("kind")
    if kind not in faults:
        raise ValueError(f"no fault {kind!r}, only {', '.join(faults)}")
    return faults[kind]()


def _json(status: int, body: dict[str, Any]) -> web.Response:
    return web.Response(status=status, body=msgspec.json.encode(body), content_type="application/json")
