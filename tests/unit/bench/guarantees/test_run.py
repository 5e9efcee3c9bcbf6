"""The bench of promises: what it counts, and what it says."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from routenlp.bench.guarantees.cells import pairwise_cells
from routenlp.bench.guarantees.run import as_json, as_lines, check, check_cell, power
from routenlp.bench.guarantees.worlds import Spec, draw_rows, replay, world

CELL = pairwise_cells()[0]


def test_the_same_seed_gives_the_same_world():
    one, other = world(Spec(), seed=1, population=500), world(Spec(), seed=1, population=500)
    np.testing.assert_array_equal(one.policies.routed, other.policies.routed)


def test_policies_grow_bolder_and_always_top_comes_first():
    bills = world(Spec(), seed=1).bills
    assert bills[0] == 1.0
    assert (np.diff(bills) < 0).all()


def test_a_policy_pays_every_tier_that_it_climbs():
    rows = draw_rows(Spec(fails=(0.3, 0.2), prices=(0.1, 0.3)), 50, np.random.default_rng(0))
    never, always = np.full((1, 2), -1.0), np.full((1, 2), 2.0)
    assert replay(rows, never, (0.1, 0.3)).bill == pytest.approx(np.full((1, 50), 1.4))
    assert replay(rows, always, (0.1, 0.3)).bill == pytest.approx(np.full((1, 50), 0.1))
    np.testing.assert_array_equal(replay(rows, never, (0.1, 0.3)).routed[0], rows.quality[2])


def test_scores_know_as_much_as_asked():
    rows = draw_rows(Spec(auroc=0.8), 40_000, np.random.default_rng(0))
    failed, fine = rows.scores[0][rows.failed[0]], rows.scores[0][~rows.failed[0]]
    auroc = np.searchsorted(np.sort(fine), failed).mean() / len(fine)
    assert auroc == pytest.approx(0.8, abs=0.01)


def test_failure_rates_are_as_asked():
    rows = draw_rows(Spec(grouped=True), 40_000, np.random.default_rng(0))
    assert rows.failed.mean(axis=1) == pytest.approx([0.2, 0.1], abs=0.01)


def test_checks_repeat_and_progress_is_told():
    told = []
    kept = check([CELL, CELL], draws=40, advance=lambda done, total: told.append((done, total)))
    assert told == [(1, 2), (2, 2)]
    assert kept[:3] == kept[3:]
    assert kept[:3] == check_cell(CELL, draws=40, cells=2)


def test_figures_are_json_and_lines_name_what_broke():
    kept = check([CELL], draws=40)
    powers = power(100, draws=20, ladders=2)
    figures = json.loads(json.dumps(as_json(kept, powers)))
    assert (figures["checked"], figures["broken"], len(figures["power"])) == (3, 0, 3)
    lines = as_lines([replace(kept[0], misses=40), *kept[1:]], powers)
    assert "1 broken" in lines[0]
    assert any(line.startswith("BROKEN: joint missed 40 of 40") for line in lines)
