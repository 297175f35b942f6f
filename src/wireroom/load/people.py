"""The people, as Locust plays them; only ever imported in their own process, after Locust has patched it.

Everybody acts at their own pace whether or not the service keeps up: who is answered late writes the next
message no later, so that a slow service gets a longer queue and not a lighter load.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable

import gevent
from locust import task

from wireroom.load import questions
from wireroom.load.capabilities import (
    AGENT_TOOLS,
    CALLBACKS,
    HEALTH,
    NEW_CONVERSATION,
    PROGRAMS,
    TASKS,
    WEBHOOK,
)
from wireroom.load.live import Reader, read_socket, read_stream
from wireroom.load.person import ChatPerson, Person
from wireroom.load.samples import Capabilities, Promise

VOICE = f"{WEBHOOK} (voice)"


class Chatter(ChatPerson):
    """Writes to the bot."""

    weight = 10
    usual_seconds = 5.0

    @task
    def write(self) -> None:
        """Ask for something."""
        number, token = self.stage.new_token()
        text = questions.prompt(token, self.stage.plan.agent_seconds)
        self.tell(number, token, {"text": text}, WEBHOOK)


class VoiceSender(ChatPerson):
    """Speaks to the bot, and expects at least a polite answer."""

    weight = 1
    usual_seconds = 15.0

    @task
    def speak(self) -> None:
        """Send a voice message."""
        number, _ = self.stage.new_token()
        token = questions.voice_token(self.chat, questions.message_id_of(number))
        self.tell(number, token, {"voice": self.stage.plan.voice}, VOICE)


class TaskFiler(Person):
    """Puts tasks on the board."""

    weight = 2
    usual_seconds = 10.0

    @task
    def file(self) -> None:
        """File a task; its number is what must be found on the board."""
        _, token = self.stage.new_token()
        began = time.monotonic()
        body = {"prompt": questions.prompt(token, self.stage.plan.agent_seconds), "order": 0, "status": 0}
        status, task_row = self.send(TASKS, body, TASKS)
        acknowledged = status in {200, 201} and isinstance(task_row, dict) and "id" in task_row
        name = str(task_row["id"]) if acknowledged else token
        self.stage.recorder.filed.append(Promise(name, began, acknowledged))


class Watcher(Person):
    """Has a dashboard open: a live stream and a conversation's WebSocket, and lists that are polled."""

    weight = 4
    usual_seconds = 2.0

    def on_start(self) -> None:
        """Open what is live."""
        super().on_start()
        can = self.stage.plan.can
        self._readers: list[gevent.Greenlet] = []
        if can.stream:
            self._open(read_stream, can.stream)
        if can.socket:
            _, made = self.send(NEW_CONVERSATION, {"queueType": "api"}, NEW_CONVERSATION)
            if isinstance(made, dict) and "conversationId" in made:
                self._open(read_socket, f"{can.socket}?conversationId={made['conversationId']}")

    def on_stop(self) -> None:
        """Close it."""
        gevent.killall(self._readers)

    @task
    def poll(self) -> None:
        """Look at one of the lists."""
        path = random.choice(self.stage.plan.can.lists)  # noqa: S311 - chance, not secrecy
        self.look(path, path.partition("?")[0])

    def _open(self, read: Callable[[Reader, str], None], path: str) -> None:
        reader = Reader(self.environment, self.stage.plan.base_url, self.stage.headers, self.stage.recorder)
        self._readers.append(gevent.spawn(read, reader, path))


class Program(Person):
    """Has work done over HTTP, and wants to be called back."""

    weight = 2
    usual_seconds = 5.0
    conversation: str | None = None

    def on_start(self) -> None:
        """Begin a conversation of its own: the requests of one conversation wait for each other."""
        super().on_start()
        _, made = self.send(NEW_CONVERSATION, {"queueType": "api"}, NEW_CONVERSATION)
        self.conversation = made.get("conversationId") if isinstance(made, dict) else None

    @task
    def request(self) -> None:
        """Ask for a run."""
        plan = self.stage.plan
        _, token = self.stage.new_token()
        began = time.monotonic()
        body = {
            "id": f"api-{token}",
            "prompt": questions.prompt(token, plan.agent_seconds),
            "queueType": "api",
            "callbackUrl": plan.callback_url + token,
            **({"conversationId": self.conversation} if self.conversation else {}),
        }
        status, _ = self.send(PROGRAMS, body, PROGRAMS)
        self.stage.recorder.called.append(Promise(token, began, status == 200))  # noqa: PLR2004 - HTTP


class CallbackSender(Person):
    """A runner elsewhere that reports results; nobody waits for these, as for any that come late."""

    weight = 1
    usual_seconds = 5.0

    @task
    def report(self) -> None:
        """Send a callback."""
        _, token = self.stage.new_token()
        body = {
            "requestId": token,
            "success": True,
            "output": "done " * 40,
            "exitCode": 0,
            "duration": "900ms",
        }
        self.send(CALLBACKS, body, CALLBACKS)


class VoiceAgent(Person):
    """A voice assistant that asks how a run stands while somebody listens."""

    weight = 1
    usual_seconds = 5.0

    @task
    def ask(self) -> None:
        """Use a tool."""
        body = {"tool": "run_status", "args": {}, "conversation_id": "load"}
        self.send(AGENT_TOOLS, body, AGENT_TOOLS)


class HealthCheck(Person):
    """What restarts a service that does not answer: there is one, and it asks twice a second."""

    fixed_count = 1
    usual_seconds = 0.5

    @task
    def check(self) -> None:
        """Ask whether it is alive."""
        self.look(HEALTH, HEALTH)


def cast(can: Capabilities) -> list[type[Person]]:
    """Return those who can act on a service."""
    able: dict[type[Person], bool] = {
        HealthCheck: can.health,
        Chatter: can.webhook,
        VoiceSender: can.webhook,
        TaskFiler: can.tasks,
        Watcher: bool(can.lists),
        Program: can.programs,
        CallbackSender: can.callbacks,
        VoiceAgent: can.agent_tools,
    }
    return [who for who, may_act in able.items() if may_act]
