"""The program behind `ScriptedAcpAgent`: speaks the Agent Client Protocol and does what the prompt says.

One step a line, or between semicolons; lines that are no step are skipped. Started by path with
`python -I -S`. Options: `--state FILE` (the names of its sessions, one a line), `--ledger FILE` (one JSON
line for each message that it gets), `--no-load` (sessions cannot be taken up), `--login ID` (a session needs
`authenticate` with this method first).

    say TEXT           one piece of answer text
    message TEXT       the same, as a message of its own
    think TEXT         a piece of reasoning
    plan A, B          a plan with the first step done and the second under way
    tool KIND TITLE    a tool call of this kind, and its result
    ask KIND COMMAND   a question for permission; says `allowed`, `denied` or `cancelled`
    write PATH TEXT    write a file through us; says `written` or why not
    read PATH          read a file through us, and say it
    terminal           ask for a terminal; says what we answer
    env NAME           say the variable
    cwd                say the folder that the session was opened in
    servers            say the MCP servers that the session was opened with
    model              say the model that was chosen
    spend IN OUT USD   report what the turn used
    sleep SECONDS      wait
    gate FILE          wait until the file exists, for a minute at most
    hang               wait for a minute, or until cancelled
    deaf               ignore `session/cancel` from here on
    stubborn           the same, and SIGTERM
    raw TEXT           a line that is no message
    noise TEXT         a line on stderr
    flood N            N updates of a kind that nobody knows
    line N             one line of N bytes
    orphan             leave a child behind that holds stdout and stderr for a minute
    close              close stdout, and wait for a minute
    stop REASON        end the turn with this reason
    refuse TEXT        answer the prompt with an error
    exit N             end with this exit code, in the middle of the turn
    crash              end by SIGKILL
"""

import json
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, NoReturn

_MINUTE = 60.0
_Fields = dict[str, Any]


class _Ended(Exception):
    """The turn ends with this answer."""


