"""The program of the demo back end: no model, no network, the standard library alone.

Reads one plain request from standard input, does it in the working folder and nowhere else, and writes events
as `backends.demo` describes them. Run by path with `python -I -S`, so it imports nothing of the package and
little else. What a session was asked is kept in `.demo/<session>`, a line a request.
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path

SHOWN_CHARS = 3000
LARGEST_FILE_BYTES = 1_000_000
HIGHEST_COUNT = 1000
LONGEST_SLEEP_SECONDS = 3600.0
LARGEST_NUMBER = 1e300
LARGEST_EXPONENT = 1000
MEMORY = Path(".demo")

HELP = """I am the **demo agent**: no model, but real work in this conversation's folder. Try:

- `write hello world to notes.txt`, `append more to notes.txt`, `read notes.txt`
- `list files`, `count words in notes.txt`
- `make a web page titled My first page`
- `calculate 2 * (3 + 4) ** 2`
- `count to 10 slowly` or `sleep 30`, and try to stop me
- `what did I ask before?`

Anything else becomes a note."""

BEFORE_REQUEST = "\n\nNow:\n\n"
PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
  body {{ font: 18px/1.6 system-ui, sans-serif; max-width: 40rem; margin: 4rem auto; padding: 0 1rem }}
  h1 {{ line-height: 1.2; border-bottom: 3px solid #2f6fed; padding-bottom: .5rem }}
</style>
<h1>{title}</h1>
<p>Made by the demo agent.</p>
</html>
"""


class Trouble(Exception):
    """The request cannot be done; the message is for the person."""


class Agent:
    """One answer: its events, and what was said so far."""

    def __init__(self, session: str) -> None:
        self.session = session
        self.said: list[str] = []
        self._calls = 0
        self.emit("session", session_id=session)

    def emit(self, event: str, **fields: object) -> None:
        """Write one event."""
        sys.stdout.write(json.dumps({"event": event, **fields}) + "\n")
        sys.stdout.flush()

    def say(self, text: str) -> None:
        """Say one piece of the answer."""
        self.said.append(text)
        self.emit("text", text=text)

    def plan(self, title: str, done: int) -> None:
        """Show the steps, of which `done` are behind us."""
        texts = ("Understand the request", title, "Tell what was done")
        states = ["done"] * done + ["active"] * (done < len(texts)) + ["pending"] * len(texts)
        steps = [{"text": text, "state": state} for text, state in zip(texts, states, strict=False)]
        self.emit("plan", steps=steps)

    def use(self, tool: str, about: str, work: Callable[[], tuple[str, str]]) -> str:
        """Make a visible tool call; `work` gives its result and one line about it."""
        self._calls += 1
        call = f"call-{self._calls}"
        self.emit("tool_call", id=call, name=tool, summary=f"{tool}: {about}")
        try:
            result, summary = work()
        except Trouble as trouble:
            self.emit("tool_result", id=call, ok=False, summary=str(trouble))
            raise
        self.emit("tool_result", id=call, ok=True, summary=summary)
        return result


def locate(name: str) -> Path:
    """Return the path of a file in this folder, links resolved; anywhere else is trouble."""
    root = Path.cwd().resolve()
    path = (root / name).resolve()
    if root not in path.parents or root / MEMORY in (path, *path.parents):
        raise Trouble(f"`{name}` is not mine to touch: I stay in my own folder.")
    return path


def read_file(name: str) -> tuple[str, str]:
    """Return the beginning of a file."""
    try:
        with locate(name).open(encoding="utf-8", errors="replace") as file:
            text = file.read(LARGEST_FILE_BYTES)
    except OSError as error:
        raise Trouble(f"I cannot read `{name}`: {error.strerror}.") from error
    return text, f"{len(text)} characters"


