"""A person in a chat, Wireroom as a process, and real coding agents; only the model is played."""

from __future__ import annotations

import os
import signal
import sys
import time

import pytest

from agents.programs import WAITING, Program
from agents.wireroom_process import Room
from wireroom.testing.eventually import eventually
from wireroom.testing.model_endpoint import Fail, Hang, RunCommand, Say, WriteFile


def show(program: Program, what: str, began: float) -> None:
    """Print one line of evidence."""
    sys.stdout.write(f"{program.name}: {what} ({time.monotonic() - began:.1f} s)\n")


async def test_real_agent_answers_and_writes_a_file(program: Program, room: Room) -> None:
    """A message ends in the agent's answer in the chat, and in a file that the agent really wrote."""
    began, path = time.monotonic(), room.shop / "price.txt"
    room.model.script("set the price", WriteFile(str(path), "42 crowns"), Say("The price is set."))
    answer = await room.ask("Please set the price", "The price is set.")
    assert answer.text == "The price is set."
    assert path.read_text(encoding="utf-8") == "42 crowns"
    show(program, "a message became a file and an answer", began)


async def test_real_agent_remembers(program: Program, room: Room) -> None:
    """The second message resumes the agent's own session: the model sees the first, as the agent kept it."""
    began = time.monotonic()
    room.model.script("my name is", Say("Welcome, Ada."))
    room.model.script("what am I called", Say("You are Ada."))
    await room.ask("Hello, my name is Ada", "Welcome, Ada.")
    await room.ask("Now what am I called?", "You are Ada.")
    (seen,) = [
        one for one in room.model.requests if one.asked.tools and "what am I called" in one.prompts[-1]
    ]
    said = "\n".join(message.text for message in seen.asked.messages)
    assert said.index("my name is Ada") < said.index("Welcome, Ada.") < said.index("what am I called")
    assert "Earlier in this conversation" not in said
    show(program, "the second message resumed its session", began)


async def test_real_agent_is_told_to_have_used_what_each_run_used(program: Program, room: Room) -> None:
    """Runs of one session that use the same are told the same, however the agent counts."""
    began = time.monotonic()
    room.model.script("count", Say("Counted."))
    for number in range(3):
        await room.ask(f"Please count to {number}", "Counted.")
    first, second, third = room.usages()
    assert first == pytest.approx(second)
    assert first == pytest.approx(third)
    assert first["input_tokens"] >= 100
    show(program, f"three runs of a session used the same: {first}", began)


async def test_real_agent_that_lost_its_session_is_told(program: Program, room: Room) -> None:
    """When the agent's memory is gone, the next message comes with what was said before."""
    began = time.monotonic()
    room.model.script("my name is", Say("Welcome, Ada."))
    room.model.script("what am I called", Say("You are Ada."))
    await room.ask("Hello, my name is Ada", "Welcome, Ada.")
    await eventually(lambda: not room.processes(), "the agent has ended")
    forget(room)
    program.configure(room.home, room.model.url)
    await room.ask("Now what am I called?", "You are Ada.")
    assert any("Earlier in this conversation" in prompt for prompt in room.model.requests[-1].prompts)
    assert any("Welcome, Ada." in prompt for prompt in room.model.requests[-1].prompts)
    show(program, "a lost session was replaced by what was said", began)


async def test_real_agent_is_stopped_in_the_middle_of_a_command(program: Program, room: Room) -> None:
    """`/stop` ends the agent and the command that it runs; no process is left."""
    began = time.monotonic()
    (room.shop / "waiting.txt").touch()
    room.model.script("wait for", RunCommand(WAITING), Say("I waited."))
    asked = await room.say("Please wait for it")
    await eventually(
        lambda: any(line.startswith(WAITING) for line in room.processes()),
        "the agent runs its command",
        timeout_seconds=60,
    )
    stopping = time.monotonic()
    await room.ask("/stop", "⏹ Stopped.")
    await room.answer_to(asked, "⏹ Stopped.")
    await eventually(lambda: not room.processes(), "no process is left", timeout_seconds=10)
    show(program, f"/stop left no process, {time.monotonic() - stopping:.1f} s after it was sent", began)


async def test_real_agent_is_told_meanwhile_or_asked_afterwards(program: Program, room: Room) -> None:
    """In a chat that steers, a message reaches an agent at work that can be told; else it is asked after."""
    began = time.monotonic()
    (room.shop / "waiting.txt").touch()
    room.model.script("wait for", RunCommand(WAITING), Say("I waited."))
    room.model.script("use red", Say("Red it is."))
    await room.ask("/busy steer", "From now on")
    asked = await room.say("Please wait for it")
    await eventually(lambda: room.pids_of(WAITING), "the agent runs its command", timeout_seconds=60)
    steered = await room.say("Now use red")
    await room.answer_to(steered, "Telling the agent" if program.name == "claude" else "Queued")
    if program.name == "claude":
        for pid in room.pids_of(WAITING):
            os.kill(pid, signal.SIGTERM)
        await room.answer_to(steered, "The agent at work was told")
        await room.answer_to(asked, "Red it is.")
    else:
        await room.ask("/stop", "⏹ Stopped.")
        await room.answer_to(asked, "⏹ Stopped.")
        await room.answer_to(steered, "Red it is.")
    show(program, "a message that came meanwhile was told, or asked afterwards", began)


async def test_real_agent_answers_a_side_question_that_its_work_never_sees(
    program: Program, room: Room
) -> None:
    """A side question knows the conversation and can write no file; the conversation knows nothing of it."""
    began = time.monotonic()
    room.model.script("my name is", Say("Welcome, Ada."))
    room.model.script("by the way", Say("You are Ada, aside."))
    room.model.script("what am I called", Say("You are Ada."))
    await room.ask("Hello, my name is Ada", "Welcome, Ada.")
    await room.ask("/btw Now, by the way: who am I?", "Side answer\n\nYou are Ada, aside.")
    seen = [one for one in room.model.requests if "by the way" in " ".join(one.prompts)]
    assert any("my name is Ada" in "\n".join(one.prompts) for one in seen)
    await room.ask("Now what am I called?", "You are Ada.")
    assert "by the way" not in " ".join(room.model.requests[-1].prompts)
    show(program, "a side question was answered beside the conversation", began)


async def test_real_agent_is_stopped_while_the_model_thinks(program: Program, room: Room) -> None:
    """`/stop` ends an agent that waits for its model; no process is left."""
    began = time.monotonic()
    room.model.script("ponder", Hang())
    asked = await room.say("Please ponder")
    await eventually(lambda: room.model.hanging, "the agent waits for its model", timeout_seconds=60)
    await room.ask("/stop", "⏹ Stopped.")
    await room.answer_to(asked, "⏹ Stopped.")
    await eventually(lambda: not room.processes(), "no process is left", timeout_seconds=10)
    show(program, "/stop ended it while it waited for the model", began)


async def test_real_agent_says_why_it_failed(program: Program, room: Room) -> None:
    """What the model's provider refuses stands in the chat, in its own words."""
    began = time.monotonic()
    room.model.script("fail", Fail(400, "The scripted reason."))
    await room.ask("Please fail", "The scripted reason.")
    show(program, "a refusal of the model's provider was told in the chat", began)


def forget(room: Room) -> None:
    """Remove everything that the agent has kept in its HOME."""
    for path in sorted(room.home.rglob("*"), reverse=True):
        if path.is_dir() and not path.is_symlink():
            path.rmdir()
        else:
            path.unlink()
