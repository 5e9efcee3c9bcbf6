"""The gateway follows the store: promoted, tried on a share, in shadow, taken back; while requests go on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from contextlib import contextmanager

import openai
import pytest
from tests.gateway import running
from tests.gateway.running import until
from tests.gateway.stub import status
from tests.unit.store.made_policies import NOW_S, WHY, made

from routenlp.loop.canary import serves_candidate
from routenlp.loop.lifecycle import State
from routenlp.store.policy_versions import open_versions, read_versions
from routenlp.store.turn_lock import hold

pytestmark = pytest.mark.slow

BOLD, TIMID = 0.25, 0.001
"""Thresholds of the two policies: the bold one accepts the small tier's answer, the timid one climbs to the top."""


class Place:
    """A gateway on a store with the bold policy active and the timid one calibrated."""

    def __init__(self, folder, url, *, more=""):
        self.folder, self.store = folder, folder / "s.db"
        with self.changing() as (held, versions):
            self.bold = versions.adopt(held, made(folder / "bold", BOLD), origin="test", now_s=NOW_S).id
            self.timid = versions.add(held, made(folder / "timid", TIMID), origin="test", now_s=NOW_S).id
            versions.move(held, self.timid, State.CALIBRATED, WHY, now_s=NOW_S)
        always = f"store: {{url: 'sqlite:///{self.store}'}}\npolicy: {{shadow_rate: 1.0}}\n"
        self.gateway = running.start(folder, running.settings(url, None, more=always + more))
        self.client = openai.OpenAI(base_url=self.gateway.base_url, api_key="none", max_retries=0, timeout=10)

    @contextmanager
    def changing(self):
        with hold(self.store, "test", NOW_S) as held, open_versions(self.store) as versions:
            yield held, versions

    def move(self, *states, share=0.0):
        with self.changing() as (held, versions):
            for state in states:
                versions.move(held, self.timid, state, WHY, now_s=NOW_S, share=share)

    def roll_back(self):
        with self.changing() as (held, versions):
            versions.roll_back(held, WHY, now_s=NOW_S)

    def tier(self, text="hello", *, turns=()):
        messages = [*turns, {"role": "user", "content": text}]
        response = self.client.chat.completions.with_raw_response.create(model="auto:intent", messages=messages)
        return response.headers["x-routenlp-tier"]

    def shadowed(self):
        with read_versions(self.store) as versions:
            return versions.shadowed(self.timid)

    def stop(self):
        self.client.close()
        self.gateway.stop()

    def command(self, *words):
        env = {**os.environ, "STUB_KEY": running.UPSTREAM_KEY}
        call = [sys.executable, "-c", "from routenlp.cli.app import main; main()", *words]
        done = subprocess.run(call, cwd=self.folder, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr


@pytest.fixture
def place(stub, tmp_path):
    made_place = Place(tmp_path, stub.url)
    yield made_place
    made_place.stop()


def test_what_is_promoted_serves_within_seconds_and_what_is_taken_back_no_more(place):
    assert place.tier() == "small"
    place.move(State.SHADOW, State.CANARY, State.ACTIVE)
    assert until(lambda: place.tier() == "top")
    place.roll_back()
    assert until(lambda: place.tier() == "small")


def test_a_canary_gets_its_share_of_the_conversations_and_each_stays_where_it_is(place):
    place.move(State.SHADOW, State.CANARY, share=0.4)
    names = [f"conversation {i}" for i in range(30)]
    gets = {name: serves_candidate(place.timid, f"\0{name}", 0.4) for name in names}
    tried = next(name for name in names if gets[name])
    assert until(lambda: place.tier(tried) == "top")
    assert {name: place.tier(name) == "top" for name in names} == gets
    later = [{"role": "user", "content": tried}, {"role": "assistant", "content": "yes?"}]
    assert place.tier("and then?", turns=later) == "top"
    place.roll_back()
    assert until(lambda: place.tier(tried) == "small")


def test_a_shadow_serves_nobody_and_is_on_record(place, stub):
    place.move(State.SHADOW)
    assert until(lambda: place.tier() == "small" and bool(place.shadowed()), within_s=10)
    seen = place.shadowed()[-1]
    assert (seen.served_tier, seen.tier, seen.top, seen.same) == ("small", "top", True, None)
    assert seen.served_usd == pytest.approx(14e-6)
    # Small's answer was there already, mid was asked, and the top tier only reckoned.
    assert seen.usd == pytest.approx(14 * (1 + 10 + 100) * 1e-6)
    assert "mid-model" in stub.models
    assert "top-model" not in stub.models


def test_a_candidate_that_fails_in_shadow_is_seen_by_us_alone(place, stub):
    stub.behaviours["mid-model"] = status(500)
    place.move(State.SHADOW)
    assert until(lambda: place.tier() == "small" and bool(place.shadowed()), within_s=10)
    assert place.shadowed()[-1].tier is None


def test_a_candidate_whose_folder_is_broken_is_not_tried_and_everybody_is_served(place):
    place.move(State.SHADOW, State.CANARY, share=1.0)
    assert until(lambda: place.tier() == "top")
    with read_versions(place.store) as versions:
        (versions.folder(place.timid) / "policy" / "frame.json").write_text("{}")
    place.gateway.process.send_signal(1)
    assert until(lambda: place.tier() == "small")


def test_harm_that_audits_show_is_taken_back_by_the_worker_and_the_gateway_follows(stub, tmp_path):
    place = Place(tmp_path, stub.url, more="content: {store: audits}\naudit: {rate: 1.0, bootstrap_rate: 1.0}")
    try:
        with place.changing() as (held, versions):
            for state in (State.SHADOW, State.CANARY):
                versions.move(
                    held, place.timid, state, WHY, now_s=time.time(), share=1.0 if state is State.CANARY else 0.0
                )
        assert until(lambda: place.tier("first") == "top")
        assert [place.tier(f"query {i}") for i in range(20)] == ["top"] * 20
        place.command("worker", "--once")
        labels = tmp_path / "labels.jsonl"
        place.command("label", "export", str(labels), "--task", "intent")
        right = [json.loads(line) | {"reference": "hello from small-model"} for line in labels.read_text().splitlines()]
        labels.write_text("\n".join(map(json.dumps, right)))
        place.command("label", "import", str(labels))
        told = place.command("worker", "--once")
        assert f"Policy {place.timid} is rejected: Harm" in told.replace("\n", " ")
        assert until(lambda: place.tier("first") == "small")
        assert "Nothing is on trial" in place.command("policies", "judge")
    finally:
        place.stop()