def write_file(name: str, text: str, mode: str = "w") -> tuple[str, str]:
    """Write the text, or append it with mode `a`; folders are made."""
    path = locate(name)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open(mode, encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise Trouble(f"I cannot write `{name}`: {error.strerror}.") from error
    return name, f"{len(text)} characters written"


def list_files() -> tuple[str, str]:
    """Return a Markdown list of the files."""
    found = []
    for folder, folders, names in os.walk("."):
        folders[:] = sorted(name for name in folders if name != MEMORY.name)
        found += [Path(folder, name) for name in sorted(names)]
    return "\n".join(f"- `{path}` ({path.lstat().st_size} bytes)" for path in found), f"{len(found)} files"


def evaluate(expression: str) -> tuple[str, str]:
    """Return the value of an arithmetic expression; only numbers and operators are ever evaluated."""
    import ast  # noqa: PLC0415 - one request of many needs it, and it is slow to import
    import operator  # noqa: PLC0415 - as above

    operators: dict[type, Callable[..., float]] = {
        ast.Add: operator.add,
        ast.Sub: operator.sub,
        ast.Mult: operator.mul,
        ast.Div: operator.truediv,
        ast.FloorDiv: operator.floordiv,
        ast.Mod: operator.mod,
        ast.Pow: _power,
        ast.USub: operator.neg,
        ast.UAdd: operator.pos,
    }

    def value(node: ast.expr) -> float:
        match node:
            case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
                return _bounded(number)
            case ast.BinOp(left=left, op=op, right=right) if type(op) in operators:
                return _bounded(operators[type(op)](value(left), value(right)))
            case ast.UnaryOp(op=op, operand=operand) if type(op) in operators:
                return operators[type(op)](value(operand))
        raise Trouble("I only calculate with numbers, `+ - * / // % **` and parentheses.")

    try:
        result = str(value(ast.parse(expression.strip(), mode="eval").body))
    except (SyntaxError, ValueError, ArithmeticError, RecursionError, MemoryError) as error:
        raise Trouble(f"I cannot calculate that: {error}.") from error
    return result, result


def _power(base: float, exponent: float) -> float:
    if abs(exponent) > LARGEST_EXPONENT:
        raise Trouble("That exponent is too large for me.")
    power = base**exponent
    if isinstance(power, complex):
        raise Trouble("That has no real value.")
    return float(power) if isinstance(power, float) else int(power)


def _bounded(number: float) -> float:
    if abs(number) > LARGEST_NUMBER:
        raise Trouble("That number is too large for me.")
    return number


def _do_write(agent: Agent, text: str, name: str) -> None:
    agent.use("write_file", name, lambda: write_file(name, text + "\n"))
    agent.say(f"Wrote `{name}`.")


def _do_append(agent: Agent, text: str, name: str) -> None:
    agent.use("append_file", name, lambda: write_file(name, text + "\n", "a"))
    agent.say(f"Added a line to `{name}`.")


def _do_read(agent: Agent, name: str) -> None:
    text = agent.use("read_file", name, lambda: read_file(name))
    shown = text[:SHOWN_CHARS]
    more = f"\n\n… and {len(text) - SHOWN_CHARS} characters more." if len(text) > SHOWN_CHARS else ""
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", shown)), default=0))
    agent.say(f"`{name}`:\n\n{fence}\n{shown.rstrip()}\n{fence}{more}")


def _do_list(agent: Agent) -> None:
    listed = agent.use("list_files", ".", list_files)
    agent.say(f"In my folder:\n\n{listed}" if listed else "My folder is empty.")


def _do_count_words(agent: Agent, name: str) -> None:
    text = agent.use("read_file", name, lambda: read_file(name))
    agent.say(f"`{name}` has **{len(text.split())} words** in {len(text.splitlines())} lines.")


def _do_web_page(agent: Agent, title: str) -> None:
    import html  # noqa: PLC0415 - one request of many needs it, and it is slow to import

    name = (re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")[:60] or "page") + ".html"
    page = PAGE.format(title=html.escape(title))
    agent.use("write_file", name, lambda: write_file(name, page))
    agent.say(f"Made the page **{title}** as `{name}`, {len(page)} characters.")


def _do_calculate(agent: Agent, expression: str) -> None:
    agent.say(
        f"`{expression.strip()}` = **{agent.use('calculate', expression, lambda: evaluate(expression))}**"
    )


def _do_count(agent: Agent, last: str, slowly: str | None) -> None:
    number = int(last)
    if number > HIGHEST_COUNT:
        raise Trouble(f"I count to {HIGHEST_COUNT} at most.")
    for now in range(1, number + 1):
        agent.say(f"{now} " if now < number else f"{now}.")
        if slowly and now < number:
            time.sleep(1)


def _do_sleep(agent: Agent, seconds: str) -> None:
    wanted = float(seconds)
    if wanted > LONGEST_SLEEP_SECONDS:
        raise Trouble(f"I sleep {LONGEST_SLEEP_SECONDS:g} seconds at most.")
    agent.say(f"Sleeping {wanted:g} s … ")
    time.sleep(wanted)
    agent.say("awake again.")


def _do_recall(agent: Agent) -> None:
    asked = remembered(agent.session)[:-1]
    listed = "\n".join(f"{number}. {text}" for number, text in enumerate(asked[-20:], start=1))
    agent.say(f"In this session you asked:\n\n{listed}" if asked else "This is your first request here.")


def _do_help(agent: Agent) -> None:
    agent.say(HELP)


def _do_note(agent: Agent, text: str) -> None:
    name = f"notes/{time.strftime('%Y%m%d-%H%M%S')}.md"
    agent.use("write_file", name, lambda: write_file(name, text + "\n", "a"))
    agent.say(f"I have no model to think about that with, so I kept it in `{name}`.\n\n{HELP}")


def _do_review(agent: Agent, asked: str) -> None:
    """Decide as a reviewer of the iterate loop: I believe an agent that ended well and named no trouble."""
    said = asked.partition("=== WHAT THE AGENT SAID ===")[2].partition("\n===")[0]
    complete = "ended well." in asked and not re.search(r"\bI (?:cannot|have no model)\b", said)
    verdict = {
        "code_complete": complete,
        "break_iteration": not complete,
        "justification": "It ended well." if complete else "The demo agent cannot do this.",
    }
    agent.say(json.dumps(verdict))


WEB_PAGE = (
    r"(?:make|create|build)\s+(?:me\s+)?a\s+(?:small\s+|simple\s+)*(?:web\s*)?(?:page|site)"
    r"\s+(?:titled|called|named|about|for)\s+(.+)"
)
FILE = r"[\"'`]?([\w./ -]*?[\w-])[\"'`]?"
SKILLS: list[tuple[str, str, Callable[..., None]]] = [
    (r"(You review the work of another coding agent.*)", "Review", _do_review),
    (
        rf"(?:write|save|put)\s+(.+?)\s+(?:to|into|in)\s+(?:the\s+)?(?:file\s+)?{FILE}",
        "Write a file",
        _do_write,
    ),
    (rf"(?:append|add)\s+(.+?)\s+to\s+(?:the\s+)?(?:file\s+)?{FILE}", "Append to a file", _do_append),
    (
        rf"count\s+(?:the\s+)?words\s+(?:in|of)\s+(?:the\s+)?(?:file\s+)?{FILE}",
        "Count words",
        _do_count_words,
    ),
    (r"(?:list|show)(?:\s+me)?(?:\s+(?:the|my|all))*\s+files|ls|list", "List the files", _do_list),
    (rf"(?:read|show|cat|open)\s+(?:me\s+)?(?:the\s+)?(?:file\s+)?{FILE}", "Read a file", _do_read),
    (WEB_PAGE, "Make a web page", _do_web_page),
    (
        r"(?:calculate|compute|what\s+is|what's)?\s*((?=.*\d)[\d\s.+\-*/%()_e]+)[?=]?",
        "Calculate",
        _do_calculate,
    ),
    (r"(?:calculate|compute)\s+(.+)", "Calculate", _do_calculate),
    (r"count\s+to\s+(\d{1,9})(\s+slowly)?", "Count", _do_count),
    (r"(?:sleep|wait)\s+(?:for\s+)?(\d{1,9}(?:\.\d+)?)(?:\s*s(?:ec(?:ond)?s?)?)?", "Sleep", _do_sleep),
    (r"(?:what\s+did\s+i\s+(?:ask|say|tell\s+you).*|history|remember\??)", "Look back", _do_recall),
    (r"(?:help|hello|hi|hey|/?start|what\s+can\s+you\s+do)", "Explain myself", _do_help),
]


def choose(request: str) -> tuple[str, Callable[..., None], tuple[str, ...]]:
    """Return the title, the function and the arguments of the skill that serves the request."""
    wish = re.sub(r"^(?:please|could you|can you)\s+", "", request.strip(), flags=re.IGNORECASE)
    for pattern, title, function in SKILLS:
        if found := re.fullmatch(rf"\s*{pattern}\s*[.!?]?\s*", wish, re.IGNORECASE | re.DOTALL):
            return title, function, found.groups()
    return "Keep a note", _do_note, (request,)


def remembered(session: str) -> list[str]:
    """Return what this session was asked so far, oldest first."""
    try:
        return (MEMORY / session).read_text(encoding="utf-8").splitlines()
    except OSError:
        return []


def remember(session: str, request: str) -> None:
    """Add the request to the session's file."""
    MEMORY.mkdir(exist_ok=True)
    # Ours, not the person's: git is not to show it as a change.
    (MEMORY / ".gitignore").write_text("*\n", encoding="utf-8")
    with (MEMORY / session).open("a", encoding="utf-8") as file:
        file.write(" ".join(request.split())[:200] + "\n")


def main() -> None:
    """Serve the request on standard input."""
    session = sys.argv[2] if sys.argv[1:2] == ["--session"] else f"demo-{os.urandom(6).hex()}"
    # Without a session the conversation comes first; the request is what follows. See `wire.framed_prompt`.
    request = sys.stdin.buffer.read().decode("utf-8", "replace").rpartition(BEFORE_REQUEST)[2]
    agent = Agent(session)
    title, function, arguments = choose(request)
    agent.plan(title, 1)
    try:
        remember(session, request)
        function(agent, *arguments)
    except Trouble as trouble:
        agent.say(str(trouble))
    except OSError as error:
        agent.emit("result", ok=False, text="".join(agent.said), error=f"My folder cannot be used: {error}")
        sys.exit(1)
    agent.plan(title, 3)
    agent.emit("result", ok=True, text="".join(agent.said))


if __name__ == "__main__":
    main()
