"""A tier with a window before a real endpoint: what it is asked, what it costs, what becomes of what does not fit."""

from __future__ import annotations

import asyncio
import re

import pytest
from aiohttp import web
from tests.contracts.live_tiers import Kit, request
from tests.gateway import stub as stubs

from routenlp.backends.openai_compatible import completion
from routenlp.backends.remote.breaker import State
from routenlp.backends.remote.failures import Kind, UpstreamError, paid_usd
from routenlp.portfolio.prices import count_tokens

SENTENCE = "Revenue rose by twelve per cent in the third quarter. "
LONG = "".join(f"{i}. {SENTENCE}" for i in range(60))
OVERFLOW = {"error": {"message": "too long", "type": "invalid_request_error", "code": "context_length_exceeded"}}
IN_PARTS = {"context_tokens": 512, "long_input": "map_reduce"}


@pytest.fixture(scope="module")
def server():
    stub, stop = stubs.start()
    yield stub
    stop()


@pytest.fixture
def stub(server):
    server.reset()
    return server


def run(stub, tmp_path, work, **settings):
    async def once():
        async with Kit("openai", stub, tmp_path).tier(**settings) as tier:
            return await work(tier)

    return asyncio.run(once())


def ask(stub, tmp_path, text=LONG, *, last=False, limit_s=None, messages=None, settings=IN_PARTS, **fields):
    asked = request(messages=messages or [{"role": "user", "content": text}], **fields)
    return run(
        stub, tmp_path, lambda tier: tier.whole(asked, scored=True, limit_s=limit_s, last=last), **settings
    )  # fmt: skip


def prompts(stub):
    return [asked.body["messages"][-1]["content"] for asked in stub.asked]


def notes(stub):
    return [text for text in prompts(stub) if text.startswith("This is part ")]


def refuses_over(characters: int):
    async def behave(asked):
        if len(asked.body["messages"][-1]["content"]) > characters:
            return web.json_response(OVERFLOW, status=400)
        return web.json_response(stubs.completion(asked))

    return behave


@pytest.mark.parametrize("settings", [{"context_tokens": 512}, IN_PARTS])
def test_what_fits_is_asked_as_it_is(stub, tmp_path, settings):
    whole = ask(stub, tmp_path, "short", settings=settings)
    assert prompts(stub) == ["short"]
    assert (whole.answer.input_tokens, whole.answer.output_tokens) == (11, 3)


def test_what_does_not_fit_is_not_sent_and_no_failure(stub, tmp_path):
    async def many(tier):
        for _ in range(10):
            with pytest.raises(UpstreamError) as caught:
                await tier.whole(request(messages=[{"role": "user", "content": LONG}]), scored=True, limit_s=None,
                                 last=False)  # fmt: skip
            assert caught.value.kind is Kind.TOO_LONG
            assert SENTENCE not in str(caught.value)
        return tier.state

    assert run(stub, tmp_path, many, context_tokens=512) is State.CLOSED
    assert stub.asked == []


def test_the_last_tier_is_asked_all_the_same(stub, tmp_path):
    ask(stub, tmp_path, last=True, settings={"context_tokens": 512})
    assert prompts(stub) == [LONG]


def test_every_part_is_read_once_in_order_and_all_calls_are_paid(stub, tmp_path):
    whole = ask(stub, tmp_path)
    asked = notes(stub)
    assert len(asked) > 2
    said = {int(re.match(r"This is part (\d+)", text)[1]): text.partition("nothing else.\n\n")[2] for text in asked}
    assert " ".join(" ".join(said[at] for at in sorted(said)).split()) == LONG.strip()
    calls = len(stub.asked)
    assert calls == len(asked) + 1
    assert (whole.answer.input_tokens, whole.answer.output_tokens) == (11 * calls, 3 * calls)
    assert whole.answer.cost_usd == pytest.approx(calls * (11 * 3.0 + 3 * 7.0) / 1e6)
    shown = completion.read(whole.body)
    assert (shown.usage.input_tokens, shown.usage.output_tokens) == (11 * calls, 3 * calls)
    assert prompts(stub)[-1].count("hello from it-model") == len(asked)


