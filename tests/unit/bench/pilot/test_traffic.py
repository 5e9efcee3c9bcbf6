"""Rhythm and mix of the traffic."""

from __future__ import annotations

import numpy as np
import pytest
from tests.unit.bench.pilot.small import examples

from routenlp.bench.pilot.catalogue import OUT_OF_SCOPE, Catalogue, make_catalogue
from routenlp.bench.pilot.episodes import EIGHT_WEEKS, NEW_TASK, Weather
from routenlp.bench.pilot.pools import Pool
from routenlp.bench.pilot.traffic import BEGIN_S, DAY_S, day_of_traffic
from routenlp.types import Example, Query

MIX = {"generated_intent": 0.8, "generated_entities": 0.2}


def stranger(number: int, label: str) -> Example:
    return Example(
        Query(f"s-{number}", "cs_intent_oos", f"stranger {number}", {"schema": "clinc150"}), label, f"s-{number}"
    )


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    pools = {task: Pool(task, examples(task, 60, task), examples(f"{task}-taught", 20, task), 0) for task in MIX}
    strangers = [stranger(i, OUT_OF_SCOPE if i % 2 else "transfer") for i in range(40)]
    return make_catalogue(pools, strangers, {"red"}, EIGHT_WEEKS)


def tasks_of(catalogue: Catalogue, **found: float | bool) -> list[str]:
    arrivals = day_of_traffic(catalogue, MIX, 4_000, 0, Weather(**found), seed=0)
    return [catalogue.items[i].task for i in arrivals.item]


def share(names: list[str], name: str) -> float:
    return names.count(name) / len(names)


def test_the_mix_is_kept(catalogue):
    assert share(tasks_of(catalogue), "generated_intent") == pytest.approx(0.8, abs=0.03)


def test_a_day_lies_within_its_day_and_weekends_are_quieter(catalogue):
    tuesday, sunday = (day_of_traffic(catalogue, MIX, 2_000, day, Weather(), seed=0) for day in (1, 6))
    assert np.all((tuesday.at_s >= BEGIN_S + DAY_S) & (tuesday.at_s < BEGIN_S + 2 * DAY_S))
    assert np.all(np.diff(tuesday.at_s) >= 0.0)
    assert len(sunday.at_s) < 0.7 * len(tuesday.at_s)


def test_the_same_seed_gives_the_same_day(catalogue):
    first, second = (day_of_traffic(catalogue, MIX, 500, 3, Weather(), seed=4) for _ in range(2))
    assert first.item.tolist() == second.item.tolist()


def test_a_shifted_mix_comes_from_the_hard_intents(catalogue):
    arrivals = day_of_traffic(catalogue, MIX, 4_000, 0, Weather(mix_shift=0.6), seed=0)
    mine = [catalogue.items[i] for i in arrivals.item if catalogue.items[i].task == "generated_intent"]
    assert sum(item.example.reference == "red" for item in mine) / len(mine) == pytest.approx(0.65, abs=0.05)


def test_queries_out_of_scope_are_of_the_intent_task_and_carry_its_label_set(catalogue):
    arrivals = day_of_traffic(catalogue, MIX, 4_000, 0, Weather(out_of_scope=0.15), seed=0)
    mine = [catalogue.items[i].example for i in arrivals.item if catalogue.items[i].example.reference == OUT_OF_SCOPE]
    assert len(mine) / len(arrivals.item) == pytest.approx(0.8 * 0.15, abs=0.03)
    assert {(e.query.task, e.query.metadata["schema"]) for e in mine} == {("generated_intent", "generated")}


def test_a_new_task_takes_its_share_of_all(catalogue):
    assert share(tasks_of(catalogue, new_task=0.1), NEW_TASK) == pytest.approx(0.1, abs=0.02)


def test_noisy_documents_are_counted_rows_alone(catalogue):
    arrivals = day_of_traffic(catalogue, MIX, 2_000, 0, Weather(ocr=True), seed=0)
    mine = [catalogue.items[i] for i in arrivals.item if catalogue.items[i].task == "generated_entities"]
    assert mine
    assert all(item.counted and item.example.query.id.endswith("#ocr") for item in mine)
