"""The scripted model speaks four APIs, asked over plain HTTP as their clients ask."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest

from wireroom.testing.eventually import eventually
from wireroom.testing.model_endpoint import (
    CallTool,
    Fail,
    Hang,
    ModelEndpoint,
    Role,
    RunCommand,
    Say,
    WriteFile,
)

Turns = list[tuple[str, str]]
"""What was said so far: (`user` or `model` or `tool`, text); a model's turn with a name in it is a call."""


@dataclass(frozen=True)
class Dialect:
    """How one API is asked, and how its answers are read."""

    path: str
    build: Callable[[Turns, list[str], bool], dict[str, Any]]
    text_of: Callable[[dict[str, Any]], str]
    """Text of a whole answer."""
    call_of: Callable[[dict[str, Any]], tuple[str, Any]]
    """Tool and arguments of a whole answer."""
    piece_of: Callable[[dict[str, Any]], str]
    """Text in one event of a stream, empty when it has none."""
    error_of: Callable[[dict[str, Any]], str] = lambda body: str(body["error"]["message"])

    def path_of(self, *, streams: bool) -> str:
        """Return the path, in which Gemini says whether it streams."""
        return self.path.replace(":generate", ":streamGenerate") if streams else self.path


def anthropic_body(turns: Turns, tools: list[str], streams: bool) -> dict[str, Any]:
    """Return a request of the Messages API."""
    blocks: dict[str, Callable[[str], dict[str, Any]]] = {
        "user": lambda text: {"role": "user", "content": text},
        "model": lambda name: {
            "role": "assistant",
            "content": [{"type": "tool_use", "name": name, "input": {}}],
        },
        "tool": lambda text: {"role": "user", "content": [{"type": "tool_result", "content": text}]},
    }
    messages = [blocks[who](text) for who, text in turns]
    named = [{"name": name, "input_schema": {}} for name in tools]
    return {"model": "m-1", "messages": messages, "tools": named, "stream": streams}


def chat_body(turns: Turns, tools: list[str], streams: bool) -> dict[str, Any]:
    """Return a request of the Chat Completions API."""
    roles = {"user": "user", "model": "assistant", "tool": "tool"}
    messages = [{"role": roles[who], "content": text} for who, text in turns]
    named = [{"type": "function", "function": {"name": name}} for name in tools]
    return {"model": "m-1", "messages": messages, "tools": named, "stream": streams}


def responses_body(turns: Turns, tools: list[str], streams: bool) -> dict[str, Any]:
    """Return a request of the Responses API."""
    items: dict[str, Callable[[str], dict[str, Any]]] = {
        "user": lambda text: {"role": "user", "content": [{"type": "input_text", "text": text}]},
        "model": lambda name: {"type": "function_call", "name": name, "arguments": "{}", "call_id": "c"},
        "tool": lambda text: {"type": "function_call_output", "output": text, "call_id": "c"},
    }
    named = [{"type": "function", "name": name} for name in tools]
    return {"model": "m-1", "input": [items[w](t) for w, t in turns], "tools": named, "stream": streams}


def gemini_body(turns: Turns, tools: list[str], _streams: bool) -> dict[str, Any]:
    """Return a request of the Gemini API; the path says whether it streams."""
    parts: dict[str, Callable[[str], dict[str, Any]]] = {
        "user": lambda text: {"role": "user", "parts": [{"text": text}]},
        "model": lambda name: {"role": "model", "parts": [{"functionCall": {"name": name, "args": {}}}]},
        "tool": lambda text: {
            "role": "user",
            "parts": [{"functionResponse": {"response": {"output": text}}}],
        },
    }
    declared = [{"functionDeclarations": [{"name": name} for name in tools]}]
    return {"contents": [parts[who](text) for who, text in turns], "tools": declared if tools else []}


DIALECTS = {
    "anthropic": Dialect(
        "/v1/messages",
        anthropic_body,
        text_of=lambda body: str(body["content"][0]["text"]),
        call_of=lambda body: (body["content"][0]["name"], body["content"][0]["input"]),
        piece_of=lambda event: str(event.get("delta", {}).get("text", "")),
    ),
    "chat": Dialect(
        "/v1/chat/completions",
        chat_body,
        text_of=lambda body: str(body["choices"][0]["message"]["content"]),
        call_of=lambda body: _function(body["choices"][0]["message"]["tool_calls"][0]["function"]),
        piece_of=lambda event: "".join(choice["delta"].get("content", "") for choice in event["choices"]),
    ),
    "responses": Dialect(
        "/v1/responses",
        responses_body,
        text_of=lambda body: str(body["output"][0]["content"][0]["text"]),
        call_of=lambda body: _function(body["output"][0]),
        piece_of=lambda event: str(event["delta"]) if event["type"] == "response.output_text.delta" else "",
    ),
    "gemini": Dialect(
        "/v1beta/models/m-1:generateContent",
        gemini_body,
        text_of=lambda body: str(body["candidates"][0]["content"]["parts"][0]["text"]),
        call_of=lambda body: (
            body["candidates"][0]["content"]["parts"][0]["functionCall"]["name"],
            body["candidates"][0]["content"]["parts"][0]["functionCall"]["args"],
        ),
        piece_of=lambda event: str(event["candidates"][0]["content"]["parts"][0]["text"]),
    ),
}


