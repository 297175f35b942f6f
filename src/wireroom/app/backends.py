"""The coding agents of this installation by name, each made once."""

from __future__ import annotations

from collections.abc import Mapping

from wireroom.backends.protocol import AnyBackend
from wireroom.backends.registry import any_backend
from wireroom.errors import AgentUnavailable, SettingsError
from wireroom.settings import Settings


class Backends:
    """Gives executors the back end that a run names."""

    def __init__(
        self, settings: Settings, environment: Mapping[str, str], given: AnyBackend | None = None
    ) -> None:
        """Choose the default: the given back end, else the one that settings name.

        Raises:
            SettingsError: settings name a back end that does not exist.
        """
        self._settings = settings
        self._environment = environment
        chosen = given or self._make(settings)
        self._made: dict[str, AnyBackend] = {chosen.name: chosen}
        self.default = chosen.name
        """Name of the back end for new runs."""

    def get(self, name: str) -> AnyBackend:
        """Return the back end of this name.

        Raises:
            AgentUnavailable: there is none; a run of an earlier installation may name one that is gone.
        """
        if name not in self._made:
            try:
                wanted = self._settings.model_copy(update={"backend": name})
                self._made[name] = self._make(wanted)
            except SettingsError as error:
                raise AgentUnavailable(str(error)) from error
        return self._made[name]

    def _make(self, settings: Settings) -> AnyBackend:
        backend = any_backend(settings, self._environment)
        if settings.agent_home is not None:
            (settings.agent_home / backend.name).mkdir(mode=0o700, parents=True, exist_ok=True)
        return backend
