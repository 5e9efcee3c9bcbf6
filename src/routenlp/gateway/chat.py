"""POST /v1/chat/completions."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Mapping
from functools import partial

import msgspec
from msgspec.structs import replace
from starlette.types import Receive, Scope, Send

from routenlp.backends.openai_compatible.events import Meter, as_events
from routenlp.backends.remote.failures import UpstreamError
from routenlp.gateway.aim import aim_of
from routenlp.gateway.audit_draw import is_audited
from routenlp.gateway.course import Course
from routenlp.gateway.errors import ApiError, from_upstream
from routenlp.gateway.headers import about
from routenlp.gateway.live import Live
from routenlp.gateway.prompt_caches import Conversation, conversation_of, worth_usd
from routenlp.gateway.recording import content_of, group_of, trace_record
from routenlp.gateway.request import ChatRequest, parse
from routenlp.gateway.sending import EVENTS, JSON, ClientLeft, Presence, read_body, send_error, send_whole
from routenlp.gateway.serve_query import Onward, serve_query
from routenlp.gateway.state import Gateway
from routenlp.gateway.streaming import Passing, Streamed, pass_on, pass_through
from routenlp.gateway.tiers import Whole
from routenlp.gateway.trial import arm_of
from routenlp.store.sql.budgets import Reservation
from routenlp.store.sql.keys import KeyRow
from routenlp.store.sql.records import new_trace_id

_LOG = logging.getLogger("routenlp.gateway")
_FAULT = ApiError(500, "The gateway failed.", type_="server_error", code="internal")


class _Exchange(msgspec.Struct, frozen=True, eq=False):
    """One request that was let in."""

    live: Live
    request: ChatRequest
    course: Course
    key: KeyRow | None
    held: Reservation | None
    at_s: float
    conversation: Conversation | None = None
    """None where it is too short for a prompt cache, or the settings do not heed those."""
    streams: list[Streamed] = msgspec.field(default_factory=list)
    """The one that passes through, if any: known even when the client leaves in the middle."""

    @property
    def caller(self) -> str:
        return self.key.id if self.key is not None else ""


class _Ended(msgspec.Struct, frozen=True):
    """How it went."""

    outcome: str
    completion_id: str | None = None


class Chat:
    """An ASGI application, for one route."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        try:
            exchange = await self._let_in(scope, receive)
        except ApiError as error:
            await send_error(send, error)
            return
        except ClientLeft:
            return
        except Exception:  # noqa: BLE001  (a fault of ours; what it is about stays out of the answer)
            _LOG.exception("a request could not be let in")
            await send_error(send, _FAULT)
            return
        ended = _Ended("error")
        try:
            with Presence(scope):
                ended = await self._serve(exchange, send)
        except ClientLeft:
            ended = _Ended("client_left")
        except Exception:  # noqa: BLE001  (a fault of ours; what it is about stays out of the answer)
            _LOG.exception("a request could not be answered", extra={"trace_id": exchange.course.trace_id})
            with contextlib.suppress(RuntimeError):  # where the response has begun already
                await send_error(send, _FAULT)
        finally:
            self._put_down(exchange, ended)

    async def _let_in(self, scope: Scope, receive: Receive) -> _Exchange:
        """Key first, then body, then budget: a stranger's body is not read."""
        gateway = self._gateway
        begun_s, live = gateway.clock(), gateway.live
        if scope["method"] != "POST":
            raise ApiError(405, "Use POST.", code="method_not_allowed", headers={"allow": "POST"})
        headers: Mapping[bytes, bytes] = dict(scope["headers"])
        key = gateway.access.caller(headers)
        limits = live.settings.gateway
        most_bytes = int(limits.max_body_mb * (1 << 20))
        body = await read_body(scope, receive, headers, most_bytes=most_bytes, within_s=limits.body_timeout_s)
        request = parse(body)
        caller = key.id if key is not None else ""
        live = arm_of(live, request, caller)
        aim = aim_of(request, headers, live, key)
        if request.task != aim.served.task:
            request = replace(request, task=aim.served.task)
        held = gateway.access.reserve(key, aim, request, live)
        at_s = gateway.wall_clock()
        trace_id = new_trace_id(at_s, gateway.entropy(10))
        course = Course(trace_id, aim, begun_s, gateway.clock, is_audited(trace_id, aim.audit_rate))
        course.failsafe.extend(aim.failsafe)
        conversation = None
        if live.weighs_caches:
            conversation = conversation_of(caller, request.fields["messages"], request.size_bytes)
        return _Exchange(live, request, course, key, held, at_s, conversation)

    async def _serve(self, exchange: _Exchange, send: Send) -> _Ended:
        live, request, course = exchange.live, exchange.request, exchange.course
        began = self._gateway.turns.tier_of(exchange.caller, request.tool_call_ids) if request.tool_call_ids else None
        try:
            answer = await serve_query(live, request, course, began, self._cached_usd(exchange))
            if isinstance(answer, Onward):
                return await self._stream(exchange, answer, send)
            if isinstance(answer, Passing):
                return await self._pass_on(exchange, answer, send)
        except UpstreamError as failure:
            _LOG.warning("%s", failure, extra={"trace_id": course.trace_id})
            await send_error(send, from_upstream(failure), about(course, live, None, cost_known=True))
            return _Ended("upstream_error")
        return await self._whole(exchange, answer, send)

    async def _whole(self, exchange: _Exchange, answer: Whole, send: Send) -> _Ended:
        request = exchange.request
        self._remember_calls(exchange, answer.completion.tool_call_ids, answer.answer.tier)
        headers = about(exchange.course, exchange.live, answer.answer.tier, cost_known=True)
        self._charge(exchange)
        if request.stream:
            exchange.course.begun_to_stream()
            events = as_events(answer.body, show_usage=request.show_usage)
            await send_whole(send, 200, [EVENTS, *headers], events)
        else:
            await send_whole(send, 200, [JSON, *headers], answer.body)
        return _Ended("ok", answer.completion.id)

    async def _stream(self, exchange: _Exchange, onward: Onward, send: Send) -> _Ended:
        request = exchange.request
        streamed = Streamed(onward.tier.tier.name, Meter(show_usage=request.show_usage))
        exchange.streams.append(streamed)
        charge = partial(self._charge, exchange)
        await pass_through(exchange.live, request, exchange.course, onward.tier, streamed, send, charge)
        self._remember_calls(exchange, tuple(streamed.meter.tool_call_ids), streamed.tier)
        return _Ended("ok" if streamed.error is None else "broken_off", streamed.meter.id)

    async def _pass_on(self, exchange: _Exchange, passing: Passing, send: Send) -> _Ended:
        streamed = passing.streamed
        exchange.streams.append(streamed)
        await pass_on(exchange.live, exchange.course, passing, send, partial(self._charge, exchange))
        return _Ended("ok" if streamed.error is None else "broken_off", streamed.meter.id)

    def _remember_calls(self, exchange: _Exchange, call_ids: tuple[str, ...], tier: str) -> None:
        if call_ids:
            self._gateway.turns.began(exchange.caller, call_ids, tier)

    def _cached_usd(self, exchange: _Exchange) -> dict[str, float]:
        if exchange.conversation is None:
            return {}
        held = self._gateway.caches.of(exchange.conversation, self._gateway.clock())
        return worth_usd(held, exchange.live.tiers) if held else {}

    def _charge(self, exchange: _Exchange) -> None:
        """Before the last byte: a client that has its whole answer has paid for it, whatever happens to us then."""
        self._gateway.access.settle(exchange.held, exchange.course.cost_usd)

    def _put_down(self, exchange: _Exchange, ended: _Ended) -> None:
        """Charges what was broken off, records, counts. Nothing that fails here reaches the client."""
        gateway, course, live = self._gateway, exchange.course, exchange.live
        put = False
        try:
            self._charge(exchange)
            said = {streamed.tier: streamed.text for streamed in exchange.streams}
            content = content_of(exchange.request, course, live, said)
            record = trace_record(
                course,
                live,
                at_s=exchange.at_s,
                outcome=ended.outcome,
                completion_id=ended.completion_id,
                key=exchange.key,
                content=content,
                group=group_of(exchange.request, exchange.caller, gateway.group_key) if course.audited else None,
            )
            put = True  # taken, or counted as dropped
            gateway.records.put(record)
            if exchange.conversation is not None:
                gateway.caches.answered(exchange.conversation, course.steps, gateway.clock())
            saved = None if record.top_cost_usd is None else record.top_cost_usd - record.cost_usd
            gateway.metrics.finished(course, record.tier, ended.outcome, saved)
            gateway.shadows.consider(live, exchange.request, course, exchange.at_s)
        except Exception:  # noqa: BLE001  (the answer is out already)
            gateway.metrics.failed_safe("record")
            if not put:
                gateway.records.lost(audited=course.audited)
            _LOG.exception("a request could not be put on record", extra={"trace_id": course.trace_id})
