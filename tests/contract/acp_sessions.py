"""One prompt to a real ACP agent under supervision, with everything that came of it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from wireroom.backends.protocol import (
    AgentEvent,
    AgentRequest,
    EventKind,
    InteractiveBackend,
    PermissionAnswer,
    PermissionQuestion,
)
from wireroom.runs.agent_host import AgentHost
from wireroom.runs.agent_ways import Served, Watch, talk_with
from wireroom.runs.limits import Limits
from wireroom.runs.process_group import ProcessMark

QUICK = Limits(
    hard=timedelta(seconds=20),
    idle=timedelta(seconds=20),
    polite=timedelta(seconds=0.5),
    grace=timedelta(seconds=0.5),
    drain=timedelta(seconds=0.5),
)


class RecordingHost(AgentHost):
    """Keeps the events; answers questions as told, after as long as told."""

    def __init__(self, answer: PermissionAnswer = PermissionAnswer.ALLOWED, seconds: float = 0) -> None:
        self.events: list[AgentEvent] = []
        self.questions: list[PermissionQuestion] = []
        self._answer = answer
        self._seconds = seconds
        super().__init__(self.events.append, None)

    async def ask(self, question: PermissionQuestion) -> PermissionAnswer:
        """Record the question, wait, answer."""
        assert self.dialogue is not None
        self.questions.append(question)
        with self.dialogue.waiting_for_person():
            await asyncio.sleep(self._seconds)
        return self._answer

    def payloads(self, kind: EventKind) -> list[dict[str, Any]]:
        """Return what the events of one kind tell."""
        return [dict(event.payload) for event in self.events if event.kind is kind]


@dataclass
class AcpSession:
    """Prompts to one back end in one folder."""

    backend: InteractiveBackend
    folder: Path
    limits: Limits = QUICK
    marks: list[ProcessMark] = field(default_factory=list)
    stop: asyncio.Event = field(default_factory=asyncio.Event)

    async def ask(self, prompt: str, host: RecordingHost | None = None, **request: Any) -> Served:
        """Have the prompt served."""
        workdir = self.folder / "work"
        workdir.mkdir(exist_ok=True)
        watch = Watch(
            limits=self.limits,
            stop=self.stop,
            spill_dir=self.folder / "spill",
            scope=f"test-{len(self.marks)}-{id(self)}",
            on_started=self._note,
            on_error_line=lambda _: None,
        )
        asked = replace(AgentRequest(prompt, workdir), **request)
        return await talk_with(self.backend, asked, host or RecordingHost(), watch)

    async def _note(self, mark: ProcessMark) -> None:
        self.marks.append(mark)
