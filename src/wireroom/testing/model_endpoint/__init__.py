"""A real HTTP server on loopback that plays a language model by script, in the words of four APIs.

Anthropic Messages, OpenAI Responses, OpenAI Chat Completions, Gemini; streaming or whole. So a real coding
agent can be driven to really write a file or run a command, without a model, a key or a network. Every
request is kept, which shows what the agent remembers. It knows nothing of the rest of Wireroom.
"""

from wireroom.testing.model_endpoint.conversation import Asked, Message, Role
from wireroom.testing.model_endpoint.script import (
    CallTool,
    Fail,
    Hang,
    RunCommand,
    Say,
    Turn,
    WriteFile,
)
from wireroom.testing.model_endpoint.server import ModelEndpoint, SeenRequest

__all__ = [
    "Asked",
    "CallTool",
    "Fail",
    "Hang",
    "Message",
    "ModelEndpoint",
    "Role",
    "RunCommand",
    "Say",
    "SeenRequest",
    "Turn",
    "WriteFile",
]