class _Agent:
    """One process, one client."""

    def __init__(self, options: dict[str, str]) -> None:
        self.options = options
        self.inbox: queue.Queue[_Fields | None] = queue.Queue()
        self.cancelled = threading.Event()
        self.answers: dict[int, _Fields] = {}
        self.news = threading.Condition()
        self.number = 0
        self.writing = threading.Lock()
        self.session = ""
        self.params: _Fields = {}
        self.chosen = "none"
        self.usage: _Fields | None = None
        self.deaf = False
        self.welcome = "--login" not in options

    def serve(self) -> None:
        threading.Thread(target=self.read, daemon=True).start()
        while (message := self.inbox.get()) is not None:
            self.do(message)

    def read(self) -> None:
        for line in sys.stdin:
            _record(self.options, line)
            message = json.loads(line)
            if "method" not in message:
                with self.news:
                    self.answers[message["id"]] = message
                    self.news.notify_all()
            elif message["method"] == "session/cancel":
                if not self.deaf:
                    self.cancelled.set()
                    with self.news:
                        self.news.notify_all()
            else:
                self.inbox.put(message)
        self.inbox.put(None)

    def send(self, **fields: Any) -> None:
        data = json.dumps({"jsonrpc": "2.0", **fields}).encode() + b"\n"
        with self.writing:
            _write(data)

    def do(self, message: _Fields) -> None:
        method, params = message["method"], message.get("params") or {}
        try:
            result = self.METHODS[method](self, params)
        except _Ended as ended:
            self.send(id=message["id"], **ended.args[0])
        except KeyError:
            self.send(id=message["id"], error={"code": -32601, "message": f"unknown method {method}"})
        else:
            self.send(id=message["id"], result=result)

    def initialize(self, _params: _Fields) -> _Fields:
        way = self.options.get("--login")
        methods = [{"id": way, "name": "Log in"}] if way else []
        able = {"loadSession": "--no-load" not in self.options, "mcpCapabilities": {"http": False}}
        return {"protocolVersion": 1, "agentCapabilities": able, "authMethods": methods}

    def authenticate(self, params: _Fields) -> _Fields:
        self.welcome = params["methodId"] == self.options.get("--login")
        return {}

    def new_session(self, params: _Fields) -> _Fields:
        if not self.welcome:
            raise _Ended({"error": {"code": -32000, "message": "Authentication required"}})
        self.session = f"acp-{os.getpid()}-{time.time_ns()}"
        self.params = params
        if "--state" in self.options:
            _append(self.options["--state"], self.session + "\n")
        values = [{"value": "small", "name": "Small"}, {"value": "large", "name": "Large"}]
        model = {"id": "model", "name": "Model", "category": "model", "currentValue": "small"}
        return {"sessionId": self.session, "configOptions": [{**model, "type": "select", "options": values}]}

    def load_session(self, params: _Fields) -> _Fields:
        state = Path(self.options.get("--state", "missing"))
        known = state.read_text().split() if state.exists() else []
        if params["sessionId"] not in known:
            raise _Ended({"error": {"code": -32602, "message": "Session not found"}})
        self.session, self.params = params["sessionId"], params
        self.update("user_message_chunk", content=_text("what was asked before"))
        self.update("agent_message_chunk", content=_text("what was answered before"))
        return {}

    def configure(self, params: _Fields) -> _Fields:
        self.chosen = params["value"]
        return {"configOptions": []}

    def prompt(self, params: _Fields) -> _Fields:
        self.cancelled.clear()
        self.usage = None
        words = "".join(block.get("text", "") for block in params["prompt"])
        for line in words.rpartition("Now:\n\n")[2].replace(";", "\n").split("\n"):
            name, _, argument = line.strip().partition(" ")
            if name in _STEPS:
                _STEPS[name](self, argument)
            if self.cancelled.is_set():
                raise _Ended({"result": {"stopReason": "cancelled"}})
        return {"stopReason": "end_turn", **({"usage": self.usage} if self.usage else {})}

    METHODS: ClassVar[dict[str, Callable[["_Agent", _Fields], _Fields]]] = {
        "initialize": initialize,
        "authenticate": authenticate,
        "session/new": new_session,
        "session/load": load_session,
        "session/set_config_option": configure,
        "session/prompt": prompt,
    }

    def update(self, what: str, /, **fields: Any) -> None:
        update = {"sessionUpdate": what, **fields}
        self.send(method="session/update", params={"sessionId": self.session, "update": update})

    def say(self, words: str, **more: Any) -> None:
        self.update("agent_message_chunk", content=_text(words), **more)

    def request(self, method: str, **params: Any) -> _Fields:
        """Ask the client and return its answer; None when we are cancelled meanwhile and hear nothing."""
        self.number += 1
        number = self.number
        self.send(id=number, method=method, params={"sessionId": self.session, **params})
        deadline = time.monotonic() + _MINUTE
        with self.news:
            while number not in self.answers and time.monotonic() < deadline:
                self.news.wait(0.1)
        return self.answers.pop(number, {})

    def ask(self, argument: str) -> None:
        kind, _, command = argument.partition(" ")
        self.number += 1
        call: _Fields = {"toolCallId": f"call-{self.number}", "title": command, "kind": kind}
        call["rawInput"] = {"command": command}
        self.update("tool_call", status="pending", **call)
        options = [
            {"optionId": "always", "name": "Always", "kind": "allow_always"},
            {"optionId": "once", "name": "Once", "kind": "allow_once"},
            {"optionId": "no", "name": "No", "kind": "reject_once"},
        ]
        answer = self.request("session/request_permission", toolCall=call, options=options)
        outcome = answer.get("result", {}).get("outcome", {})
        said = {"once": "allowed", "always": "allowed for good", "no": "denied"}
        self.say(said.get(outcome.get("optionId"), outcome.get("outcome", "nothing")))
        done = "completed" if outcome.get("optionId") == "once" else "failed"
        self.update("tool_call_update", toolCallId=call["toolCallId"], status=done)

    def write_file(self, argument: str) -> None:
        path, _, content = argument.partition(" ")
        answer = self.request("fs/write_text_file", path=path, content=content)
        self.say(answer["error"]["message"] if "error" in answer else "written")

    def read_file(self, argument: str) -> None:
        answer = self.request("fs/read_text_file", path=argument)
        self.say(answer["error"]["message"] if "error" in answer else answer["result"]["content"])

    def terminal(self, _argument: str) -> None:
        self.say(str(self.request("terminal/create", command="ls")["error"]["code"]))

    def tool(self, argument: str) -> None:
        kind, _, title = argument.partition(" ")
        self.update("tool_call", toolCallId="t1", title=title, kind=kind, status="in_progress")
        content = [{"type": "content", "content": _text("done")}]
        self.update("tool_call_update", toolCallId="t1", status="completed", content=content)

    def plan(self, argument: str) -> None:
        first, second = argument.split(", ")
        entries = [{"content": first, "priority": "high", "status": "completed"}]
        entries.append({"content": second, "priority": "low", "status": "in_progress"})
        self.update("plan", entries=entries)

    def spend(self, argument: str) -> None:
        used, given, cost = argument.split()
        total = int(used) + int(given)
        self.usage = {"inputTokens": int(used), "outputTokens": int(given), "totalTokens": total}
        amount = {"amount": float(cost), "currency": "USD"}
        self.update("usage_update", used=total, size=1000, cost=amount)

    def wait(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and not self.cancelled.is_set():
            time.sleep(0.01)

    def gate(self, argument: str) -> None:
        deadline = time.monotonic() + _MINUTE
        while not Path(argument).exists() and time.monotonic() < deadline:
            time.sleep(0.005)

    def flood(self, argument: str) -> None:
        for _ in range(int(argument)):
            self.update("something_new", text="x" * 200)

    def go_deaf(self, _argument: str) -> None:
        self.deaf = True

    def go_stubborn(self, _argument: str) -> None:
        self.deaf = True
        os.kill(os.getpid(), signal.SIGUSR1)

    def close(self, _argument: str) -> None:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        time.sleep(_MINUTE)

    def end_turn(self, argument: str) -> NoReturn:
        raise _Ended({"result": {"stopReason": argument}})

    def refuse(self, argument: str) -> NoReturn:
        raise _Ended({"error": {"code": -32603, "message": "Internal error", "data": {"details": argument}}})


def _orphan(_agent: _Agent, _argument: str) -> None:
    if os.fork() == 0:
        time.sleep(_MINUTE)
        os._exit(0)


def _ignore_terminate(_number: int, _frame: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def _text(words: str) -> _Fields:
    return {"type": "text", "text": words}


def _write(data: bytes) -> None:
    while data:
        data = data[os.write(1, data) :]


def _append(path: str, words: str) -> None:
    with Path(path).open("a") as file:
        file.write(words)


def _record(options: dict[str, str], line: str) -> None:
    if "--ledger" in options:
        _append(options["--ledger"], line)


_STEPS: dict[str, Callable[[_Agent, str], object]] = {
    "say": _Agent.say,
    "message": lambda agent, words: agent.say(words, messageId=words),
    "think": lambda agent, words: agent.update("agent_thought_chunk", content=_text(words)),
    "plan": _Agent.plan,
    "tool": _Agent.tool,
    "ask": _Agent.ask,
    "write": _Agent.write_file,
    "read": _Agent.read_file,
    "terminal": _Agent.terminal,
    "env": lambda agent, name: agent.say(os.environ.get(name, "(unset)")),
    "cwd": lambda agent, _: agent.say(agent.params["cwd"]),
    "servers": lambda agent, _: agent.say(json.dumps(agent.params["mcpServers"])),
    "model": lambda agent, _: agent.say(agent.chosen),
    "spend": _Agent.spend,
    "sleep": lambda agent, seconds: agent.wait(float(seconds)),
    "gate": _Agent.gate,
    "hang": lambda agent, _: agent.wait(_MINUTE),
    "deaf": _Agent.go_deaf,
    "stubborn": _Agent.go_stubborn,
    "raw": lambda _, words: _write(words.encode() + b"\n"),
    "noise": lambda _, words: os.write(2, words.encode() + b"\n"),
    "flood": _Agent.flood,
    "line": lambda _, count: _write(b"y" * int(count) + b"\n"),
    "orphan": _orphan,
    "close": _Agent.close,
    "stop": _Agent.end_turn,
    "refuse": _Agent.refuse,
    "exit": lambda _, code: os._exit(int(code)),
    "crash": lambda _, __: os.kill(os.getpid(), signal.SIGKILL),
}


def main() -> None:
    """Read the options and serve."""
    # A signal handler may only be set in the main thread, which is where signals are handled.
    signal.signal(signal.SIGUSR1, _ignore_terminate)
    words = iter(sys.argv[1:])
    options = {word: "" if word == "--no-load" else next(words) for word in words}
    _Agent(options).serve()


if __name__ == "__main__":
    main()
