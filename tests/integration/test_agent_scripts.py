"""The eleven scripts of `tools/cursor-agents`: what they ask, print and end with."""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parents[2] / "tools" / "cursor-agents"
SCRIPTS = {
    "create_agent": ("--name", "a", "--target-url", "http://t/", "--one-time"),
    "list_agents": (),
    "get_agent_status": ("--name", "a"),
    "delete_agent": ("--name", "a"),
    "list_queues": (),
    "get_queue_info": ("--queue-name", "q"),
    "delete_queue": ("--queue-name", "q"),
    "enable_task_operator": (),
    "disable_task_operator": (),
    "check_task_operator_lock": (),
    "clear_task_operator_lock": (),
}
"""Every script with arguments that suffice."""
OPERATOR = [name for name in SCRIPTS if "operator" in name]
AGENTS = [name for name in SCRIPTS if "operator" not in name]


@dataclass
class Recorded:
    """One request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any


@dataclass
class Recorder:
    """A server that notes requests and answers what it is told."""

    url: str = ""
    requests: list[Recorded] = field(default_factory=list)
    status: int = 200
    answer: bytes = b'{"ok": true, "word": "\xc3\xbc"}'
    held: threading.Event | None = None
    """When set, answers wait until it is."""
    headers: dict[str, str] = field(default_factory=dict)


@pytest.fixture
def server() -> Iterator[Recorder]:
    """Lend a recording server on the loopback."""
    recorder = Recorder()

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            data = self.rfile.read(length)
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = json.loads(data) if data else None
            recorder.requests.append(Recorded(self.command, self.path, headers, body))
            if recorder.held is not None:
                recorder.held.wait(20)
            self.send_response(recorder.status)
            for name, value in recorder.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(recorder.answer)))
            self.end_headers()
            self.wfile.write(recorder.answer)

        do_GET = do_POST = do_DELETE = answer  # noqa: N815 - the library's names

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    recorder.url = f"http://127.0.0.1:{http.server_address[1]}"
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield recorder
    if recorder.held is not None:
        recorder.held.set()
    http.shutdown()
    thread.join()
    http.server_close()


def run_script(
    name: str, *arguments: str, url: str, folder: Path = FOLDER, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run a script as its callers do, in an environment that has nothing of ours."""
    environment = {"PATH": os.defpath, "CURSOR_AGENTS_URL": url, **variables}
    return subprocess.run(
        [sys.executable, "-S", str(folder / f"{name}.py"), *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_there_are_eleven_scripts_and_what_they_share() -> None:
    """The names are those that agents have been told, and there is nothing else to copy."""
    assert {path.stem for path in FOLDER.glob("*.py")} == {*SCRIPTS, "cursor_agents_client"}
    assert all(os.access(FOLDER / f"{name}.py", os.X_OK) for name in SCRIPTS)


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.py")), ids=lambda path: path.stem)
def test_script_needs_the_standard_library_alone(path: Path) -> None:
    """Every import is of the standard library or of the module beside it."""
    tree = ast.parse(path.read_text())
    names = [
        name.split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for name in (
            [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
        )
    ]

    assert set(names) <= {*sys.stdlib_module_names, "cursor_agents_client"}


@pytest.mark.parametrize(
    ("typed", "asks"),
    [
        (("list_agents",), ("GET", "/agents", None)),
        (("get_agent_status", "-n", "night"), ("GET", "/agents/night", None)),
        (("delete_agent", "--name", "night"), ("DELETE", "/agents/night", None)),
        (("list_queues",), ("GET", "/queues", None)),
        (("get_queue_info", "-q", "default"), ("GET", "/queues/default", None)),
        (("delete_queue", "--queue-name", "old"), ("DELETE", "/queues/old", None)),
        (("enable_task_operator",), ("POST", "/task-operator", {"queue": "task-operator"})),
        (("enable_task_operator", "-q", "x"), ("POST", "/task-operator", {"queue": "x"})),
        (("disable_task_operator",), ("DELETE", "/task-operator", None)),
        (("check_task_operator_lock",), ("GET", "/task-operator/lock", None)),
        (("clear_task_operator_lock",), ("DELETE", "/task-operator/lock", None)),
    ],
)
def test_script_asks_and_prints_the_answer(
    server: Recorder, typed: tuple[str, ...], asks: tuple[str, str, object]
) -> None:
    """One request goes out, and its answer is printed as JSON indented by two."""
    done = run_script(*typed, url=server.url)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == '{\n  "ok": true,\n  "word": "\\u00fc"\n}\n'
    (asked,) = server.requests
    assert (asked.method, asked.path, asked.body) == asks


_LEAST = {"name": "a", "targetUrl": "http://t/x", "method": "POST", "headers": {}, "timeout": 30000}


@pytest.mark.parametrize(
    ("options", "fields"),
    [
        pytest.param(("-o",), {"oneTime": True}, id="one time"),
        pytest.param(("--one-time",), {"oneTime": True}, id="one time, long"),
        pytest.param(("-s", "0 8 * * *"), {"oneTime": False, "schedule": "0 8 * * *"}, id="schedule"),
        pytest.param(("-o", "--schedule", "0 8 * * *"), {"oneTime": True}, id="one time wins"),
        pytest.param(("-o", "-m", "PATCH"), {"oneTime": True, "method": "PATCH"}, id="method"),
        pytest.param(("-o", "-H", '{"X-A": "1"}'), {"oneTime": True, "headers": {"X-A": "1"}}, id="headers"),
        pytest.param(("-o", "-b", '{"k": [1]}'), {"oneTime": True, "body": {"k": [1]}}, id="body"),
        pytest.param(("-o", "--body", '"text"'), {"oneTime": True, "body": "text"}, id="body of text"),
        pytest.param(("-o", "-t", "500"), {"oneTime": True, "timeout": 500}, id="timeout"),
        pytest.param(("-o", "--queue", "slow"), {"oneTime": True, "queue": "slow"}, id="queue"),
    ],
)
def test_create_agent_sends_each_option(
    server: Recorder, options: tuple[str, ...], fields: dict[str, object]
) -> None:
    """Every option has its field; what was not given is left to the service."""
    done = run_script("create_agent", "-n", "a", "-u", "http://t/x", *options, url=server.url)

    assert done.returncode == 0, done.stderr
    (asked,) = server.requests
    assert (asked.method, asked.path) == ("POST", "/agents")
    assert asked.body == {**_LEAST, **fields}
    assert asked.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        pytest.param(
            (), "Error: Either --one-time must be true or --schedule must be provided", id="no time"
        ),
        pytest.param(("-o", "-H", "{"), "Error: Invalid JSON in --headers: ", id="headers"),
        pytest.param(("-o", "-b", "{"), "Error: Invalid JSON in --body: ", id="body"),
        pytest.param(("-o", "-H", "[1]"), "Error: --headers must be a JSON object", id="headers as a list"),
    ],
)
def test_create_agent_refuses_before_it_asks(server: Recorder, options: tuple[str, ...], said: str) -> None:
    """What cannot be meant ends with 1 and one line, and nothing is sent."""
    done = run_script("create_agent", "-n", "a", "-u", "http://t/x", *options, url=server.url)

    assert done.returncode == 1
    assert done.stderr.startswith(said)
    assert done.stdout == ""
    assert server.requests == []


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("create_agent", ()),
        ("create_agent", ("-n", "a", "-u", "u", "-o", "-m", "HEAD")),
        ("create_agent", ("-n", "a", "-u", "u", "-o", "-t", "soon")),
        ("get_agent_status", ()),
        ("delete_agent", ()),
        ("get_queue_info", ()),
        ("delete_queue", ()),
        ("enable_task_operator", ("--nope",)),
        ("disable_task_operator", ("--nope",)),
    ],
)
def test_wrong_usage_ends_with_two(server: Recorder, name: str, arguments: tuple[str, ...]) -> None:
    """A missing or unknown option is told by the usage line and exit code 2."""
    done = run_script(name, *arguments, url=server.url)

    assert done.returncode == 2
    assert "usage:" in done.stderr
    assert server.requests == []


