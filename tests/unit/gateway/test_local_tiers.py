"""Students and recordings as tiers: their queue, what they refuse, what they say of themselves."""

from __future__ import annotations

import asyncio
import json

import pytest
from msgspec.structs import replace
from tests.contracts.live_tiers import EXAMPLE, LIMIT_S, SETTINGS, Kit, ask, means, replace_settings, request
from tests.contracts.test_students import trained

from routenlp.backends.openai_compatible import completion
from routenlp.backends.recording import Row, write_recording
from routenlp.backends.remote.failures import Kind, UpstreamError
from routenlp.errors import CorruptData, MissingData, SettingsError
from routenlp.gateway.build_tiers import live_tier
from routenlp.portfolio.prices import Price
from routenlp.portfolio.tiers import Tier


class TestStudents:
    @pytest.fixture
    def kit(self, tmp_path):
        return Kit("student", None, tmp_path)

    def test_a_fault_in_a_student_is_told_by_its_place_and_not_by_its_words(self, kit):
        with pytest.raises(
            UpstreamError, match=r"failed \(ZeroDivisionError\)\. It is a fault in live_tiers\.py, line \d"
        ) as c:
            ask(kit, "fails")
        assert c.value.kind is Kind.GARBAGE
        assert ".py" not in c.value.problem

    def test_the_tiers_own_limit_holds_where_the_task_has_none(self, kit):
        with pytest.raises(UpstreamError, match=r"0\.3"):
            ask(kit, "slow", settings={"total_s": LIMIT_S})

    def test_a_query_whose_caller_left_while_it_waited_is_never_begun(self, kit):
        async def once():
            async with kit.tier("slow") as tier:
                calls = [
                    asyncio.ensure_future(tier.whole(request(), scored=True, limit_s=None, last=True)) for _ in range(3)
                ]
                await asyncio.sleep(0.1)
                for call in calls[1:]:
                    call.cancel()
                await asyncio.gather(*calls[1:], return_exceptions=True)
                kit.dawdling.go.set()
                return (await calls[0]).answer.text

        assert asyncio.run(once()) == "late"
        assert kit.dawdling.begun == 1

    def test_a_full_queue_is_busy_and_says_when_to_come_back(self, kit):
        async def once():
            async with kit.tier("slow", most_waiting=1) as tier:
                calls = [
                    asyncio.ensure_future(tier.whole(request(), scored=True, limit_s=None, last=True)) for _ in range(3)
                ]
                await asyncio.sleep(0.1)
                kit.dawdling.go.set()
                done = await asyncio.gather(*calls, return_exceptions=True)
                again = await tier.whole(request(), scored=True, limit_s=None, last=True)
                return done, again

        done, again = asyncio.run(once())
        refused = [one for one in done if isinstance(one, UpstreamError)]
        assert [(one.kind, one.status) for one in refused] == [(Kind.STATUS, 429)]
        assert refused[0].retry_after_s > 0
        assert again.answer.text == "late"

    def test_the_loop_goes_on_while_a_student_thinks(self, kit):
        async def once():
            async with kit.tier("slow") as tier:
                call = asyncio.ensure_future(tier.whole(request(), scored=True, limit_s=None, last=True))
                await asyncio.sleep(0.05)
                turned = not call.done()
                kit.dawdling.go.set()
                await call
                return turned

        assert asyncio.run(once())

    def test_its_probabilities_are_those_of_the_student_whether_the_client_asked_or_not(self, kit):
        (prediction,) = trained("classifier", "ngram").student.predict([EXAMPLE.query])
        plain, asked = ask(kit), ask(kit, logprobs=True)
        assert plain.answer.token_probs == asked.answer.token_probs == prediction.token_probs
        assert completion.read(plain.body).token_probs is None
        assert completion.read(asked.body).token_probs == pytest.approx(prediction.token_probs)

    def test_the_tokens_of_its_log_probabilities_make_up_the_text(self, kit):
        body = json.loads(ask(kit, logprobs=True, top_logprobs=2).body)
        entries = body["choices"][0]["logprobs"]["content"]
        assert "".join(entry["token"] for entry in entries) == body["choices"][0]["message"]["content"]

    def test_a_task_without_a_student_is_refused(self, kit):
        async def once():
            async with kit.tier() as tier:
                await tier.whole(replace(request(), task="poetry"), scored=True, limit_s=None, last=False)

        with pytest.raises(UpstreamError, match="no student for task 'poetry'") as caught:
            asyncio.run(once())
        assert caught.value.kind is Kind.UNSAYABLE


