"""The admin listener: metrics, reload, how it stands. Its own port and key; without a key, only health."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from hmac import compare_digest
from pathlib import Path

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from routenlp.errors import RouteNlpError
from routenlp.gateway.app import ERRORS, document_route, guarded, health_routes
from routenlp.gateway.errors import ApiError
from routenlp.gateway.metrics import CONTENT_TYPE
from routenlp.gateway.openapi.documents import admin_document
from routenlp.gateway.standing_metrics import standing_text
from routenlp.gateway.state import Gateway
from routenlp.store.sql import leases
from routenlp.store.sql.database import locate, mapped, open_store

Reload = Callable[[], Awaitable[None]]


def admin_app(gateway: Gateway, key: str | None, reload: Reload) -> Starlette:
    """`reload` raises `RouteNlpError` for settings that are wrong; the last good ones then stay."""

    def check(request: Request) -> None:
        given = request.headers.get("authorization", "")
        kind, _, secret = given.partition(" ")
        if key is None:
            raise ApiError(403, "The admin listener has no key: set one and start again.", code="no_admin_key")
        if kind.lower() != "bearer" or not compare_digest(secret.strip().encode(), key.encode()):
            raise ApiError(401, "The admin key is missing or wrong.", code="invalid_api_key")

    async def metrics(request: Request) -> Response:
        check(request)
        text = gateway.metrics.text(gateway.live, gateway.records.depth, gateway.records.dropped)
        text += await asyncio.to_thread(standing_text, gateway.live)
        return Response(text, headers={"content-type": CONTENT_TYPE})

    async def status(request: Request) -> Response:
        check(request)
        return Response(msgspec.json.encode(_status(gateway)), media_type="application/json")

    async def reloaded(request: Request) -> Response:
        check(request)
        try:
            await reload()
        except RouteNlpError as exc:
            raise ApiError(409, f"Nothing was changed. {exc}", code="settings_wrong") from exc
        return Response(msgspec.json.encode(_status(gateway)), media_type="application/json")

    return Starlette(
        routes=[
            Route("/metrics", guarded(metrics)),
            Route("/admin/worker/pause", guarded(_switching(gateway, check, pause=True)), methods=["POST"]),
            Route("/admin/worker/resume", guarded(_switching(gateway, check, pause=False)), methods=["POST"]),
            Route("/admin/status", guarded(status)),
            Route("/admin/reload", guarded(reloaded), methods=["POST"]),
            *health_routes(gateway),
            document_route(admin_document()),
        ],
        exception_handlers=ERRORS,
    )


def _switching(
    gateway: Gateway, check: Callable[[Request], None], *, pause: bool
) -> Callable[[Request], Awaitable[Response]]:
    async def switch(request: Request) -> Response:
        check(request)
        settings = gateway.live.settings
        if settings.store is None:
            raise ApiError(409, "There is no store, so there are no workers.", code="no_store")
        await asyncio.to_thread(switch_workers, locate(settings.store.url), time.time(), pause=pause)
        return Response(msgspec.json.encode({"paused": pause}), media_type="application/json")

    return switch


def switch_workers(store: Path, now_s: float, *, pause: bool) -> None:
    """Pauses the workers of the store, or has them go on. Raises `StoreError`."""
    connection = open_store(store)
    try:
        with mapped(store):
            if pause:
                leases.pause(connection, leases.WORKER, "the admin API", now_s=now_s)
            else:
                leases.resume(connection, leases.WORKER)
    finally:
        connection.close()


def _status(gateway: Gateway) -> dict[str, object]:
    live = gateway.live
    trial = live.trial
    return {
        "ready": gateway.ready,
        "policy": live.version,
        "trial": None
        if trial is None
        else {"candidate": trial.version, "share": trial.share, "not_shadowed": gateway.shadows.left_out},
        "tiers": [{"name": name, "breaker": tier.state.name.lower()} for name, tier in live.tiers.items()],
        "tasks": [
            {
                "name": task.task,
                "status": "stale" if task.stale else str(task.status),
                "routed": task.routed,
                "tiers": list(task.tiers),
            }
            for task in sorted(live.tasks.values(), key=lambda task: task.task)
        ],
        "store": {
            "waiting": gateway.records.depth,
            "dropped": gateway.records.dropped,
            "dropped_audits": gateway.records.dropped_audits,
        },
    }