def _function(call: dict[str, Any]) -> tuple[str, Any]:
    return call["name"], json.loads(call["arguments"])


@pytest.fixture(params=sorted(DIALECTS))
def dialect(request: pytest.FixtureRequest) -> Dialect:
    """Return each API in turn."""
    return DIALECTS[request.param]


@pytest.fixture
async def model() -> AsyncIterator[ModelEndpoint]:
    """Lend a running endpoint."""
    async with ModelEndpoint(otherwise="I have no words.") as endpoint:
        yield endpoint


@pytest.fixture
async def http(model: ModelEndpoint) -> AsyncIterator[aiohttp.ClientSession]:
    """Lend a client whose paths are the endpoint's."""
    timeout = aiohttp.ClientTimeout(total=10)
    async with aiohttp.ClientSession(model.url, timeout=timeout) as session:
        yield session


async def ask(
    http: aiohttp.ClientSession, dialect: Dialect, turns: Turns, *, tools: tuple[str, ...] = ()
) -> tuple[int, dict[str, Any]]:
    """Return status and body of one whole answer."""
    body = dialect.build(turns, list(tools), False)
    async with http.post(dialect.path_of(streams=False), json=body) as response:
        return response.status, await response.json()


async def test_model_says_what_the_script_says(
    http: aiohttp.ClientSession, model: ModelEndpoint, dialect: Dialect
) -> None:
    """What a person said chooses the script; anything else gets the other answer."""
    model.script("mend it", Say("Mended."))
    _, answer = await ask(http, dialect, [("user", "Please mend it")])
    assert dialect.text_of(answer) == "Mended."
    _, answer = await ask(http, dialect, [("user", "A title, please")])
    assert dialect.text_of(answer) == "I have no words."


async def test_model_streams_in_pieces(
    http: aiohttp.ClientSession, model: ModelEndpoint, dialect: Dialect
) -> None:
    """A stream gives the same text in several pieces, as server-sent events."""
    model.script("mend it", Say("It is mended,\nall of it."))
    body = dialect.build([("user", "mend it")], [], True)
    async with http.post(dialect.path_of(streams=True), json=body) as response:
        assert response.content_type == "text/event-stream"
        lines = (await response.text()).splitlines()
    data = [line.removeprefix("data: ") for line in lines if line.startswith("data: ")]
    pieces = [piece for one in data if one != "[DONE]" and (piece := dialect.piece_of(json.loads(one)))]
    assert "".join(pieces) == "It is mended,\nall of it."
    assert len(pieces) > 1


async def test_model_goes_through_its_turns(
    http: aiohttp.ClientSession, model: ModelEndpoint, dialect: Dialect
) -> None:
    """Each answer of a tool brings the next turn; asking again brings the same; beyond the end nothing."""
    model.script("mend it", CallTool("Look", {"at": "x"}), CallTool("Mend"), Say("Mended."))
    said: Turns = [("user", "mend it")]
    for _ in range(2):
        _, answer = await ask(http, dialect, said, tools=("Look", "Mend"))
        assert dialect.call_of(answer) == ("Look", {"at": "x"})
    said += [("model", "Look"), ("tool", "a sign is wrong")]
    _, answer = await ask(http, dialect, said, tools=("Look", "Mend"))
    assert dialect.call_of(answer) == ("Mend", {})
    said += [("model", "Mend"), ("tool", "done")]
    _, answer = await ask(http, dialect, said, tools=("Look", "Mend"))
    assert dialect.text_of(answer) == "Mended."
    _, answer = await ask(http, dialect, [*said, ("model", "x"), ("tool", "y")])
    assert dialect.text_of(answer) == "I have no words."


async def test_model_follows_the_script_of_the_last_words(
    http: aiohttp.ClientSession, model: ModelEndpoint, dialect: Dialect
) -> None:
    """A resumed conversation has the words of both scripts; the later ones count, and all is kept."""
    model.script("mend it", Say("Mended."))
    model.script("and now", Say("Still mended."))
    said: Turns = [("user", "mend it"), ("model", "Mended."), ("user", "and now?")]
    _, answer = await ask(http, dialect, said)
    assert dialect.text_of(answer) == "Still mended."
    seen = model.requests[-1]
    assert seen.prompts == ["mend it", "and now?"]
    assert (seen.asked.model, seen.asked.texts(Role.MODEL)) == ("m-1", ["Mended."])


