"""How a browser begins to talk to a voice agent."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from pydantic import SecretStr

from running_service import API_SECRET, client_of, running_service
from wireroom.testing.elevenlabs import ElevenLabsServer, Fault

SECRET = {"X-Webhook-Secret": API_SECRET}


@pytest.fixture
async def labs() -> AsyncIterator[ElevenLabsServer]:
    """Play ElevenLabs."""
    async with ElevenLabsServer() as server:
        yield server


@pytest.fixture
async def client(labs: ElevenLabsServer, database_path: Path) -> AsyncIterator[aiohttp.ClientSession]:
    """Lend a client of a service with a key and an agent."""
    known: dict[str, Any] = {
        "elevenlabs_api_key": SecretStr(labs.key),
        "labs_url": labs.url,
        "voice_agent_id": "agent_1",
    }
    async with running_service(database_path.parent, **known) as service, client_of(service) as session:
        yield session


async def test_a_signed_address_comes_from_elevenlabs(
    client: aiohttp.ClientSession, labs: ElevenLabsServer
) -> None:
    """Only who is let in gets one, for the agent that was named or the settings'; the key stays here."""
    assert (await client.get("/signed-url")).status == 401
    answer = await (await client.get("/signed-url", headers=SECRET)).json()
    assert answer["signedUrl"].startswith("wss://voice.test/talk?agent_id=agent_1")
    assert answer["expiresAt"].endswith("Z")
    await client.get("/signed-url?agentId=agent_2", headers=SECRET)
    assert [request.fields["agent_id"] for request in labs.of("sign")] == ["agent_1", "agent_2"]
    labs.fault("sign", Fault(status=500))
    failed = await client.get("/signed-url", headers=SECRET)
    assert failed.status == 502
    assert labs.key not in await failed.text()


async def test_the_settings_of_voice_agents_are_told_without_secrets(
    client: aiohttp.ClientSession, labs: ElevenLabsServer
) -> None:
    """The page learns the agent and whether there is a key, never the key."""
    answer = await client.get("/config", headers=SECRET)
    config = (await answer.json())["config"]
    assert (config["agentId"], config["hasApiKey"], config["webhookSecretConfigured"]) == (
        "agent_1",
        True,
        True,
    )
    assert labs.key not in await answer.text()
    assert (await (await client.get("/config/health", headers=SECRET)).json())["status"] == "ok"


async def test_a_talk_that_begins_is_noted_without_what_lets_in(client: aiohttp.ClientSession) -> None:
    """The session stands in the conversation; the query of its address does not."""
    made = await client.post("/agent-conversations/api/new", json={"metadata": {"a": 1}}, headers=SECRET)
    path = f"/agent-conversations/api/{(await made.json())['conversationId']}"
    body = {
        "sessionUrl": "wss://voice.test/talk?token=once",
        "sessionId": "s-1",
        "metadata": {"agentId": "x"},
    }
    assert (await client.post(f"{path}/session", json=body, headers=SECRET)).status == 200
    shown = (await (await client.get(path, headers=SECRET)).json())["metadata"]
    assert shown["a"] == 1
    assert shown["voiceSession"]["sessionUrl"] == "wss://voice.test/talk"
    assert shown["voiceSession"]["metadata"] == {"agentId": "x"}
    unknown = await client.post("/agent-conversations/api/none/session", json=body, headers=SECRET)
    assert unknown.status == 404
    wrong = await client.post(f"{path}/session", json={"sessionUrl": "x"}, headers=SECRET)
    assert wrong.status == 400
