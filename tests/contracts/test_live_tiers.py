"""What every kind of tier promises the gateway: a whole answer, a stream, a typed failure, in time."""

from __future__ import annotations

import asyncio
import time

import pytest
from tests.contracts.live_tiers import EXAMPLE, LIMIT_S, Kit, ask, request
from tests.gateway import stub as stubs
from tests.gateway.running import until

from routenlp.backends.openai_compatible import completion
from routenlp.backends.openai_compatible.events import Meter
from routenlp.backends.remote.breaker import State
from routenlp.backends.remote.failures import Kind, UpstreamError, paid_usd
from routenlp.portfolio.prices import Price, count_tokens


@pytest.fixture(scope="module")
def server():
    stub, stop = stubs.start()
    yield stub
    stop()


@pytest.fixture
def stub(server):
    server.reset()
    return server


BACKENDS = ["openai", "anthropic", "student", "recorded"]
SLOW = ["openai", "anthropic", "student"]
WINDOW = {"context_tokens": 4096, "long_input": "map_reduce"}
"""Which every query of these tests fits."""


@pytest.fixture(params=[*BACKENDS, "windowed"])
def kit(request, stub, tmp_path):
    return kit_of(request.param, stub, tmp_path)


@pytest.fixture(params=[*SLOW, "windowed"])
def slow_kit(request, stub, tmp_path):
    """Of what can be late: a recording cannot."""
    return kit_of(request.param, stub, tmp_path)


def kit_of(name, stub, tmp_path):
    return Kit("openai", stub, tmp_path, WINDOW) if name == "windowed" else Kit(name, stub, tmp_path)


def test_a_whole_answer_says_the_same_to_the_client_and_to_the_rule(kit):
    whole = ask(kit)
    shown = completion.read(whole.body)
    assert shown.text == whole.answer.text == whole.completion.text != ""
    assert shown.id == whole.completion.id != ""
    assert shown.tool_call_ids == ()


def test_it_is_in_openais_shape(kit):
    from openai.types.chat import ChatCompletion

    whole = ask(kit)
    body = ChatCompletion.model_validate_json(whole.body, strict=True)
    assert body.object == "chat.completion"
    assert body.choices[0].finish_reason == "stop"
    assert body.choices[0].message.role == "assistant"
    assert body.usage.total_tokens == body.usage.prompt_tokens + body.usage.completion_tokens


def test_it_is_priced_by_the_tokens_that_it_reports(kit):
    whole = ask(kit)
    usage = completion.read(whole.body).usage
    assert (whole.answer.input_tokens, whole.answer.output_tokens) == (usage.input_tokens, usage.output_tokens)
    assert whole.answer.cost_usd == pytest.approx(usage.cost_usd(Price(3.0, 7.0)))
    assert whole.answer.cost_usd > 0.0
    assert whole.answer.latency_s > 0.0


def test_two_answers_have_two_ids_unless_the_endpoint_gives_one(kit):
    if kit.backend in ("student", "recorded"):
        assert ask(kit).completion.id != ask(kit).completion.id


def test_a_stream_is_metered_and_ends(kit):
    async def once():
        meter = Meter(show_usage=True)
        async with kit.tier() as tier:
            stream = await tier.stream(request(stream=True), last=True)
            sent = meter.feed(stream.first)
            async for data in stream.rest():
                sent += meter.feed(data)
            stream.close()
            stream.close()
            return meter, sent, await tier.whole(request(), scored=False, limit_s=None, last=True)

    meter, sent, whole = asyncio.run(once())
    assert meter.done
    assert sent.endswith(b"data: [DONE]\n\n")
    assert meter.id
    assert meter.usage.output_tokens > 0
    if kit.backend != "openai":  # that stub says something else in a stream
        assert "".join(meter.text) == whole.answer.text


def test_a_scored_stream_is_asked_for_probabilities_only_where_it_has_any(kit):
    async def once():
        async with kit.tier() as tier:
            (await tier.stream(request(stream=True), last=False, scored=True)).close()
            return tier.scored_streams

    assert asyncio.run(once()) == (kit.backend == "openai")
    asked = [one.body.get("logprobs") for one in kit.stub.asked]
    assert asked == {"openai": [True], "anthropic": [None]}.get(kit.backend, [])


def test_it_has_a_name_and_a_state(kit):
    async def once():
        async with kit.tier() as tier:
            return tier.tier.name, tier.state, tier.streams

    name, state, streams = asyncio.run(once())
    assert (name, state) == ("it", State.CLOSED)
    assert streams == (kit.backend in ("openai", "anthropic"))


@pytest.mark.parametrize("last", [False, True])
def test_a_failure_is_an_upstream_error_that_names_the_tier_and_not_the_query(kit, last):
    with pytest.raises(UpstreamError) as caught:
        ask(kit, "fails", last=last)
    assert caught.value.tier == "it"
    assert EXAMPLE.query.text not in str(caught.value)


def test_a_stream_that_fails_before_its_first_byte_is_an_upstream_error(kit):
    async def once():
        async with kit.tier("fails") as tier:
            await tier.stream(request(stream=True), last=True)

    with pytest.raises(UpstreamError):
        asyncio.run(once())


def test_an_answer_that_is_late_is_given_up(slow_kit):
    begun = time.monotonic()
    with pytest.raises(UpstreamError) as caught:
        ask(slow_kit, "slow", limit_s=LIMIT_S)
    assert caught.value.kind is Kind.TIMEOUT
    assert (paid_usd(caught.value) > 0.0) == (slow_kit.backend != "student"), "an endpoint bills what it was sent"
    assert time.monotonic() - begun < 3.0


async def paid_when_left(work) -> float:
    with pytest.raises(asyncio.CancelledError) as caught:
        await work
    return paid_usd(caught.value)


@pytest.mark.parametrize("stream", [False, True])
def test_what_an_endpoint_was_sent_is_billed_though_nobody_waited_for_the_answer(slow_kit, stream):
    async def leave():
        async with slow_kit.tier("slow") as tier:
            asked = request(stream=stream)
            work = tier.stream(asked, last=True) if stream else tier.whole(asked, scored=True, limit_s=None, last=True)
            left = asyncio.create_task(paid_when_left(work))
            await asyncio.sleep(LIMIT_S)
            left.cancel()
            return await left

    billed = slow_kit.backend != "student"
    assert asyncio.run(leave()) == pytest.approx(billed * count_tokens(EXAMPLE.query.text) * 3.0 / 1e6)


@pytest.mark.parametrize("backend", ["openai", "anthropic"])
@pytest.mark.parametrize("streams", [False, True])
def test_a_field_that_the_settings_drop_is_not_sent(stub, tmp_path, backend, streams):
    async def once():
        async with Kit(backend, stub, tmp_path).tier(drop=("seed", "stop")) as tier:
            asked = request(seed=7, stop=["x"], temperature=0.5, stream=streams)
            if streams:
                (await tier.stream(asked, last=True)).close()
            else:
                await tier.whole(asked, scored=False, limit_s=None, last=True)

    asyncio.run(once())
    (asked,) = stub.asked
    assert asked.body["temperature"] == 0.5
    assert not {"seed", "stop", "stop_sequences"} & set(asked.body)


def test_cancelling_ends_the_call(slow_kit):
    async def once():
        async with slow_kit.tier("slow") as tier:
            call = asyncio.ensure_future(tier.whole(request(), scored=True, limit_s=None, last=True))
            await asyncio.sleep(LIMIT_S)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call

    asyncio.run(once())
    if slow_kit.backend != "student":
        assert until(lambda: slow_kit.stub.asked[0].cancelled)
