"""Evidence of a move in a sentence."""

from __future__ import annotations

import pytest

from routenlp.cli.policy_words import evidence_words


def test_a_turns_proofs_are_told_by_task():
    proofs = [{"task": "intent", "status": "certified"}, {"task": "risk", "status": "uncertified"}]
    said = evidence_words({"kind": "calibrated", "proofs": proofs})
    assert said == "Calibrated: intent certified; risk uncertified"


def test_a_recalibration_says_why_and_on_what():
    found = {
        "kind": "recalibration",
        "trigger": "alarm",
        "task": "intent",
        "status": "certified",
        "n": 420,
        "gold": 420,
    }
    assert evidence_words(found) == "Calibrated again (alarm): intent certified on 420 audits."


@pytest.mark.parametrize(
    ("commit", "said"),
    [
        ({"proved": True, "n": 400, "released": 0.25}, "Streams commit, proved on 400 audits: 25% are released early."),
        (
            {"proved": False, "reason": "Few come to it."},
            "Streams are buffered until a commit rule is proved again. Few come to it.",
        ),
    ],
)
def test_a_recalibration_says_what_became_of_streams(commit, said):
    found = {"kind": "recalibration", "trigger": "alarm", "task": "intent", "status": "certified", "n": 420}
    assert evidence_words({**found, "commit": commit}).endswith(f"on 420 audits. {said}")


def test_an_unknown_kind_is_told_by_its_values():
    assert evidence_words({"kind": "other", "n": 3}) == "kind other, n 3"
