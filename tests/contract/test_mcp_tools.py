"""Every MCP tool, called by the official client over each transport, beside a running service."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from mcp.client import Client
from mcp.shared.exceptions import MCPError
from mcp_types import TextResourceContents

from contract.mcp_clients import WAYS, Tools, connected
from running_service import API_SECRET, running_service
from wireroom import __version__
from wireroom.app.service import Service
from wireroom.mcp.door import PATH, token_for_agents
from wireroom.mcp.server import make_server
from wireroom.mcp.spec import Answer, Call
from wireroom.testing.eventually import eventually

pytestmark = pytest.mark.timeout(120)
ways = pytest.mark.parametrize("way", WAYS)
_PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
_ACCEPT = {"Accept": "application/json, text/event-stream"}


@pytest.fixture
async def service(database_path: Path) -> AsyncIterator[Service]:
    """Run a service with the demo agent."""
    async with running_service(database_path.parent) as running:
        yield running


@ways
async def test_client_is_told_who_serves_and_what_for(
    service: Service, database_path: Path, way: str
) -> None:
    """A client of the present protocol and of the older one learn name, version and purpose."""
    async with connected(way, service, database_path.parent, WEBHOOK_SECRET=API_SECRET) as tools:
        assert tools.client.server_info is not None
        assert (tools.client.server_info.name, tools.client.server_info.version) == ("wireroom", __version__)
        assert "task_operator" in (tools.client.instructions or "")
        listed = await tools.client.list_tools()
    assert len(listed.tools) == 17


@ways
async def test_settings_are_listed_and_set(service: Service, database_path: Path, way: str) -> None:
    """A switch that an agent sets is followed by the running service."""
    switches = service.services.system_settings
    assert not await switches.is_on("debug")
    async with connected(way, service, database_path.parent, WEBHOOK_SECRET=API_SECRET) as tools:
        listed = await tools.call("list_settings")
        done = await tools.call("set_setting", name="debug", value=1)
        refused = await tools.call("set_setting", name="debug", value=2)

    assert {one["name"]: one["value"] for one in listed.json["settings"]}["debug"] == 0
    assert (done.json["name"], done.json["value"]) == ("debug", 1)
    assert refused.is_error
    assert refused.text == "Error: debug is a switch: 1 is on, 0 is off."

    async def followed() -> bool:
        return await switches.is_on("debug")

    await eventually(followed, "the service follows")


@ways
async def test_run_is_started_shown_listed_and_cancelled(
    service: Service, database_path: Path, way: str
) -> None:
    """The service does the work; the tools say what is wanted and read what came of it."""
    async with connected(way, service, database_path.parent, WEBHOOK_SECRET=API_SECRET) as tools:
        asked = await tools.call("start_run", prompt="calculate 6 * 7")
        assert not asked.is_error, asked.text
        run_id = asked.json["requestId"]

        async def ended() -> bool:
            return bool((await tools.call("get_run", id=run_id)).json["state"] == "succeeded")

        await eventually(ended, "the run has succeeded", 20)
        shown = (await tools.call("get_run", id=run_id, max_chars=5)).json
        listed = (await tools.call("list_runs", per_page=1)).json
        late = await tools.call("cancel_run", id=run_id)

    assert len(shown["output"]) == 5
    assert shown["output_chars_omitted"] > 0
    assert shown["prompt"] == "calculate 6 * 7"
    assert [run["request_id"] for run in listed["runs"]] == [run_id]
    assert "output" not in listed["runs"][0]
    assert listed["pagination"] == {
        "page": 1,
        "per_page": 1,
        "total": 1,
        "total_pages": 1,
        "next_cursor": None,
    }
    assert late.is_error
    assert "has ended already" in late.text


@ways
async def test_tasks_are_added_listed_changed_and_shown(
    service: Service, database_path: Path, way: str
) -> None:
    """The board is kept by tools: add, list a page of one status, complete, archive, backlog, show."""
    async with connected(way, service, database_path.parent, WEBHOOK_SECRET=API_SECRET) as tools:
        first = (await tools.call("create_task", prompt="x" * 500, order=5)).json
        second = (await tools.call("create_task", prompt="later", status="backlogged")).json
        third = (await tools.call("create_task", prompt="then", repository="app", needs=[first["id"]])).json
        ready = (await tools.call("list_tasks", status="ready", per_page=1, page=2)).json
        states = []
        for status in ("complete", "archived", "backlogged", "ready"):
            changed = await tools.call("update_task", id=second["id"], status=status)
            states.append(changed.json["status_label"])
        reworded = (await tools.call("update_task", id=second["id"], prompt="sooner", order=-1)).json
        shown = (await tools.call("get_task", id=first["id"])).json
        missing = await tools.call("get_task", id=999)
        wrong = await tools.call("update_task", id=second["id"], status="in progress")

    assert (first["status_label"], second["status_label"], third["needs"]) == (
        "ready",
        "backlogged",
        [first["id"]],
    )
    assert [task["id"] for task in ready["tasks"]] == [first["id"]]
    assert ready["tasks"][0]["prompt"] == "x" * 200 + "…"
    assert ready["pagination"]["total"] == 2
    assert states == ["complete", "archived", "backlogged", "ready"]
    assert (reworded["prompt"], reworded["order"], reworded["status_label"]) == ("sooner", -1, "ready")
    assert shown["prompt"] == "x" * 500
    assert missing.text == "Error: Task not found"
    assert wrong.is_error
    assert "status" in wrong.text


@ways
async def test_agents_are_created_listed_shown_and_deleted(
    service: Service, database_path: Path, way: str
) -> None:
    """The seven tools of the older server keep their names, arguments and answers."""
    async with connected(way, service, database_path.parent, WEBHOOK_SECRET=API_SECRET) as tools:
        wanted = {"targetUrl": "http://127.0.0.1:9/x", "schedule": "0 8 * * *", "body": {"k": None}}
        made = await tools.call("create_agent", name="every day", queue="slow", **wanted)
        again = await tools.call("create_agent", name="prompted", prompt="tidy", schedule="0 9 * * *")
        listed = (await tools.call("list_agents", per_page=1)).json
        shown = (await tools.call("get_agent_status", name="every day")).json
        queue = (await tools.call("get_queue_info", queueName="slow")).json
        queues = (await tools.call("list_queues")).json
        kept = await tools.call("delete_queue", queueName="default")
        deleted = (await tools.call("delete_agent", name="every day")).json
        gone = await tools.call("get_agent_status", name="every day")
        unknown = await tools.call("delete_agent", name="every day")
        nowhere = await tools.call("get_queue_info", queueName="nowhere")

    assert not made.is_error, made.text
    assert made.json["message"] == 'Agent "every day" created successfully'
    assert "jobId" not in made.json["agent"]
    assert (made.json["agent"]["method"], made.json["agent"]["queue"]) == ("POST", "slow")
    assert not again.is_error, again.text
    assert [agent["name"] for agent in listed["agents"]] == ["every day"]
    assert listed["pagination"] == {"page": 1, "per_page": 1, "total": 2}
    assert (shown["isActive"], shown["body"]) == (True, {"k": None})
    assert (queue["name"], queue["agents"]) == ("slow", ["every day"])
    assert {"slow", "default"} <= {one["name"] for one in queues["queues"]}
    assert kept.is_error
    assert deleted == {"success": True, "message": 'Agent "every day" deleted successfully'}
    assert (gone.is_error, gone.json) == (True, {"error": 'Agent "every day" not found'})
    assert (unknown.is_error, unknown.text) == (True, 'Error: Agent "every day" not found')
    assert nowhere.json == {"error": 'Queue "nowhere" not found'}


@ways
async def test_agents_are_resources(service: Service, database_path: Path, way: str) -> None:
    """An agent can be read as `agent://{name}`; an unknown one is a protocol error."""
    async with connected(way, service, database_path.parent, WEBHOOK_SECRET=API_SECRET) as tools:
        await tools.call("create_agent", name="a b", targetUrl="http://127.0.0.1:9/", schedule="0 8 * * *")
        templates = await tools.client.list_resource_templates()
        resources = await tools.client.list_resources()
        read = await tools.client.read_resource("agent://a%20b")
        with pytest.raises(MCPError, match="not found") as caught:
            await tools.client.read_resource("agent://nobody")
        with pytest.raises(MCPError, match="Unknown resource"):
            await tools.client.read_resource("file:///etc/passwd")

    assert [one.uri_template for one in templates.resource_templates] == ["agent://{name}"]
    assert [str(one.uri) for one in resources.resources] == ["agent://a%20b"]
    (content,) = read.contents
    assert isinstance(content, TextResourceContents)
    assert (content.mime_type, json.loads(content.text)["name"]) == ("application/json", "a b")
    assert caught.value.error.code == -32603


async def test_waiting_run_is_cancelled(service: Service, database_path: Path) -> None:
    """What runs can be stopped by a tool."""
    async with connected("http", service, database_path.parent) as tools:
        asked = await tools.call("start_run", prompt="wait 30")
        run_id = asked.json["requestId"]

        async def running() -> bool:
            return bool((await tools.call("get_run", id=run_id)).json["state"] == "running")

        await eventually(running, "the run runs", 20)
        stopped = await tools.call("cancel_run", id=run_id)

    assert stopped.json["result"] == "stopping"


@ways
async def test_bad_arguments_are_named(service: Service, database_path: Path, way: str) -> None:
    """What cannot be used, is missing or unknown is told by name, without what was sent."""
    async with connected(way, service, database_path.parent, WEBHOOK_SECRET=API_SECRET) as tools:
        wrong = await tools.call("list_runs", per_page=1000, state="s3cret")
        missing = await tools.call("get_run")
        unknown = await tools.call("list_settings", colour="red")
        empty = await tools.call("start_run", prompt="")
        nobody = await tools.call("get_run", id="no such run")
        with pytest.raises(MCPError, match="Unknown tool"):
            await tools.call("drop_tables")

    assert all(told.is_error for told in (wrong, missing, unknown, empty, nobody))
    assert "per_page" in wrong.text
    assert "state" in wrong.text
    assert "s3cret" not in wrong.text
    assert missing.text == "Error: id: Field required"
    assert "colour" in unknown.text
    assert nobody.text == "Error: There is no run no such run."


async def test_stored_wish_is_carried_out_after_the_tool_process_has_gone(
    service: Service, database_path: Path
) -> None:
    """The process of the tools only stores; the service runs it although the process has ended."""
    async with connected("program", service, database_path.parent, WEBHOOK_SECRET=API_SECRET) as tools:
        run_id = (await tools.call("start_run", prompt="calculate 2 + 2")).json["requestId"]
    headers = {"Authorization": f"Bearer {API_SECRET}"}
    async with aiohttp.ClientSession(service.address, headers=headers) as program:

        async def done() -> bool:
            async with program.get(f"/api/runs/{run_id}") as response:
                return bool((await response.json())["state"] == "succeeded")

        await eventually(done, "the service has run it", 20)


async def test_tools_without_a_service_store_and_run_nothing(database_path: Path) -> None:
    """Beside no service the tools still work on the database, and no agent is started."""
    async with running_service(database_path.parent) as gone:
        pass
    async with connected("stdio", gone, database_path.parent, WEBHOOK_SECRET=API_SECRET) as tools:
        run_id = (await tools.call("start_run", prompt="calculate 2 + 2")).json["requestId"]
        assert (await tools.call("get_run", id=run_id)).json["state"] == "queued"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        pytest.param({"Authorization": f"Bearer {token_for_agents(API_SECRET)}"}, 200, id="token for agents"),
        pytest.param({"Authorization": f"Bearer {API_SECRET}"}, 200, id="secret"),
        pytest.param({"X-Webhook-Secret": API_SECRET}, 200, id="older header"),
        pytest.param({"Authorization": "Bearer wrong"}, 401, id="wrong token"),
        pytest.param({}, 401, id="nothing"),
    ],
)
async def test_tools_over_http_need_a_token(service: Service, headers: dict[str, str], status: int) -> None:
    """Nobody uses the tools without the secret or the token that is made of it."""
    async with (
        aiohttp.ClientSession(service.address) as client,
        client.post(PATH, json=_PING, headers={**_ACCEPT, **headers}) as response,
    ):
        assert response.status == status


async def test_token_for_agents_opens_nothing_else(service: Service) -> None:
    """An agent with the token cannot answer its own questions for permission, or call any other route."""
    headers = {"Authorization": f"Bearer {token_for_agents(API_SECRET)}"}
    async with aiohttp.ClientSession(service.address, headers=headers) as client:
        for path in ("/api/runs", "/api/settings", "/git/repositories"):
            async with client.get(path) as response:
                assert response.status == 401


async def test_page_session_does_not_open_the_tools(service: Service) -> None:
    """A browser that is logged in reaches no tool, so no page can make it."""
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(service.address, cookie_jar=jar) as client:
        async with client.get(await service.login_link()) as response:
            assert response.status == 200
        async with client.post(PATH, json=_PING, headers=_ACCEPT) as response:
            assert response.status == 401


async def test_tools_take_no_stream_and_no_flood(service: Service) -> None:
    """There is nothing to listen to between requests, and a body has a bound."""
    headers = {"Authorization": f"Bearer {API_SECRET}", "Content-Type": "application/json", **_ACCEPT}
    async with aiohttp.ClientSession(service.address, headers=headers) as client:
        async with client.get(PATH) as response:
            assert response.status == 405
        async with client.post(PATH, data=io.BytesIO(b'"' + b"y" * 1_100_000 + b'"')) as response:
            assert response.status == 413


class _Broken:
    """Routes that fail as none should."""

    async def call(self, call: Call) -> Answer:
        """Fail, with what only the log may say."""
        raise RuntimeError(f"s3cret {call.path}")


async def test_failure_inside_is_told_without_its_words() -> None:
    """The client learns that it failed; why stands in the log."""
    async with Client(make_server(_Broken())) as client:
        told = await Tools(client).call("list_tasks")
    assert told.is_error
    assert told.text == "Error: Something went wrong inside Wireroom; its log says what."


def test_service_does_without_the_sdk_until_it_is_asked() -> None:
    """Starting Wireroom costs nobody the import of the protocol's SDK, nor does `wireroom --help`."""
    code = "import sys, wireroom.app.service, wireroom.cli.main; sys.exit('mcp.server' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
