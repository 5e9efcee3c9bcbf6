"""`routenlp commit`, on what `routenlp train` wrote: the rule is proved, stored, and served under its certificate."""

from __future__ import annotations

import json
import random
from dataclasses import replace

import numpy as np
import pytest

from routenlp import wiring
from routenlp.bench.gateway.world import TASK, TIERS, queries, settings_text, train_router
from routenlp.cascade.commit import CommitPoint
from routenlp.cascade.committing import Committing
from routenlp.cascade.decision import ALWAYS_TOP
from routenlp.cli import commit
from routenlp.conformal.verdict import Status
from routenlp.errors import CorruptData, MissingData, SettingsError
from routenlp.settings import load
from routenlp.store.policy_summary import summarise
from routenlp.worker.renewed import Renewal, write_renewed

pytestmark = pytest.mark.slow
CHEAP = TIERS[0]


def write_rows(path, n, *, right=0.97, unsure=0.6):
    """The cheap tier is right so often on easy queries, and its tokens are `unsure` where it is not."""
    draw = random.Random(5)
    with path.open("w") as file:
        for i, asked in enumerate(queries(n, seed=77)):
            quality = dict.fromkeys(TIERS, 1.0)
            quality[CHEAP] = float(draw.random() < (0.2 if asked.hard else right))
            sure = 0.95 if quality[CHEAP] else unsure
            answers = {tier: answer(draw, 0.95) for tier in TIERS} | {CHEAP: answer(draw, sure)}
            row = {"id": f"r{i}", "text": asked.text, "answers": answers, "quality": quality}
            file.write(json.dumps(row) + "\n")
    return path


def answer(draw, sure):
    probs = [min(1.0, max(0.0, draw.gauss(sure, 0.03))) for _ in range(20)]
    return {"text": "ab" * 20, "probs": probs, "bytes": [2] * 20, "input_tokens": 10, "output_tokens": 21}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    train_router(folder / "router", folder, seed=0)
    text = settings_text("http://127.0.0.1:1", folder / "router", folder / "store.db")
    text = text.split("store:")[0].replace("metric: accuracy", "metric: accuracy, eps: 0.1")
    (folder / "routenlp.yaml").write_text(text)
    return folder


def ask(folder, rows, out, **changes):
    asked = commit.Asked(rows, TASK, CHEAP, "8", out)
    commit.run(folder / "routenlp.yaml", {}, replace(asked, **changes), None)


@pytest.fixture(scope="module")
def committed(trained, tmp_path_factory):
    out = tmp_path_factory.mktemp("committed") / "policy"
    ask(trained, write_rows(trained / "rows.jsonl", 1_500), out)
    return out


def serving(trained, folder):
    return wiring.serving_policy(load(trained / "routenlp.yaml", {}, default=""), folder)


def test_what_is_proved_serves_as_it_was_stored(trained, committed):
    found = serving(trained, committed)
    assert isinstance(found.policy.stop_rule, Committing)
    rule = found.policy.stop_rule.of(TASK, CHEAP)
    assert rule.point == CommitPoint(8)
    assert 0.0 < rule.threshold < 0.5
    assert found.statuses[TASK] is Status.CERTIFIED
    assert found.policy.certificates[TASK].rule == "quality_ratio"
    before = serving(trained, trained / "router").policy.stop_rule
    assert found.policy.stop_rule.rule.parts().meta == before.parts().meta
    assert summarise(committed)["tasks"][TASK]["status"] == "certified"


def test_a_task_that_is_calibrated_again_is_buffered(trained, committed, tmp_path):
    policy = serving(trained, committed).policy
    verdict = replace(_verdict(policy), selected=1)
    renewal = Renewal((TASK,), replace(ALWAYS_TOP, margin=0.1), verdict, policy.certificates[TASK].issued_at)
    write_renewed(committed, tmp_path / "again", policy, renewal, ())
    again = serving(trained, tmp_path / "again")
    assert not isinstance(again.policy.stop_rule, Committing)
    assert again.statuses[TASK] is Status.CERTIFIED


def _verdict(policy):
    from routenlp.conformal.groups import row_units
    from routenlp.conformal.quality_ratio import quality_ratio

    return quality_ratio(np.ones((1, 500)), np.ones(500), eps=0.1, delta=0.1, units=row_units(500, seed=0))


def test_nothing_is_written_where_nothing_is_proved(trained, tmp_path):
    rows = write_rows(tmp_path / "rows.jsonl", 300, right=0.3, unsure=0.95)
    with pytest.raises(SystemExit):
        ask(trained, rows, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("changes", "named"),
    [({"task": "other"}, "--task"), ({"tier": TIERS[-1]}, "--tier"), ({"at": "soon"}, "--at"), ({"at": "0"}, "commit")],
)
def test_what_cannot_be_is_refused_by_name(trained, tmp_path, changes, named):
    with pytest.raises(SettingsError, match=named):
        ask(trained, trained / "rows.jsonl", tmp_path / "out", **changes)


def test_rows_that_cannot_be_used_are_named(trained, tmp_path):
    path = tmp_path / "rows.jsonl"
    with pytest.raises(MissingData):
        ask(trained, path, tmp_path / "out")
    good = json.loads(write_rows(path, 1).read_text())
    for broken in (
        {**good, "quality": {**good["quality"], CHEAP: 2.0}},
        {**good, "quality": {CHEAP: 1.0}},
        {**good, "answers": {t: {**a, "bytes": [1]} for t, a in good["answers"].items()}},
        {"id": "r"},
    ):
        path.write_text(json.dumps(broken) + "\n")
        with pytest.raises(CorruptData, match="line 1"):
            ask(trained, path, tmp_path / "out")


def test_no_group_is_cut_and_rows_that_a_fit_saw_prove_nothing(tmp_path):
    from routenlp.replay.streaming.read_rows import read_stream_rows

    rows = [
        replace(row, group=f"g{i // 3}")
        for i, row in enumerate(read_stream_rows(write_rows(tmp_path / "rows.jsonl", 60), TASK))
    ]
    train, calibrate = commit.parted(rows, [i != 0 for i in range(60)])
    assert not {row.group for row in train} & {row.group for row in calibrate}
    assert {"r0", "r1", "r2"} <= {row.query.id for row in train}
    assert len(train) + len(calibrate) == 60