@pytest.mark.parametrize("name", [name for name in SCRIPTS if not name.startswith("list_")])
def test_help_ends_with_zero(server: Recorder, name: str) -> None:
    """`-h` prints the options and asks nothing."""
    done = run_script(name, "-h", url=server.url)

    assert done.returncode == 0
    assert "usage:" in done.stdout
    assert server.requests == []


@pytest.mark.parametrize(
    ("name", "path"),
    [("two words", "/agents/two%20words"), ("a/../b", "/agents/a%2F..%2Fb"), ("ü?#", "/agents/%C3%BC%3F%23")],
)
def test_name_stays_one_segment_of_the_path(server: Recorder, name: str, path: str) -> None:
    """Spaces, slashes and marks in a name reach the service as they are."""
    assert run_script("get_agent_status", "-n", name, url=server.url).returncode == 0
    assert [asked.path for asked in server.requests] == [path]


@pytest.mark.parametrize("name", AGENTS)
def test_refusal_about_agents_and_queues_is_json(server: Recorder, name: str) -> None:
    """The service's own words and the status stand on standard error."""
    server.status, server.answer = 404, b'{"error": "Queue \\"q\\" not found"}'
    done = run_script(name, *SCRIPTS[name], url=server.url)

    assert (done.returncode, done.stdout) == (1, "")
    assert json.loads(done.stderr) == {"error": 'Queue "q" not found', "status": 404}


