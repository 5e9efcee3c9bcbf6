"""The router bench's words: every check can fail, and nothing is shown that was not measured."""

from __future__ import annotations

from dataclasses import replace

import pytest

from routenlp.bench.router.apgr import OURS, SETTINGS, Ranking
from routenlp.bench.router.recordings import KINDS, TIER_MEAN, Worth
from routenlp.bench.router.report import as_json, checks, notes, over_seeds, speed_checks, tables
from routenlp.bench.router.run import Found
from routenlp.bench.router.speed import Decision, Training
from routenlp.cascade.decision import Reach
from routenlp.replay.backtest.reaches import Reaches
from routenlp.replay.intervals import Interval

ONE = Interval(0.7, 0.6, 0.8)
GOOD = Found(
    rankings=[Ranking(s.name, OURS, seed, 0.8, 0.3, 0.6, 900) for s in SETTINGS for seed in (0, 1)],
    worths=[Worth("r", TIER_MEAN, 0, 0.5, 0.7), *(Worth("r", kind, 0, 0.6, 0.5) for kind in KINDS)],
    reaches={"r": [Reaches(dict.fromkeys(Reach, ONE), ONE, ONE, (0.8,))]},
    decisions={name: Decision(name, 5e-5, 1e-4, 400, 2e4) for name in ("hashed", "static", "minilm")},
    training=Training(10_000, 4, 5.0, 0.05, 8.0, same_bytes=True),
    seeds=2,
    seconds=10.0,
)


def missed(found: Found) -> list[object]:
    return [check["name"] for check in checks(found) if not check["holds"]]


def test_a_good_run_misses_nothing() -> None:
    assert missed(GOOD) == []


@pytest.mark.parametrize(
    ("worse", "word"),
    [
        (replace(GOOD, rankings=[replace(r, apgr=0.5) for r in GOOD.rankings]), "APGR"),
        (replace(GOOD, worths=[replace(w, log_loss=0.9) if w.system == "mlp" else w for w in GOOD.worths]), "mlp"),
        (replace(GOOD, reaches={"r": [replace(GOOD.reaches["r"][0], over_better=Interval(1.2, 1.1, 1.3))]}), "loses"),
        (replace(GOOD, reaches={"r": [replace(GOOD.reaches["r"][0], over_better=Interval(0.9, 0.8, 1.0))]}), "better"),
        (replace(GOOD, decisions={n: replace(d, short_p50_s=1.0) for n, d in GOOD.decisions.items()}), "hashed"),
        (replace(GOOD, decisions={n: replace(d, batch_per_s=10.0) for n, d in GOOD.decisions.items()}), "batch"),
        (replace(GOOD, training=replace(GOOD.training, artefact_mb=30.0)), "artefact"),
        (replace(GOOD, training=replace(GOOD.training, load_s=3.0)), "loading"),
        (replace(GOOD, training=replace(GOOD.training, train_s=90.0)), "training"),
        (replace(GOOD, training=replace(GOOD.training, same_bytes=False)), "same bytes"),
    ],
)
def test_every_promise_can_be_missed(worse: Found, word: str) -> None:
    assert any(word in str(name) for name in missed(worse))


def test_time_and_size_alone_are_held_to_the_same_promises() -> None:
    alone = speed_checks(GOOD.decisions, GOOD.training)
    assert alone == checks(GOOD)[-len(alone) :]
    assert len(alone) == len(GOOD.decisions) + 5
    slow = {name: replace(d, short_p50_s=1.0) for name, d in GOOD.decisions.items()}
    assert sum(not check["holds"] for check in speed_checks(slow, GOOD.training)) == len(slow)


def test_published_rows_stand_first_and_are_called_so() -> None:
    assert "published" in tables(GOOD)[0].rows[0][0]


def test_other_bytes_are_said_loudly() -> None:
    assert any("OTHER" in line for line in notes(replace(GOOD, training=replace(GOOD.training, same_bytes=False))))


def test_one_seed_has_no_interval_and_two_have() -> None:
    assert over_seeds([0.5]) == Interval(0.5, None, None)
    low, high = over_seeds([0.5, 0.6]).low, over_seeds([0.5, 0.6]).high
    assert low is not None
    assert high is not None
    assert low < 0.5 < 0.6 < high


def test_its_json_has_the_frame() -> None:
    assert {"bench", "seed", "seconds", "rows", "checks", "tables", "notes"} <= set(as_json(GOOD))
