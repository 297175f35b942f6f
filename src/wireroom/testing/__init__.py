"""Public fakes for tests of Wireroom and of programs beside it: real servers and real processes."""

from wireroom.testing.bot_api import BotAPIServer as BotAPIServer
from wireroom.testing.model_endpoint import ModelEndpoint as ModelEndpoint
from wireroom.testing.scripted_agent import Ledger as Ledger
from wireroom.testing.scripted_agent import ScriptedAgent as ScriptedAgent
from wireroom.testing.scripted_agent import ScriptedBackend as ScriptedBackend
