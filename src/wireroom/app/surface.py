"""What a process answers over HTTP: everything, or what a process that works needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from starlette.types import ASGIApp

from wireroom.api.callback_inbox import CallbackInbox
from wireroom.api.health import metrics_route, ready_route
from wireroom.api.services import Services
from wireroom.api.telegram_admin import WebhookAdmin
from wireroom.app.engine import Engine, queue_names
from wireroom.app.fleet import Fleet
from wireroom.app.http import Doors, build_http
from wireroom.app.redis import RedisWork
from wireroom.app.roles import Role
from wireroom.app.worker_http import build_worker_http
from wireroom.intake.receipts import Receipts
from wireroom.intake.webhook import Webhook
from wireroom.secret_files import secret_of
from wireroom.settings import Settings


@dataclass(frozen=True, slots=True)
class Secrets:
    """What callers of this installation know, the same in every process of it."""

    api: str
    """Of programs."""
    webhook: str
    """Of Telegram."""

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Return the settings' secrets; those that are not set are kept in the data folder.

        Raises:
            SettingsError: they cannot be read there, or made.
        """
        api = settings.webhook_secret.get_secret_value()
        webhook = settings.telegram_webhook_secret.get_secret_value()
        return cls(
            secret_of(settings.data_dir, "api-secret", api),
            secret_of(settings.data_dir, "webhook-secret", webhook),
        )


@dataclass(frozen=True, slots=True)
class Surface:
    """Puts the routes of one process together."""

    role: Role
    services: Services
    engine: Engine
    redis: RedisWork
    fleet: Fleet

    def build(
        self,
        secrets: Secrets,
        rest: ASGIApp,
        tools: ASGIApp,
        *,
        worker_runs: Callable[[], bool] | None,
        state: Callable[[], int],
    ) -> ASGIApp:
        """Return all routes as one ASGI application.

        Args:
            secrets: Let callers in.
            rest: The routes that OpenAPI describes; see `app.http.documented`.
            tools: The server of tools for coding agents, with its own guard.
            worker_runs: Whether jobs are worked; None where none are.
            state: A number that is another one after each write to the database.
        """
        services, engine = self.services, self.engine
        ready = ready_route(engine.db, worker_runs, services.problems, self.redis.health)
        metrics = metrics_route(engine.db, engine.jobs, services.cache, queue_names(services.settings))
        inbox = self._inbox(secrets)
        if not self.role.serves_people:
            return build_worker_http(inbox, tools, ready=ready, metrics=metrics)
        doors = Doors(self._webhook(secrets), self._admin(secrets), inbox, tools, self.fleet.routes)
        return build_http(services, doors, rest, ready=ready, metrics=metrics, state=state)

    def _webhook(self, secrets: Secrets) -> Webhook:
        engine, bot_id = self.engine, self.services.settings.bot_id
        receipts = Receipts(
            engine.db, engine.jobs, self.services.clock, bot_id=bot_id, gives_way=engine.gives_way
        )
        return Webhook(receipts, bot_id=bot_id, secret=secrets.webhook)

    def _admin(self, secrets: Secrets) -> WebhookAdmin:
        return WebhookAdmin(
            None if self.fleet.first is None else self.fleet.first.client,
            api_secret=secrets.api,
            webhook_secret=secrets.webhook,
            base_url=self.services.settings.telegram_webhook_base_url,
        )

    def _inbox(self, secrets: Secrets) -> CallbackInbox:
        settings = self.services.settings
        return CallbackInbox(
            self.engine.db,
            self.services.clock,
            self.services.feed,
            secrets=[secrets.api, settings.cursor_runner_secret.get_secret_value()],
            older=self.redis.older_requests(self.engine.jobs, settings.bot_id),
        )
