"""Both documents. `GET /openapi.json` serves them; they hold nothing of the settings, and so need no key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from routenlp import __version__
from routenlp.gateway.openapi import schemas
from routenlp.gateway.openapi.schemas import Schema

JSON = "application/json"
_KEYED = (401, 429)
_MEANS = {
    400: "The request is malformed, or cannot be put to the model.",
    401: "No key, or a wrong one.",
    403: "The key, or the task's wall, does not allow it.",
    404: "No such model or task.",
    405: "Another method.",
    408: "The body took too long.",
    409: "The settings are wrong; the last good ones stay.",
    413: "The body is too large.",
    429: "Over a rate or a budget, ours or the model's endpoint's.",
    500: "The gateway failed.",
    502: "The last tier could not answer.",
    503: "Not now: the last tier is overloaded or left alone for a while, or the store is behind.",
    504: "The last tier took too long.",
}


def public_document() -> bytes:
    """Of the public listener."""
    components = {
        "ChatRequest": schemas.CHAT_REQUEST,
        "Chunk": schemas.CHUNK,
        "Completion": schemas.COMPLETION,
        "Feedback": schemas.feedback(),
        "Models": schemas.MODELS,
    }
    paths = {
        "/v1/chat/completions": {"post": _chat()},
        "/v1/models": {"get": _get("What may be named as a model", {"$ref": _ref("Models")}, _KEYED)},
        "/v1/models/{name}": {
            "get": _get("One of them", schemas.MODEL, (*_KEYED, 404)),
            "parameters": [{"name": "name", "in": "path", "required": True, "schema": schemas.STRING}],
        },
        "/v1/feedback": {"post": _feedback()},
    }
    return _document("routenlp", "Any OpenAI client can be pointed at it.", paths, components)


def admin_document() -> bytes:
    """Of the admin listener."""
    status = {"type": "object", "required": ["ready", "policy", "tiers", "tasks", "store"]}
    reload = {
        "summary": "Read settings and policy again",
        "responses": {**_answers(200, status), **_errors(401, 403, 409)},
    }
    metrics = {
        "summary": "For Prometheus",
        "responses": {
            "200": {"description": "Metrics.", "content": {"text/plain": {"schema": schemas.STRING}}},
            **_errors(401, 403),
        },
    }
    switched = {"type": "object", "required": ["paused"], "properties": {"paused": {"type": "boolean"}}}
    switch = {
        name: {"post": {"summary": about, "responses": {**_answers(200, switched), **_errors(401, 403, 409)}}}
        for name, about in (
            ("pause", "Have the workers of the store stop working"),
            ("resume", "Have the workers of the store go on"),
        )
    }
    paths = {
        "/metrics": {"get": metrics},
        "/admin/worker/pause": switch["pause"],
        "/admin/worker/resume": switch["resume"],
        "/admin/status": {"get": _get("How it stands", status, (401, 403))},
        "/admin/reload": {"post": reload},
    }
    return _document("routenlp admin", "For operators: its own port and its own key.", paths, {})


def _document(title: str, about: str, paths: Mapping[str, Any], components: Mapping[str, Schema]) -> bytes:
    health = {
        "/health/live": {"get": {**_get("Whether it runs", schemas.HEALTH), "security": []}},
        "/health/ready": {"get": {**_get("Whether it takes requests", schemas.HEALTH), "security": []}},
    }
    not_ready = {"description": "Starting or draining.", "content": {JSON: {"schema": schemas.HEALTH}}}
    health["/health/ready"]["get"]["responses"]["503"] = not_ready
    own = {"/openapi.json": {"get": {**_get("This document", {"type": "object"}), "security": []}}}
    return msgspec.json.encode(
        {
            "openapi": "3.2.0",
            "info": {"title": title, "version": __version__, "description": about, "license": {"name": "Apache-2.0"}},
            "security": [{"key": []}],
            "paths": {**paths, **health, **own},
            "components": {
                "schemas": {"Error": schemas.ERROR, **components},
                "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
            },
        }
    )


def _chat() -> Schema:
    answer = {
        "description": "The answer.",
        "headers": schemas.ABOUT,
        "content": {JSON: {"schema": {"$ref": _ref("Completion")}}, "text/event-stream": {"itemSchema": schemas.EVENT}},
    }
    headers = {
        "x-routenlp-task": "The task; else `metadata.task`, else the classifier's.",
        "x-routenlp-router": "`off`: no routing.",
    }
    refused = {
        **_error("A refusal of the request by the model's endpoint, in its words."),
        "headers": schemas.RETRY_AFTER,
    }
    return {
        "summary": "Answer a chat",
        "parameters": [
            {"name": name, "in": "header", "description": what, "schema": schemas.STRING}
            for name, what in headers.items()
        ],
        "requestBody": _body("ChatRequest"),
        "responses": {
            "200": answer,
            **_errors(400, 401, 403, 404, 405, 408, 413, 429, 500, 502, 503, 504),
            "4XX": refused,
        },
    }


def _feedback() -> Schema:
    return {
        "summary": "Say what became of an answer",
        "description": "By the completion's or the trace's id, perhaps long after. The same said twice counts once.",
        "requestBody": _body("Feedback"),
        "responses": {**_answers(202, schemas.TAKEN), **_errors(400, 401, 408, 413, 429, 503)},
    }


def _get(what: str, schema: Schema, errors: tuple[int, ...] = ()) -> Schema:
    return {"summary": what, "responses": {**_answers(200, schema), **_errors(*errors)}}


def _body(component: str) -> Schema:
    return {"required": True, "content": {JSON: {"schema": {"$ref": _ref(component)}}}}


def _answers(status: int, schema: Schema) -> Schema:
    return {str(status): {"description": "As asked.", "content": {JSON: {"schema": schema}}}}


def _errors(*statuses: int) -> Schema:
    found = {str(status): _error(_MEANS[status]) for status in statuses}
    for status in {"429", "503"} & found.keys():
        found[status]["headers"] = schemas.RETRY_AFTER
    return found


def _error(what: str) -> Schema:
    return {"description": what, "content": {JSON: {"schema": {"$ref": _ref("Error")}}}}


def _ref(component: str) -> str:
    return f"#/components/schemas/{component}"
