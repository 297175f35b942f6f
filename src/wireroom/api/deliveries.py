"""`/api/deliveries`: what is on its way, and the dead letters to retry or discard."""

from __future__ import annotations

from fastapi import APIRouter, Depends
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from wireroom.api.bodies import DeliveryBody, DeliveryListBody, DeliveryStateBody, Pagination
from wireroom.api.guard import caller_guard, caller_of, note_action
from wireroom.api.lazy_routes import LazyRoute
from wireroom.api.paging import Cursor, piece_of
from wireroom.api.requests import Page, PerPage, RowId
from wireroom.api.services import Services
from wireroom.api.streaming import DESCRIBED as LINES
from wireroom.api.streaming import wants_lines, whole_list
from wireroom.clock import to_ms
from wireroom.delivery.outbox import DeliveryState, discard_delivery, retry_delivery
from wireroom.delivery.queries import count_deliveries, delivery_state, list_deliveries
from wireroom.errors import Conflict, NotFound


def router(services: Services) -> APIRouter:
    """Return the routes; each of them knows its caller."""
    routes = _DeliveryRoutes(services)
    made = APIRouter(
        prefix="/api/deliveries",
        tags=["deliveries"],
        dependencies=[Depends(caller_guard(services))],
        route_class=LazyRoute,
    )
    made.add_api_route("", routes.list_deliveries, response_model=DeliveryListBody, responses=LINES)
    made.add_api_route("/{delivery_id}/retry", routes.retry, methods=["POST"])
    made.add_api_route("/{delivery_id}/discard", routes.discard, methods=["POST"])
    return made


class _DeliveryRoutes:
    def __init__(self, services: Services) -> None:
        self._services = services

    async def list_deliveries(
        self,
        request: Request,
        *,
        state: DeliveryState | None = None,
        page: Page = 1,
        per_page: PerPage = 50,
        cursor: Cursor = None,
    ) -> DeliveryListBody | Response:
        """List deliveries, newest first; `state=dead` lists the dead letters.

        Asked for as lines of JSON, it lists all of them.
        """
        if wants_lines(request):
            return whole_list(
                self._services.db,
                lambda conn, before, size: list_deliveries(conn, state=state, limit=size, before=before),
                lambda delivery: delivery.id,
                lambda delivery: DeliveryBody.of(delivery).model_dump_json().encode(),
            )
        piece = piece_of(page, per_page, cursor, int)
        before = None if piece.after is None else piece.after[0]
        read, total = await self._services.db.read(
            lambda conn: (
                list_deliveries(conn, state=state, limit=piece.limit, offset=piece.offset, before=before),
                count_deliveries(conn, state=state),
            )
        )
        found = piece.cut(read)
        deliveries = [DeliveryBody.of(delivery) for delivery in found.items]
        standing = Pagination.of(page, per_page, total, found.cursor("id"))
        return DeliveryListBody(deliveries=deliveries, pagination=standing)

    async def retry(self, request: Request, delivery_id: RowId) -> DeliveryStateBody:
        """Send a dead delivery again, from the part that failed."""
        return await self._act(request, delivery_id, "delivery.retry")

    async def discard(self, request: Request, delivery_id: RowId) -> DeliveryStateBody:
        """Drop a dead delivery for good."""
        return await self._act(request, delivery_id, "delivery.discard")

    async def _act(self, request: Request, delivery_id: int, action: str) -> DeliveryStateBody:
        caller, now_ms = caller_of(request), to_ms(self._services.clock.now())

        def unit(conn: Connection) -> DeliveryStateBody:
            before = delivery_state(conn, delivery_id)
            if before is None:
                raise NotFound(f"There is no delivery {delivery_id}.")
            if before is not DeliveryState.DEAD:
                raise Conflict(f"Delivery {delivery_id} is {before}, not dead.")
            if action == "delivery.retry":
                retry_delivery(conn, self._services.jobs, delivery_id)
            else:
                discard_delivery(conn, delivery_id)
            note_action(conn, caller, action, str(delivery_id), now_ms=now_ms)
            return DeliveryStateBody(id=delivery_id, state=delivery_state(conn, delivery_id) or before)

        return await self._services.db.write(unit)
