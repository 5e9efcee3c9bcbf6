"""Evidence of a move in a sentence."""

from __future__ import annotations

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


def test_an_unknown_kind_is_told_by_its_values():
    assert evidence_words({"kind": "other", "n": 3}) == "kind other, n 3"