async def test_model_fails_as_often_as_told(
    http: aiohttp.ClientSession, model: ModelEndpoint, dialect: Dialect
) -> None:
    """A failure that happens once is over when the client asks again."""
    model.script("mend it", Fail(429, "Too fast.", times=1), Say("Mended."))
    status, answer = await ask(http, dialect, [("user", "mend it")])
    assert (status, dialect.error_of(answer)) == (429, "Too fast.")
    status, answer = await ask(http, dialect, [("user", "mend it")])
    assert (status, dialect.text_of(answer)) == (200, "Mended.")


async def test_model_hangs_until_the_client_goes(
    http: aiohttp.ClientSession, model: ModelEndpoint, dialect: Dialect
) -> None:
    """A hanging answer does not come, and ends with its client."""
    model.script("mend it", Hang())
    asking = asyncio.create_task(ask(http, dialect, [("user", "mend it")]))
    await eventually(lambda: model.hanging == 1, "the request hangs")
    asking.cancel()
    await eventually(lambda: model.hanging == 0, "the request is gone")


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("Write", {"file_path": "/w/a b", "content": "it's"}),
        ("write_file", {"file_path": "/w/a b", "content": "it's"}),
        ("write", {"filePath": "/w/a b", "content": "it's"}),
        ("exec_command", {"cmd": "printf %s 'it'\"'\"'s' > '/w/a b'"}),
    ],
)
async def test_model_writes_with_the_tool_that_is_offered(
    http: aiohttp.ClientSession, model: ModelEndpoint, tool: str, arguments: dict[str, str]
) -> None:
    """A file is written by the tool that the agent has, by a command if need be."""
    model.script("write", WriteFile("/w/a b", "it's"))
    _, answer = await ask(http, DIALECTS["chat"], [("user", "write")], tools=("other", tool))
    assert DIALECTS["chat"].call_of(answer) == (tool, arguments)


async def test_model_says_when_no_tool_fits(http: aiohttp.ClientSession, model: ModelEndpoint) -> None:
    """An agent without such a tool is told which it has; without any tools, the script is not meant."""
    model.script("run", RunCommand("make"))
    _, answer = await ask(http, DIALECTS["chat"], [("user", "run")], tools=("Look",))
    assert "['Look']" in DIALECTS["chat"].text_of(answer)
    _, answer = await ask(http, DIALECTS["chat"], [("user", "run")])
    assert DIALECTS["chat"].text_of(answer) == "I have no words."


async def test_model_calls_a_tool_of_a_namespace(http: aiohttp.ClientSession, model: ModelEndpoint) -> None:
    """OpenAI's namespaces of tools are named apart in the call."""
    model.script("weather", CallTool("sky.weather"))
    tools = [{"type": "namespace", "name": "sky", "tools": [{"type": "function", "name": "weather"}]}]
    async with http.post("/v1/responses", json={"input": "weather", "tools": tools}) as response:
        call = (await response.json())["output"][0]
    assert (call["namespace"], call["name"]) == ("sky", "weather")
    assert model.requests[-1].asked.tools == {"sky.weather"}


async def test_model_answers_a_schema_with_what_fits(
    http: aiohttp.ClientSession, model: ModelEndpoint
) -> None:
    """A request for JSON of a schema gets the smallest, whatever the script says."""
    model.script("rate", Say("No JSON."))
    schema = {"type": "OBJECT", "properties": {"why": {"type": "string"}, "score": {"type": "integer"}}}
    body = gemini_body([("user", "rate it")], [], False) | {"generationConfig": {"responseSchema": schema}}
    async with http.post(DIALECTS["gemini"].path, json=body) as response:
        text = DIALECTS["gemini"].text_of(await response.json())
    assert json.loads(text) == {"why": "scripted", "score": 1}


async def test_model_counts_tokens(http: aiohttp.ClientSession) -> None:
    """Clients that count tokens beforehand get a number."""
    async with http.post("/v1/messages/count_tokens", json={}) as response:
        assert (await response.json())["input_tokens"] > 0


@pytest.mark.parametrize(
    ("path", "body", "status"), [("/v1/other", b"{}", 404), ("/v1/messages", b"[]", 400)]
)
async def test_model_refuses_what_it_does_not_play(
    http: aiohttp.ClientSession, model: ModelEndpoint, path: str, body: bytes, status: int
) -> None:
    """An unknown path is 404 and remembered; a body that is no object is 400."""
    async with http.post(path, data=body) as response:
        assert response.status == status
    assert model.strays == (["POST /v1/other"] if status == 404 else [])
    assert not model.requests


def test_model_has_no_url_before_it_runs() -> None:
    """The URL of an endpoint that does not run is an error that says so."""
    with pytest.raises(RuntimeError, match="not started"):
        _ = ModelEndpoint().url
