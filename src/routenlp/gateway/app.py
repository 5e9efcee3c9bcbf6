"""The public listener: routes, and nothing that a request does not need on its way."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from routenlp.gateway.chat import Chat
from routenlp.gateway.errors import ApiError
from routenlp.gateway.feedback import read_feedback
from routenlp.gateway.models import model_list, one_model
from routenlp.gateway.openapi.documents import public_document
from routenlp.gateway.sending import ClientLeft, read_body
from routenlp.gateway.state import Gateway

FEEDBACK_BYTES = 1 << 20
Handler = Callable[[Request], Awaitable[Response]]


def public_app(gateway: Gateway) -> Starlette:
    """Chat, models, feedback and health."""

    async def models(request: Request) -> Response:
        gateway.access.caller(dict(request.headers.raw))
        return _json(model_list(gateway.live))

    async def model(request: Request) -> Response:
        gateway.access.caller(dict(request.headers.raw))
        name = request.path_params["name"]
        found = one_model(gateway.live, name)
        if found is None:
            raise ApiError(404, f"The model {name!r} does not exist here.", param="model", code="model_not_found")
        return _json(found)

    async def feedback(request: Request) -> Response:
        headers = dict(request.headers.raw)
        key = gateway.access.caller(headers)
        within_s = gateway.live.settings.gateway.body_timeout_s
        body = await read_body(request.scope, request.receive, headers, most_bytes=FEEDBACK_BYTES, within_s=within_s)
        records = read_feedback(body, at_s=gateway.wall_clock(), key_id=key.id if key is not None else None)
        if not all(gateway.records.put(record) for record in records):
            raise ApiError(503, "The store is behind: send it again later.", type_="server_error", code="store_busy")
        for record in records:
            gateway.metrics.fed_back(record.kind)
        return _json(b'{"object":"feedback","taken":%d}' % len(records), 202)

    return Starlette(
        routes=[
            Route("/v1/chat/completions", Chat(gateway)),
            Route("/v1/models", guarded(models)),
            Route("/v1/models/{name:path}", guarded(model)),
            Route("/v1/feedback", guarded(feedback), methods=["POST"]),
            *health_routes(gateway),
            document_route(public_document()),
        ],
        exception_handlers=ERRORS,
    )


def health_routes(gateway: Gateway) -> list[Route]:
    """Neither asks a tier: a provider's outage is no reason to restart us."""

    async def live(_: Request) -> Response:
        return _json(b'{"status":"live"}')

    async def ready(_: Request) -> Response:
        if gateway.ready:
            return _json(b'{"status":"ready"}')
        return _json(b'{"status":"not ready"}', 503)

    return [Route("/health/live", live), Route("/health/ready", ready)]


def document_route(document: bytes) -> Route:
    """`GET /openapi.json`: needs no key, for it holds nothing of the settings."""

    async def serve(_: Request) -> Response:
        return _json(document)

    return Route("/openapi.json", serve)


def guarded(handler: Handler) -> Handler:
    """`handler`, with `ApiError` in OpenAI's shape."""

    async def answer(request: Request) -> Response:
        try:
            return await handler(request)
        except ApiError as error:
            return _error(error)
        except ClientLeft:
            return Response(status_code=499)

    return answer


def _json(body: bytes, status: int = 200) -> Response:
    return Response(body, status, media_type="application/json")


def _error(error: ApiError) -> Response:
    return Response(error.body, error.status, headers=error.headers, media_type="application/json")


async def _nothing_here(request: Request, _: Exception) -> Response:
    return _error(ApiError(404, f"There is nothing at {request.url.path}.", code="not_found"))


async def _wrong_method(request: Request, exc: Exception) -> Response:
    allowed = getattr(exc, "headers", None)
    says = f"{request.url.path} does not take {request.method}."
    return _error(ApiError(405, says, code="method_not_allowed", headers=allowed))


ERRORS = {404: _nothing_here, 405: _wrong_method}
"""In OpenAI's shape, for both listeners."""