def test_instructions_and_the_clients_bounds_are_for_the_last_call(stub, tmp_path):
    messages = [
        {"role": "system", "content": "Answer in French."},
        {"role": "user", "content": LONG},
        {"role": "user", "content": "What of the third quarter?"},
    ]
    ask(stub, tmp_path, messages=messages, max_tokens=50, temperature=0.5)
    *asked, last = [one.body for one in stub.asked]
    assert {len(body["messages"]) for body in asked} == {1}
    assert {body["max_tokens"] for body in asked} == {64}
    assert [message["role"] for message in last["messages"]] == ["system", "user", "user"]
    assert last["messages"][1]["content"].startswith("These are notes on a text")
    assert last["messages"][2] == messages[2]
    assert last["max_tokens"] == 50
    assert {body["temperature"] for body in (*asked, last)} == {0.5}


def test_the_last_call_alone_is_scored(stub, tmp_path):
    stub.sure["it-model"] = 0.8
    whole = ask(stub, tmp_path)
    assert whole.answer.token_probs == pytest.approx((0.8, 0.8, 0.8))
    assert [bool(asked.body.get("logprobs")) for asked in stub.asked] == [False] * (len(stub.asked) - 1) + [True]


def test_an_endpoint_that_says_too_long_is_asked_once_and_stays_closed(stub, tmp_path):
    stub.behaviours["it-model"] = refuses_over(10)

    async def many(tier):
        for _ in range(10):
            with pytest.raises(UpstreamError) as caught:
                await tier.whole(request(), scored=True, limit_s=None, last=False)
            assert (caught.value.kind, caught.value.status) == (Kind.TOO_LONG, 400)
        return tier.state

    assert run(stub, tmp_path, many, retries=2) is State.CLOSED
    assert len(stub.asked) == 10


@pytest.mark.parametrize(
    ("code", "body"),
    [
        (400, {"error": {"type": "exceed_context_size_error", "message": "request (9 tokens) exceeds ..."}}),
        (500, {"error": {"message": "the request exceeds the available context size. try increasing it"}}),
        (400, {"object": "error", "message": "This model's maximum context length is 4096 tokens."}),
        (400, {"type": "error", "error": {"message": "prompt is too long: 210000 tokens > 200000 maximum"}}),
        (413, {"error": {"message": "Your input exceeds the context window of this model."}}),
    ],
)
def test_endpoints_say_too_long_in_words_of_their_own(stub, tmp_path, code, body):
    stub.behaviours["it-model"] = stubs.status(code, body=body)
    with pytest.raises(UpstreamError) as caught:
        ask(stub, tmp_path, "short", settings={})
    assert caught.value.kind is Kind.TOO_LONG
    assert not caught.value.counts_against


def test_other_refusals_are_not_that(stub, tmp_path):
    stub.behaviours["it-model"] = stubs.status(400)
    with pytest.raises(UpstreamError) as caught:
        ask(stub, tmp_path, "short", settings={})
    assert caught.value.kind is Kind.STATUS


def test_parts_that_the_endpoint_finds_too_long_are_cut_smaller(stub, tmp_path):
    stub.behaviours["it-model"] = refuses_over(1_000)
    whole = ask(stub, tmp_path)
    answered = [text for text in prompts(stub) if len(text) <= 1_000]
    assert len(answered) > 5
    assert whole.answer.input_tokens == 11 * len(answered)
    assert whole.answer.output_tokens == 3 * len(answered)


def test_what_was_thought_to_fit_is_read_in_parts_when_the_endpoint_refuses_it(stub, tmp_path):
    text = SENTENCE * 25
    stub.behaviours["it-model"] = refuses_over(1_200)
    ask(stub, tmp_path, text)
    assert prompts(stub)[0] == text
    assert len(notes(stub)) > 1


def test_where_it_ends_nowhere_it_is_too_long(stub, tmp_path):
    stub.behaviours["it-model"] = refuses_over(10)
    with pytest.raises(UpstreamError) as caught:
        ask(stub, tmp_path)
    assert (caught.value.kind, paid_usd(caught.value)) == (Kind.TOO_LONG, 0.0)


def fails_beside(answered: int):
    """So many parts are answered. The next one fails as soon as eight others are on their way, which is known to be
    after the client has those answers, for it reads no more than eight parts side by side."""
    come = 0

    async def behave(asked):
        nonlocal come
        come += 1
        mine = come
        if mine <= answered:
            return web.json_response(stubs.completion(asked))
        if mine > answered + 1:
            return await stubs.silent(asked)
        while come < answered + 8:
            await asyncio.sleep(0.005)
        return await stubs.status(500)(asked)

    return behave


def sent_usd(stub) -> list[float]:
    """What reading each prompt costs, where nobody reports tokens."""
    return [count_tokens(prompt) * 3.0 / 1e6 for prompt in prompts(stub)]


