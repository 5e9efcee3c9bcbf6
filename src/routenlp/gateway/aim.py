"""Where a request may go: which task it belongs to, and which tiers may answer it."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from msgspec.structs import replace

from routenlp.gateway.errors import ApiError
from routenlp.gateway.live import DEFAULT_TASK, Live, Served
from routenlp.gateway.request import ChatRequest
from routenlp.gateway.untagged import of_untagged
from routenlp.router.task_classifier import TaskGuess
from routenlp.store.sql.keys import KeyRow
from routenlp.store.sql.records import NAMED, OFF, ONE_TIER, TaskSource

AUTO = "auto"
_TASK_HEADER = b"x-routenlp-task"
_ROUTER_HEADER = b"x-routenlp-router"


class Aim(msgspec.Struct, frozen=True):
    """What one request is about."""

    served: Served
    tiers: tuple[str, ...]
    """That may answer, cheapest first; never empty."""
    routed: bool
    """Whether the policy chooses among them; else the last one answers."""
    why: str
    """In words, where nothing is routed."""
    audit_rate: float = 0.0
    """How likely the request is to be audited. 0 where the client chose for itself: audits stand for what we choose."""
    task_source: TaskSource = "tagged"
    guess: TaskGuess | None = None
    """What the classifier said, where it was asked."""
    failsafe: tuple[str, ...] = ()
    """Parts of ours that failed on the way here."""


def aim_of(request: ChatRequest, headers: Mapping[bytes, bytes], live: Live, key: KeyRow | None = None) -> Aim:
    """Raises `ApiError` for a model or task that is not there, and for a tier behind the task's wall.

    A task that nobody defined is an error and not `default`: a slip of the pen must not lead around a wall.
    """
    kind, _, named = request.model.partition(":")
    if kind == AUTO:
        tag = named or _tag(request, headers)
        if tag is None and live.guesses is not None:
            untagged = of_untagged(live.guesses, request, key, live)
            source: TaskSource = "default" if untagged.served.task == DEFAULT_TASK else "classified"
            failed = ("classifier",) if untagged.guess is None else ()
            return replace(_automatic(untagged.served, headers, source), guess=untagged.guess, failsafe=failed)
        source = "default" if tag is None else "tagged"
        return _automatic(_task(tag, live), headers, source)
    if request.model not in live.tiers:
        raise ApiError(404, f"The model {request.model!r} does not exist here.", param="model", code="model_not_found")
    tag = _tag(request, headers)
    served = _task(tag, live)
    if request.model not in served.tiers:
        raise ApiError(
            403, f"Task {served.task!r} may not use {request.model!r}.", param="model", code="tier_not_allowed"
        )
    source = "default" if tag is None else "tagged"
    return Aim(served, (request.model,), False, NAMED, task_source=source)


def _automatic(served: Served, headers: Mapping[bytes, bytes], source: TaskSource) -> Aim:
    if headers.get(_ROUTER_HEADER, b"").lower() == b"off":
        return Aim(served, served.tiers[-1:], False, OFF, task_source=source)
    rate = served.audit_rate
    if not served.routed:
        return Aim(served, served.tiers[-1:], False, f"task {served.task} is {served.status}", rate, source)
    return Aim(served, served.tiers, len(served.tiers) > 1, ONE_TIER, rate, source)


def _tag(request: ChatRequest, headers: Mapping[bytes, bytes]) -> str | None:
    """What the caller says that the task is; None where it says nothing. An empty header names no task."""
    tag = headers.get(_TASK_HEADER)
    return tag.decode("utf-8", "replace") if tag is not None else request.task or None


def _task(name: str | None, live: Live) -> Served:
    served = live.tasks.get(DEFAULT_TASK if name is None else name)
    if served is None:
        raise ApiError(404, f"The task {name!r} is not defined here.", param="model", code="task_not_found")
    return served
