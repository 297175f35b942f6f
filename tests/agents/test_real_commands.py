"""What back ends ask of real programs, without the rest of Wireroom: long prompts, MCP servers."""

from __future__ import annotations

import asyncio
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from agents.programs import Program, base_environment, program_folder
from wireroom.backends.abilities import EFFORTS
from wireroom.backends.protocol import AgentEvent, AgentRequest, AgentResult, EventKind, McpServer
from wireroom.backends.registry import choose_backend
from wireroom.runs.supervisor import Limits, Receivers, supervise
from wireroom.settings import Settings
from wireroom.testing import ModelEndpoint
from wireroom.testing.model_endpoint import CallTool, Role, Say

_MCP_SERVER = Path(__file__).with_name("mcp_server.py")


@dataclass(frozen=True, slots=True)
class Bench:
    """A program, its HOME and a folder to work in."""

    program: Program
    folder: Path
    model: ModelEndpoint

    async def run(
        self,
        prompt: str,
        *,
        session_id: str | None = None,
        servers: tuple[McpServer, ...] = (),
        effort: str | None = None,
        budget_usd: float | None = None,
    ) -> tuple[AgentResult, list[AgentEvent]]:
        """Run the program to its end."""
        home = self.folder / "homes" / self.program.name
        added = self.program.configure(home, self.model.url)
        settings = Settings(backend=self.program.name, agent_home=home.parent)
        backend = choose_backend(settings, base_environment(program_folder()) | added)
        command = backend.command(
            AgentRequest(
                prompt,
                self.folder,
                session_id=session_id,
                private_dir=self.folder / "private",
                mcp_servers=servers,
                effort=effort,
                budget_usd=budget_usd,
            )
        )
        for path, content in command.files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        parser, events = backend.parser(), list[AgentEvent]()
        receivers = Receivers(lambda line: events.extend(parser.feed(line)))
        outcome = await supervise(
            command, Limits(), receivers, cancel=asyncio.Event(), spill_dir=self.folder / "spill"
        )
        return parser.result(outcome.exit_code, outcome.stderr.text), events


@pytest.fixture
async def bench(program: Program, tmp_path: Path) -> Bench:
    """Lay out the folders of one program; its model is started by the test."""
    return Bench(program, tmp_path, ModelEndpoint())


async def test_real_agent_takes_a_prompt_of_200_kb(bench: Bench) -> None:
    """A prompt that no command line could hold reaches the model whole."""
    prompt = f"Please count: {'é' * 100_000} end"
    async with bench.model as model:
        model.script("count", Say("100000."))
        result, _ = await bench.run(prompt)
        assert (result.text, result.is_error) == ("100000.", False)
        assert any(prompt in said for said in model.requests[-1].prompts)
    sys.stdout.write(f"{bench.program.name}: took {len(prompt.encode())} bytes of prompt\n")


async def test_real_agent_uses_an_mcp_server_of_its_run(bench: Bench) -> None:
    """The run's server is started with its secret, its tool is used, and the secret is kept nowhere."""
    server = McpServer("sky", sys.executable, (str(_MCP_SERVER),), {"SKY_KEY": "k3y-secret"})
    async with bench.model as model:
        model.script("weather", CallTool(bench.program.mcp_tool, {"city": "Rome"}), Say("Sunny."))
        result, events = await bench.run("How is the weather?", servers=(server,))
        assert (result.text, result.error) == ("Sunny.", None)
        assert any("Sun in Rome, by terces-y3k" in told for told in model.requests[-1].asked.texts(Role.TOOL))
    results = [event.payload for event in events if event.kind is EventKind.TOOL_RESULT]
    assert [(told["ok"], told["summary"]) for told in results] == [(True, "Sun in Rome, by terces-y3k")]
    assert not [path for path in _files(bench.folder / "homes") if "k3y-secret" in _text(path)]
    sys.stdout.write(f"{bench.program.name}: used a tool of its run's MCP server\n")


async def test_real_agent_takes_effort_and_budget(bench: Bench) -> None:
    """The program takes each effort and tells its model; Claude Code stops when its budget is spent."""
    heeds = bench.program.name == "claude"
    async with bench.model as model:
        model.script("think", *(Say("Thought.") for _ in range(4)))
        for effort in EFFORTS:
            result, _ = await bench.run("Please think", effort=effort)
            assert (result.text, result.error) == ("Thought.", None), effort
            if bench.program.name in {"claude", "codex"}:
                asked = [one.body for one in model.requests if "Please think" in "".join(one.prompts)][-1]
                assert (asked.get("output_config") or asked["reasoning"])["effort"] == effort
        dear, _ = await bench.run("Please think", budget_usd=0.000001)
        assert (dear.budget_spent, dear.is_error) == (heeds, heeds)
    sys.stdout.write(f"{bench.program.name}: took every effort{', stopped by its budget' if heeds else ''}\n")


async def test_real_agent_says_that_a_session_is_lost(bench: Bench) -> None:
    """A session that it does not know is told as lost, with servers too: the run is made again without it."""
    unknown = {"opencode": "ses_11111111111111111111111111"}
    session = unknown.get(bench.program.name, "11111111-1111-4111-8111-111111111111")
    server = McpServer("sky", sys.executable, (str(_MCP_SERVER),), {"SKY_KEY": "k3y-secret"})
    async with bench.model as model:
        for servers in ((), (server,)):
            result, _ = await bench.run("Hello", session_id=session, servers=servers)
            assert (result.is_error, result.session_lost) == (True, True)
        assert not model.requests


def _files(folder: Path) -> list[Path]:
    return [Path(at) / name for at, _, names in os.walk(folder) for name in names]


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
