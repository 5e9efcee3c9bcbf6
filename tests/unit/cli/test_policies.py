"""`routenlp policies`: what it shows, what it does, and what it refuses without evidence."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tests.unit.loop.compared_world import compared
from tests.unit.store.made_policies import NOW_S, made, store_with_active
from typer.testing import CliRunner

from routenlp.cli.app import app
from routenlp.errors import IllegalMove, LockHeld, MissingData
from routenlp.loop import canary, gate, shadow
from routenlp.loop.lifecycle import State
from routenlp.loop.shadow import Shadowed
from routenlp.store.policy_versions import open_versions
from routenlp.store.turn_lock import hold


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    path, _ = store_with_active(tmp_path)
    made(tmp_path / "new", 0.5)
    return path


def run(store, *arguments):
    return CliRunner().invoke(app, ["policies", *arguments, "--store", f"sqlite:///{store}"])


def said(store, *arguments):
    result = run(store, *arguments)
    assert result.exit_code == 0, result.output + repr(result.exception)
    return result.output


def as_json(store, *arguments):
    target = store.with_name("out.json")
    said(store, *arguments, "--json", str(target))
    return json.loads(target.read_text())


def active(store):
    return as_json(store, "list")["pointer"]["active"]


def added(store):
    return as_json(store, "add", str(store.parent / "new"))["id"]


def note(store, version, evidence):
    with hold(store, "test", NOW_S) as held, open_versions(store) as versions:
        versions.note(held, version, evidence, now_s=NOW_S)


def verdicts():
    rows = compared("intent", lost=np.zeros(800), saved=0.1, segments=np.arange(800) % 3)
    seen = [Shadowed("intent", "top", 1.0, "small", 0.1, True, False)] * 300
    return {
        "shadow": gate.judge([rows], gate.Bar(most_usd=1.2), level=0.05, seed=0).evidence(),
        "canary": shadow.judge(seen, [rows], {}, shadow.ShadowPlan(), handled_at={"intent": 1.0}).evidence(),
        "active": canary.judge([rows], canary.Plan(), stage=2, segments=3).evidence(),
    }


def test_a_candidate_goes_all_the_way_on_evidence(store):
    new = added(store)
    assert "is calibrated now" in said(store, "promote", new[:6])
    for state, evidence in verdicts().items():
        refused = run(store, "promote", new)
        assert refused.exit_code == 1
        assert "there is no evidence of a" in refused.output
        note(store, new, evidence)
        assert f"is {state} now" in said(store, "promote", new)
    assert active(store) == new
    shown = said(store, "show", new)
    for words in ("Certificates", "Gate: quality", "Coverage after the update", "Canary at 100%", "What became of it"):
        assert words in shown


def test_evidence_that_says_no_is_no_evidence(store):
    new = added(store)
    said(store, "promote", new)
    bad = gate.judge([compared("intent", lost=np.ones(400))], gate.Bar(), level=0.05, seed=0)
    note(store, new, bad.evidence())
    refused = run(store, "promote", new, "--json", "out.json")
    assert refused.exit_code == 1
    assert "not shown to lose less" in refused.output
    assert not json.loads(Path("out.json").read_text())["promoted"]


def test_a_person_may_decide_otherwise_and_the_reason_is_kept(store):
    new, old = added(store), active(store)
    said(store, "promote", new)
    said(store, "promote", new, "--to", "active", "--by-hand", "the old one is broken")
    assert active(store) == new
    assert "By hand: the old one is broken" in said(store, "show", new)
    assert active(store) != old


def test_a_roll_back_says_what_serves(store):
    new, old = added(store), active(store)
    said(store, "promote", new)
    said(store, "promote", new, "--to", "active", "--by-hand", "test")
    assert f"{old} serves." in said(store, "rollback", "--reason", "it was wrong")
    assert active(store) == old
    assert "Taken back: it was wrong" in said(store, "show", new)
    with pytest.raises(IllegalMove, match="no policy to go back to"):
        raise run(store, "rollback").exception


def test_a_share_is_raised_by_evidence_and_shown(store):
    new = added(store)
    said(store, "promote", new)
    for state in ("shadow", "canary"):
        said(store, "promote", new, "--to", state, "--by-hand", "test")
    assert run(store, "promote", new, "--to", "canary", "--share", "0.25").exit_code == 1
    plan, rows = canary.Plan(), compared("intent", lost=np.zeros(60))
    note(store, new, canary.judge([rows], plan, stage=0, segments=0).evidence())
    said(store, "promote", new, "--to", "canary", "--share", "0.25")
    assert f"{new} serves 25% of the conversations" in said(store, "list")
    assert as_json(store, "list")["pointer"]["share"] == 0.25


def test_a_move_that_the_table_forbids_is_refused_by_hand_too(store):
    new = added(store)
    with pytest.raises(IllegalMove, match="is draft and cannot become active"):
        raise run(store, "promote", new, "--to", "active", "--by-hand", "hurry").exception


def test_the_diff_names_thresholds_and_certificates_and_not_what_is_alike(store):
    new, old = added(store), active(store)
    found = {d["what"]: (d["first"], d["second"]) for d in as_json(store, "diff", old, new)["differences"]}
    assert found["threshold of intent at small"] == (0.25, 0.5)
    assert "stop rule" in found
    assert "router" not in found
    assert "are the same" in said(store, "diff", old, old)
    assert "threshold of intent at small" in said(store, "diff", old, new)


def test_while_a_turn_is_at_work_a_promotion_is_told_so(store):
    new = added(store)
    with hold(store, "turn 4", NOW_S), pytest.raises(LockHeld, match=r"turn 4, process \d+"):
        raise run(store, "promote", new).exception


def test_an_unknown_version_is_an_error(store):
    with pytest.raises(MissingData, match="is no version"):
        raise run(store, "show", "nothing").exception


def test_the_list_shows_every_state(store):
    added(store)
    shown = as_json(store, "list")
    assert {v["state"] for v in shown["versions"]} == {State.ACTIVE, State.DRAFT}
    assert "draft" in said(store, "list")