@pytest.mark.parametrize("name", OPERATOR)
def test_refusal_about_the_operator_is_a_line(server: Recorder, name: str) -> None:
    """The scripts of the operator say `Error: ` and why."""
    server.status, server.answer = 500, b'{"error": "Failed to enqueue task operator"}'
    done = run_script(name, *SCRIPTS[name], url=server.url)

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "Error: Failed to enqueue task operator\n"


@pytest.mark.parametrize("name", SCRIPTS)
def test_service_that_is_not_there_is_told_without_a_status(name: str) -> None:
    """Without an answer there is no status to show."""
    done = run_script(name, *SCRIPTS[name], url="http://127.0.0.1:9")

    assert (done.returncode, done.stdout) == (1, "")
    assert "refused" in done.stderr
    if name in AGENTS:
        assert set(json.loads(done.stderr)) == {"error"}
    else:
        assert done.stderr.startswith("Error: ")


@pytest.mark.parametrize("url", ["ftp:nowhere", "not an address", "http://127.0.0.1:no"])
def test_address_that_is_none_is_told(url: str) -> None:
    """A slip in CURSOR_AGENTS_URL is a message, never a traceback."""
    done = run_script("list_agents", url=url)

    assert done.returncode == 1
    assert json.loads(done.stderr)["error"]


def test_answer_that_is_no_json_is_a_failure(server: Recorder) -> None:
    """A proxy's page is not passed off as an answer."""
    server.answer = b"<html>"
    done = run_script("list_queues", url=server.url)

    assert done.returncode == 1
    assert json.loads(done.stderr) == {"error": "The answer is no JSON: <html>", "status": 200}


@pytest.mark.parametrize("name", SCRIPTS)
def test_secret_is_sent_when_it_is_set(server: Recorder, name: str) -> None:
    """WEBHOOK_SECRET goes out as X-Webhook-Secret; without it there is no such header."""
    run_script(name, *SCRIPTS[name], url=server.url, WEBHOOK_SECRET="s3cret")
    run_script(name, *SCRIPTS[name], url=server.url, WEBHOOK_SECRET="")

    assert [asked.headers.get("x-webhook-secret") for asked in server.requests] == ["s3cret", None]


def test_secret_does_not_follow_a_redirect(server: Recorder) -> None:
    """Where a redirect points learns nothing."""
    server.status, server.headers = 302, {"Location": f"{server.url}/elsewhere"}
    done = run_script("list_agents", url=server.url, WEBHOOK_SECRET="s3cret")

    assert done.returncode == 1
    assert server.requests[0].headers["x-webhook-secret"] == "s3cret"
    assert all("x-webhook-secret" not in asked.headers for asked in server.requests[1:])
    assert len(server.requests) > 1


def test_copied_folder_works_from_anywhere(server: Recorder, tmp_path: Path) -> None:
    """The folder is copied as a whole and its scripts are called by their paths."""
    copy = tmp_path / "tools"
    shutil.copytree(FOLDER, copy)

    assert run_script("list_agents", url=server.url, folder=copy).returncode == 0


@pytest.fixture
def hasty_folder(tmp_path: Path) -> Path:
    """Return a copy of the scripts whose patience is a fifth of a second instead of 30."""
    copy = tmp_path / "hasty"
    shutil.copytree(FOLDER, copy)
    client = copy / "cursor_agents_client.py"
    client.write_text(client.read_text().replace("AGENT_SECONDS = 30.0", "AGENT_SECONDS = 0.2"))
    return copy


def test_call_about_agents_gives_up_on_a_silent_service(server: Recorder, hasty_folder: Path) -> None:
    """The time-out of the socket is a failure without a status."""
    server.held = threading.Event()
    done = run_script("list_agents", url=server.url, folder=hasty_folder)

    assert done.returncode == 1
    assert json.loads(done.stderr) == {"error": "timed out"}


def test_call_about_the_operator_waits(server: Recorder, hasty_folder: Path) -> None:
    """The scripts of the operator have no time-out."""
    server.held = threading.Event()
    threading.Timer(0.6, server.held.set).start()
    done = run_script("check_task_operator_lock", url=server.url, folder=hasty_folder)

    assert done.returncode == 0


def test_address_has_the_contracts_default() -> None:
    """Without CURSOR_AGENTS_URL the scripts look for the service's name in its network."""
    text = (FOLDER / "cursor_agents_client.py").read_text()
    tree = ast.parse(text)
    values = {
        target.id: ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }

    assert values == {"DEFAULT_URL": "http://cursor-agents:3002", "AGENT_SECONDS": 30.0}