class TestRecordings:
    @pytest.fixture
    def kit(self, tmp_path):
        return Kit("recorded", None, tmp_path)

    def test_what_was_not_recorded_is_the_clients_error_and_says_that_this_is_no_model(self, kit):
        with pytest.raises(UpstreamError) as caught:
            ask(kit, messages=[{"role": "user", "content": "never asked"}])
        assert caught.value.is_the_clients
        error = json.loads(caught.value.body)["error"]
        assert error["code"] == "not_recorded"
        assert "not a model" in error["message"]
        assert "never asked" not in error["message"]

    def test_it_is_found_by_its_id_too(self, kit):
        messages = [{"role": "user", "content": "other words"}]
        assert ask(kit, messages=messages, metadata={"query_id": "q1"}).answer.text == "recorded answer"

    def test_its_completion_names_a_recording_and_has_no_probabilities(self, kit):
        whole = ask(kit, logprobs=True)
        assert json.loads(whole.body)["model"] == "recording:it"
        assert whole.answer.token_probs is None
        assert json.loads(whole.body)["choices"][0]["logprobs"] is None

    def test_what_a_model_said_of_its_tokens_is_its_probabilities_and_its_usage(self, tmp_path):
        at, text, price = tmp_path / "said.jsonl", EXAMPLE.query.text, Price(1.0, 1.0)
        write_recording(at, [Row("m", EXAMPLE.query.task, text, "so it is", token_probs=[0.9, 0.5], tokens=(450, 2))])
        given = replace_settings(SETTINGS, backend="recorded", recording=str(at))
        tier = live_tier(Tier("it", "recorded", price), given, means(None, {}))
        whole = asyncio.run(tier.whole(request(), scored=True, limit_s=None, last=False))
        assert (whole.answer.token_probs, whole.answer.cost_usd) == ((0.9, 0.5), price.cost_usd(450, 2))
        assert json.loads(whole.body)["usage"]["prompt_tokens"] == 450

    def test_an_answer_of_more_tokens_than_wanted_is_cut_and_says_so(self, kit):
        cut = ask(kit, max_completion_tokens=1)
        assert (cut.answer.text, cut.answer.output_tokens) == ("recorded", 1)
        assert json.loads(cut.body)["choices"][0]["finish_reason"] == "length"


BEYOND = {
    "n over 1": {"n": 2},
    "tools": {"tools": [{"type": "function", "function": {"name": "f"}}]},
    "functions": {"functions": [{"name": "f"}]},
    "a schema": {"response_format": {"type": "json_schema", "json_schema": {}}},
    "sound": {"modalities": ["text", "audio"]},
    "a web search": {"web_search_options": {}},
    "an image": {
        "messages": [{"role": "user", "content": [{"type": "text", "text": "see"}, {"type": "image_url"}]}],
    },
    "a tool's result": {"messages": [{"role": "tool", "tool_call_id": "a", "content": "1"}]},
    "a call": {
        "messages": [{"role": "assistant", "tool_calls": [{"id": "a"}]}, {"role": "user", "content": "go on"}],
    },
    "nonsense tools": {"tools": 7},
    "nonsense stop": {"stop": {"a": 1}},
    "no tokens": {"max_tokens": -1},
}
PLAIN = {
    "texts as parts": {"messages": [{"role": "user", "content": [{"type": "text", "text": EXAMPLE.query.text}]}]},
    "no tools": {"tools": []},
    "tools not to be called": {"tools": [{"type": "function"}], "tool_choice": "none"},
    "plain text": {"response_format": {"type": "text"}},
    "nulls": {"tools": None, "response_format": None, "n": None, "stop": None, "modalities": None, "audio": None},
    "taste": {"temperature": 0.7, "seed": 1, "top_p": 0.9, "user": "u"},
    "instructions": {
        "messages": [{"role": "system", "content": "be brief"}, {"role": "user", "content": EXAMPLE.query.text}],
    },
}


@pytest.mark.parametrize("backend", ["student", "recorded"])
class TestInThisProcess:
    @pytest.mark.parametrize("what", BEYOND)
    def test_what_it_cannot_do_is_refused_by_name(self, backend, what, tmp_path):
        with pytest.raises(UpstreamError, match="cannot do") as caught:
            ask(Kit(backend, None, tmp_path), **BEYOND[what])
        assert caught.value.kind is Kind.UNSAYABLE
        assert not caught.value.counts_against

    @pytest.mark.parametrize("what", PLAIN)
    def test_what_asks_for_no_more_than_a_text_is_answered(self, backend, what, tmp_path):
        assert ask(Kit(backend, None, tmp_path), **PLAIN[what]).answer.text

    def test_an_answer_ends_where_the_client_wants_it_to(self, backend, tmp_path):
        kit = Kit(backend, None, tmp_path)
        text = ask(kit).answer.text
        stopped = ask(kit, stop=[text[3:]])
        assert stopped.answer.text == text[:3]
        assert json.loads(stopped.body)["choices"][0]["finish_reason"] == "stop"


def test_a_tier_that_lacks_what_it_needs_is_refused_at_the_start(tmp_path):
    def build(backend, **settings):
        tier = Tier("it", backend, Price(1.0, 1.0), "m")
        return live_tier(tier, replace_settings(SETTINGS, backend=backend, **settings), means(None, {}))

    with pytest.raises(SettingsError, match="no students"):
        build("student")
    with pytest.raises(SettingsError, match="recording"):
        build("recorded")
    with pytest.raises(MissingData, match="nowhere"):
        build("recorded", recording=str(tmp_path / "nowhere.jsonl"))
    (tmp_path / "bad.jsonl").write_text('{"id": "1", "task": "t", "text": "x"}\n')
    with pytest.raises(CorruptData, match="line 1"):
        build("recorded", recording=str(tmp_path / "bad.jsonl"))
