"""A coding agent that does exactly what it is told, as a real process; for tests of everything around agents.

The prompt is its script, so that a test can steer it through any front door: `say hello; sleep 0.1; exit 3`.
The steps are listed in `scripted_program`. Every start and end is recorded in a ledger file, for counting how
often a prompt was really run.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

from wireroom.backends.demo import DemoParser
from wireroom.backends.protocol import AgentRequest, AgentResult, Command, Host, StreamParser, Wire, Words
from wireroom.backends.telling import Telling
from wireroom.backends.wire import read_object, text_of

_TOLD_OUTBOX = re.compile(r"put them into (\S+)\. What")
_PROGRAM = Path(__file__).with_name("scripted_program.py")


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One line of the ledger."""

    what: str
    """`start`, or `end` when the script was followed to its end."""
    pid: int
    prompt: str


@dataclass(frozen=True, slots=True)
class Ledger:
    """What scripted agents recorded; survives every crash of the program under test."""

    path: Path

    def entries(self) -> list[LedgerEntry]:
        """Return all entries, oldest first; a line that is just being written counts when it is whole."""
        if not self.path.exists():
            return []
        lines = self.path.read_text(encoding="utf-8").split("\n")[:-1]
        return [_entry(line) for line in lines]

    def starts(self) -> Counter[str]:
        """Return how often each prompt was started."""
        return Counter(entry.prompt for entry in self.entries() if entry.what == "start")

    def ends(self) -> Counter[str]:
        """Return how often each prompt was followed to its end."""
        return Counter(entry.prompt for entry in self.entries() if entry.what == "end")


def _entry(line: str) -> LedgerEntry:
    what, pid, prompt = line.split(" ", 2)
    return LedgerEntry(what, int(pid), json.loads(prompt))


class ScriptedAgent:
    """The executable; `folder` holds its ledger and gates. Safe to use from several processes at once."""

    def __init__(self, folder: Path) -> None:
        self.ledger = Ledger(folder / "ledger")
        self._gates = folder / "gates"
        self._gates.mkdir(parents=True, exist_ok=True)

    def argv(self, script: str | None = None) -> tuple[str, ...]:
        """Return the command line; with a script, prompts are recorded but not followed."""
        follow = () if script is None else ("--script", script)
        return (sys.executable, "-I", "-S", str(_PROGRAM), "--ledger", str(self.ledger.path), *follow)

    def command(
        self, prompt: str, workdir: Path, script: str | None = None, *, outbox: str | None = None
    ) -> Command:
        """Return the process that follows the prompt (or the script) in this folder.

        Args:
            prompt: Given on standard input.
            workdir: Where it works.
            script: Followed instead.
            outbox: Where it leaves files for the person.
        """
        return Command(
            argv=self.argv(script),
            cwd=workdir,
            env={"PATH": os.environ.get("PATH", "")} | ({"OUTBOX": outbox} if outbox else {}),
            stdin=prompt.encode(),
        )

    def gate(self, name: str) -> str:
        """Return the step that waits until `open_gate` of the same name."""
        return f"gate {self._gates / name}"

    def open_gate(self, name: str) -> None:
        """Let the agents at this gate go on, and all that come later."""
        (self._gates / name).touch()


class ScriptedBackend:
    """The scripted agent as a back end; it resumes sessions, so a prompt reaches it without context."""

    name = "scripted"
    resumes_sessions = True

    def __init__(self, agent: ScriptedAgent, script: str | None = None) -> None:
        self.agent = agent
        self._script = script

    def command(self, request: AgentRequest) -> Command:
        """Return the process that follows the request's prompt; it leaves files where it was told to."""
        told = _TOLD_OUTBOX.search(request.instructions)
        outbox = told[1] if told else None
        return self.agent.command(request.prompt, request.workdir, self._script, outbox=outbox)

    def parser(self) -> StreamParser:
        """Return a parser of the demo agent's lines."""
        return DemoParser()


class TalkingBackend(ScriptedBackend):
    """The scripted agent as one that can be told something while it works: its step `hear` takes it."""

    takes_words = True

    def command(self, request: AgentRequest) -> Command:
        """Return the process; one that is talked with takes its prompt as a line."""
        command = super().command(request)
        return replace(command, argv=(*command.argv, "--talk", "yes")) if request.takes_words else command

    async def converse(self, request: AgentRequest, wire: Wire, host: Host) -> AgentResult:
        """Give the prompt, hand on what people say, and read to the result."""
        parser = DemoParser()

        async def send(words: Words) -> None:
            await wire.send(f"{words.id} {_as_line(words.text)}")

        await wire.send(_as_line(request.prompt))
        async with Telling(host, send) as telling:
            while (line := await wire.receive()) is not None:
                fields = read_object(line) or {}
                if fields.get("event") == "heard":
                    await telling.heard(text_of(fields.get("id")))
                    continue
                for event in parser.feed(line):
                    host.emit(event)
                if fields.get("event") == "result":
                    break
        return parser.result(None)


def _as_line(text: str) -> str:
    return text.replace("\n", "\x1f")