@pytest.mark.parametrize("answered", [0, 2])
def test_where_a_part_fails_those_answered_and_those_broken_off_are_paid(stub, tmp_path, answered):
    stub.behaviours["it-model"] = fails_beside(answered)
    with pytest.raises(UpstreamError) as caught:
        ask(stub, tmp_path, LONG * 4)
    assert (caught.value.kind, caught.value.status) == (Kind.STATUS, 500)
    broken_off = sent_usd(stub)[answered + 1 :]
    assert len(broken_off) == 7
    assert paid_usd(caught.value) == pytest.approx(answered * (11 * 3.0 + 3 * 7.0) / 1e6 + sum(broken_off))


def test_parts_that_are_late_are_paid_as_they_were_sent(stub, tmp_path):
    stub.behaviours["it-model"] = stubs.silent
    with pytest.raises(UpstreamError) as caught:
        ask(stub, tmp_path, limit_s=0.5)
    assert caught.value.kind is Kind.TIMEOUT
    assert paid_usd(caught.value) == pytest.approx(sum(sent_usd(stub)))


def test_an_empty_note_is_a_failure_where_another_tier_stands_behind(stub, tmp_path):
    async def says_nothing(asked):
        message = {"role": "assistant", "content": "", "refusal": None}
        return web.json_response(stubs.completion(asked, choices=[{"index": 0, "message": message}]))

    stub.behaviours["it-model"] = says_nothing
    for last in (False, True):
        with pytest.raises(UpstreamError):
            ask(stub, tmp_path, last=last)


def test_the_limit_of_time_is_for_all_calls_together(stub, tmp_path):
    async def slow(asked):
        await asyncio.sleep(0.15)
        return web.json_response(stubs.completion(asked))

    stub.behaviours["it-model"] = slow
    assert ask(stub, tmp_path, limit_s=3.0).answer.latency_s >= 0.3
    with pytest.raises(UpstreamError) as caught:
        ask(stub, tmp_path, limit_s=0.2)
    assert caught.value.kind is Kind.TIMEOUT


def test_parts_are_read_side_by_side_and_no_more_than_eight(stub, tmp_path):
    now, most = 0, 0

    async def counts(asked):
        nonlocal now, most
        now, most = now + 1, max(most, now + 1)
        await asyncio.sleep(0.05)
        now -= 1
        return web.json_response(stubs.completion(asked))

    stub.behaviours["it-model"] = counts
    ask(stub, tmp_path, LONG * 4)
    assert most == 8


def test_a_caller_that_leaves_ends_all_calls(stub, tmp_path):
    stub.behaviours["it-model"] = stubs.silent

    async def leave(tier):
        call = asyncio.ensure_future(
            tier.whole(request(messages=[{"role": "user", "content": LONG}]), scored=True, limit_s=None, last=False)
        )
        await asyncio.sleep(0.3)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await asyncio.sleep(0.2)

    run(stub, tmp_path, leave, **IN_PARTS)
    assert len(stub.asked) > 1
    assert all(asked.cancelled for asked in stub.asked)


def test_a_stream_of_a_long_query_is_the_whole_answer_in_few_events(stub, tmp_path):
    async def stream(tier):
        found = await tier.stream(request(messages=[{"role": "user", "content": LONG}], stream=True), last=True)
        return found.first + b"".join([data async for data in found.rest()])

    data = run(stub, tmp_path, stream, **IN_PARTS)
    assert b"hello from it-model" in data
    assert data.endswith(b"data: [DONE]\n\n")
    assert f'"prompt_tokens":{11 * len(stub.asked)}'.encode() in data.replace(b" ", b"")


@pytest.mark.parametrize(
    "fields",
    [
        {"tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]},
        {"n": 2},
        {"response_format": {"type": "json_object"}},
    ],
)
def test_what_asks_for_more_than_a_text_is_not_read_in_parts(stub, tmp_path, fields):
    with pytest.raises(UpstreamError) as caught:
        ask(stub, tmp_path, **fields)
    assert caught.value.kind is Kind.TOO_LONG
    assert stub.asked == []


def test_what_it_takes_is_foreseen_for_the_rule(stub, tmp_path):
    asked = request(messages=[{"role": "user", "content": LONG}])

    async def look(tier):
        return tier.beyond(asked), tier.beyond(request(messages=[{"role": "user", "content": "short"}]))

    long, short = run(stub, tmp_path, look, **IN_PARTS)
    assert short is None
    assert long.readable
    assert long.extra_usd > 0.0
    assert long.rounds == 2
    unreadable, _ = run(stub, tmp_path, look, context_tokens=512)
    assert not unreadable.readable
