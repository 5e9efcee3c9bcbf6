"""Bodies and headers, as JSON Schema. What passes through unread is anything, and says so."""

from __future__ import annotations

from typing import Any, get_args

import msgspec

from routenlp.conformal.verdict import Status
from routenlp.gateway.feedback import KINDS, Feedback
from routenlp.gateway.request import MOST_CHOICES
from routenlp.store.sql.records import TaskSource

Schema = dict[str, Any]
STRING: Schema = {"type": "string"}


def maybe(type_: str) -> Schema:
    """`type_`, or null, which means absent."""
    return {"type": [type_, "null"]}


def passed_on(what: str) -> Schema:
    """A field that goes to the model as it came."""
    return {"description": f"{what}. Passed on unread, so that it is for the model's endpoint to accept."}


_PART: Schema = {
    "type": "object",
    "description": "A part of a message: text, image, or whatever else the model takes.",
    "properties": {"type": STRING, "text": maybe("string")},
}
_MESSAGE: Schema = {
    "type": "object",
    "required": ["role"],
    "properties": {
        "role": STRING,
        "content": {"anyOf": [maybe("string"), {"type": "array", "items": _PART}]},
        "tool_call_id": maybe("string"),
    },
}
CHAT_REQUEST: Schema = {
    "type": "object",
    "description": "OpenAI's request. Fields that are not named here pass through untouched.",
    "required": ["model", "messages"],
    "properties": {
        "model": {
            "type": "string",
            "minLength": 1,
            "description": "`auto`, `auto:TASK`, or a tier's name, which then answers without routing.",
            "examples": ["auto", "auto:intent"],
        },
        "messages": {"type": "array", "minItems": 1, "items": _MESSAGE},
        "stream": maybe("boolean"),
        "stream_options": {"type": ["object", "null"], "properties": {"include_usage": maybe("boolean")}},
        "n": {"type": ["integer", "null"], "minimum": 1, "maximum": MOST_CHOICES},
        "logprobs": maybe("boolean"),
        "max_tokens": maybe("integer"),
        "max_completion_tokens": maybe("integer"),
        "metadata": {
            "description": "`task` names the task. It, `schema` and `query_id` are taken out; the rest is passed on."
        },
        "tools": passed_on("Tools on offer"),
        "tool_choice": passed_on("How free the model is to call them"),
        "response_format": passed_on("The form of the answer"),
        "stop": passed_on("Where to stop"),
        "temperature": passed_on("How varied answers are"),
    },
}
_ANSWER: Schema = {
    "type": "object",
    "properties": {
        "role": STRING,
        "content": {"description": "What was said; null where tools are called."},
        "refusal": maybe("string"),
        "tool_calls": {"type": ["array", "null"], "items": {"type": "object"}},
    },
}
_USAGE: Schema = {
    "type": ["object", "null"],
    "properties": {"prompt_tokens": {}, "completion_tokens": {}, "total_tokens": {}, "prompt_tokens_details": {}},
}
COMPLETION: Schema = {
    "type": "object",
    "description": "OpenAI's completion, as the model's endpoint gave it.",
    "required": ["choices"],
    "properties": {
        "id": STRING,
        "choices": {
            "type": "array",
            "minItems": 1,
            "items": {"type": "object", "properties": {"index": {}, "message": _ANSWER, "finish_reason": {}}},
        },
        "usage": _USAGE,
    },
}
CHUNK: Schema = {
    "type": "object",
    "description": "OpenAI's chunk of a completion. The one with usage comes where `stream_options` asks for it.",
    "required": ["choices"],
    "properties": {"id": STRING, "choices": {"type": "array", "items": {"type": "object"}}, "usage": _USAGE},
}
EVENT: Schema = {
    "type": "object",
    "description": "The end is `[DONE]`; a stream that breaks off ends in an error without it.",
    "required": ["data"],
    "properties": {
        "data": {
            "anyOf": [
                {"const": "[DONE]"},
                {
                    "type": "string",
                    "contentMediaType": "application/json",
                    "contentSchema": {
                        "anyOf": [{"$ref": "#/components/schemas/Chunk"}, {"$ref": "#/components/schemas/Error"}]
                    },
                },
            ]
        }
    },
}
ERROR: Schema = {
    "type": "object",
    "description": "In OpenAI's shape. A refusal of the request by the model's endpoint is in that one's words.",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "properties": {
                "message": STRING,
                "type": maybe("string"),
                "param": maybe("string"),
                "code": {"type": ["string", "integer", "null"]},
            },
        }
    },
}
MODEL: Schema = {
    "type": "object",
    "required": ["id", "object", "created", "owned_by"],
    "properties": {
        "id": STRING,
        "object": {"const": "model"},
        "created": {"type": "integer"},
        "owned_by": {"const": "routenlp"},
    },
}
MODELS: Schema = {
    "type": "object",
    "required": ["object", "data"],
    "properties": {"object": {"const": "list"}, "data": {"type": "array", "items": MODEL}},
}
TAKEN: Schema = {
    "type": "object",
    "required": ["object", "taken"],
    "properties": {"object": {"const": "feedback"}, "taken": {"type": "integer", "minimum": 1, "maximum": len(KINDS)}},
}
HEALTH: Schema = {"type": "object", "required": ["status"], "properties": {"status": STRING}}


def feedback() -> Schema:
    """From the type that reads it, and that at least one thing must be said."""
    (_, components) = msgspec.json.schema_components([Feedback])
    said = {"anyOf": [{"required": [kind], "properties": {kind: {"not": {"type": "null"}}}} for kind in KINDS]}
    return {**components["Feedback"], **said}


def _header(what: str, schema: Schema = STRING, *, always: bool = True) -> Schema:
    return {"description": what, "schema": schema, "required": always}


ABOUT: dict[str, Schema] = {
    "x-request-id": _header("The trace's id."),
    "x-routenlp-trace-id": _header("What `routenlp explain` and feedback take."),
    "x-routenlp-task": _header("The task."),
    "x-routenlp-task-source": _header("How it was found.", {"enum": list(get_args(TaskSource))}),
    "x-routenlp-steps": _header("Tiers asked, in order."),
    "x-routenlp-policy": _header("The policy's version, or `none`."),
    "x-routenlp-status": _header("Of the task's certificate.", {"enum": [*map(str, Status), "stale"]}),
    "x-routenlp-overhead-ms": _header("Our own share of the time so far.", {"type": "number", "minimum": 0}),
    "x-routenlp-tier": _header("Whose answer this is; absent from errors.", always=False),
    "x-routenlp-cost-usd": _header(
        "Of all steps; absent from a stream that passes through.", {"type": "number", "minimum": 0}, always=False
    ),
}
RETRY_AFTER: dict[str, Schema] = {"retry-after": _header("Seconds, where they are known.", always=False)}
