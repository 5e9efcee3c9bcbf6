"""Which tasks commit, and which requests."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from tests.unit.worlds import TIERS, policy, thresholds

from routenlp.cascade.commit import CommitPoint, CommitRule
from routenlp.cascade.committing import Committing
from routenlp.conformal.verdict import Status
from routenlp.errors import SettingsError
from routenlp.gateway.commit import may_commit, with_commits
from routenlp.gateway.live import served_tasks
from routenlp.gateway.request import parse
from routenlp.settings import load

RULE = CommitRule(CommitPoint(8), 0.3)
PRICE = "price: {input_usd_per_mtok: 1, output_usd_per_mtok: 1}"
TIERS_TEXT = "".join(f"  - {{name: {t}, backend: recorded, recording: x, {PRICE}}}\n" for t in TIERS)


def settings(task="", gateway=""):
    text = f"portfolio:\n{TIERS_TEXT}tasks: {{intent: {{{task}}}}}\ngateway: {{{gateway}}}\n"
    return load(None, {}, default=text)


def committing(rule=RULE):
    return policy(Committing(thresholds({"small": 0.3}), TIERS, {"intent": {"small": rule}}))


def commits(given, served_by=None, status=Status.CERTIFIED):
    served = with_commits(served_tasks(given, {"intent": status}), given, served_by or committing())
    return served["intent"].commits


@pytest.mark.parametrize(
    ("task", "gateway", "expected"),
    [
        ("", "", set()),
        ("streaming: commit", "", {"small"}),
        ("", "streaming: commit", {"small"}),
        ("streaming: buffered", "streaming: commit", set()),
        ("streaming: commit, commit_at: 8", "", {"small"}),
        ("streaming: commit, commit_at: 16", "", set()),
        ("streaming: commit, commit_at: sentence", "", set()),
    ],
)
def test_settings_ask_for_it_and_the_policy_has_it_at_that_point(task, gateway, expected):
    assert commits(settings(task, gateway)) == expected


def test_a_sentence_is_a_point_of_its_own():
    rule = CommitRule(CommitPoint(32, sentence=True), 0.3)
    assert commits(settings("streaming: commit, commit_at: sentence"), committing(rule)) == {"small"}
    assert commits(settings("streaming: commit, commit_at: 32"), committing(rule)) == frozenset()


def test_without_a_rule_a_threshold_or_a_proof_it_is_buffered():
    asked = settings("streaming: commit")
    assert commits(asked, policy(thresholds({"small": 0.3}))) == frozenset()
    assert commits(asked, committing(CommitRule(CommitPoint(8), None))) == frozenset()
    assert commits(asked, status=Status.UNCERTIFIED) == frozenset()
    assert with_commits({}, asked, None) == {}


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({}, True),
        ({"stream": False}, False),
        ({"n": 2}, False),
        ({"tools": []}, False),
        ({"response_format": {"type": "json_object"}}, True),
    ],
)
def test_one_text_as_a_stream_may_be_committed(more, expected):
    asked = {"model": "auto:intent", "stream": True, "messages": [{"role": "user", "content": "x"}], **more}
    served = with_commits(
        served_tasks(settings("streaming: commit"), {"intent": Status.CERTIFIED}),
        settings("streaming: commit"),
        committing(),
    )
    assert may_commit(parse(json.dumps(asked).encode()), served["intent"]) is expected
    assert not may_commit(parse(json.dumps(asked).encode()), replace(served["intent"], commits=frozenset()))


@pytest.mark.parametrize("bad", ["commit_at: 0", "commit_at: paragraph", "streaming: fast"])
def test_a_value_that_is_not_known_is_refused(bad):
    with pytest.raises(SettingsError):
        settings(bad)
