"""A coding agent for loops: as a worker it follows its prompt, as a reviewer it says what it is told to."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from pathlib import Path

from sqlalchemy import Connection

from wireroom.backends.protocol import AgentRequest, Command, StreamParser
from wireroom.conversations.threads import NewConversation, begin_conversation, find_conversation
from wireroom.jobs.port import Jobs
from wireroom.runs.options import RunOptions
from wireroom.runs.records import NewRun, create_run
from wireroom.runs.states import RunMode
from wireroom.testing.scripted_agent import ScriptedAgent, ScriptedBackend

_PROCESS = uuid.uuid4().hex
"""What tells an agent's processes apart is made of its run's id, and other tests run beside us."""


def run_named(name: str) -> str:
    """Return the id of a run of this process alone."""
    return f"{name}-{_PROCESS}"


RUN = run_named("run")
LANE = "web:one"
CONVERSATION = "conversation-1"
GOES_ON = "tool goes-on\n"
"""What comes before the prompt of an agent that is told to go on."""


def complete(why: str = "all there") -> str:
    """Return the script of a reviewer that finds the work complete."""
    return _say({"code_complete": True, "break_iteration": False, "justification": why})


def go_on(next_prompt: str, why: str = "more is wanted") -> str:
    """Return the script of a reviewer that wants more; the prompt's steps stand on lines of their own."""
    return _say({"code_complete": False, "justification": why, "next_prompt": next_prompt})


def blocked(why: str) -> str:
    """Return the script of a reviewer that sees no use in going on."""
    return _say({"code_complete": False, "break_iteration": True, "justification": why})


def is_review(prompt: str) -> bool:
    """Tell a reviewer's prompt from a worker's."""
    return prompt.startswith("You review the work")


class LoopBackend:
    """Worker and reviewer in one; `requests` holds what each was asked, in order."""

    name = "scripted"

    def __init__(
        self, agent: ScriptedAgent, reviews: Mapping[str, str], *, resumes_sessions: bool = True
    ) -> None:
        """Keep the reviewers' scripts.

        Args:
            agent: The program.
            reviews: Script by the output that is reviewed, and by `again OUTPUT` when it is asked once more.
            resumes_sessions: See `Backend`.
        """
        self.resumes_sessions = resumes_sessions
        self.agent = agent
        self.requests: list[AgentRequest] = []
        self._reviews = reviews

    def command(self, request: AgentRequest) -> Command:
        """Return the process that follows the prompt, or says the verdict."""
        self.requests.append(request)
        if not is_review(request.prompt):
            prompt = GOES_ON + request.prompt if request.goes_on else request.prompt
            return self.agent.command(prompt, request.workdir)
        output = request.prompt.partition("=== WHAT THE AGENT SAID ===\n")[2].partition("\n\n===")[0]
        again = "again " if "Your last answer could not be read" in request.prompt else ""
        script = self._reviews.get(again + output) or self._reviews[output]
        return self.agent.command(request.prompt, request.workdir, script)

    def parser(self) -> StreamParser:
        """Return a parser of the scripted agent's lines."""
        return ScriptedBackend(self.agent).parser()

    @property
    def works(self) -> list[AgentRequest]:
        """What workers were asked."""
        return [request for request in self.requests if not is_review(request.prompt)]


def ask_for_run(
    conn: Connection,
    jobs: Jobs,
    prompt: str,
    workdir: Path,
    *,
    now_ms: int,
    options: RunOptions | None = None,
    mode: RunMode = RunMode.ITERATE,
) -> None:
    """Store the run `RUN` in a conversation of its own, begun if need be. A unit of work."""
    if find_conversation(conn, CONVERSATION) is None:
        begin_conversation(conn, NewConversation(CONVERSATION, "web", LANE, str(workdir)), now_ms)
    new = NewRun(
        id=RUN,
        request_id="request-1",
        conversation_id=CONVERSATION,
        lane=LANE,
        source="web",
        prompt=prompt,
        backend=LoopBackend.name,
        workdir=str(workdir),
        mode=mode,
        options=options,
    )
    create_run(conn, jobs, new, now_ms)


def _say(verdict: Mapping[str, object]) -> str:
    return f"say {json.dumps(verdict)}"
