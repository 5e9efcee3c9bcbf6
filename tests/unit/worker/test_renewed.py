"""What `routenlp train` wrote, with one task at another rung: it serves, its proof is its own, the others' go on."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from tests.unit.replay.backtest.made_recording import MODELS, recording

from routenlp import wiring
from routenlp.conformal.certificate import voided_by
from routenlp.conformal.verdict import Status
from routenlp.replay import stored_router
from routenlp.replay.certificates import issue_all
from routenlp.replay.outcomes.reading import read_outcomes
from routenlp.replay.rungs import fresh
from routenlp.replay.trained import train
from routenlp.replay.wanted import Wanted, WantedOfTasks
from routenlp.settings import load
from routenlp.worker.renewed import Renewal, kept_ladders, write_renewed

pytestmark = pytest.mark.slow
NOW = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)


def settings(folder, tasks, *, usd=1.0):
    tiers = "\n".join(
        f"  - {{name: {name}, backend: recorded, price: {{input_usd_per_mtok: {usd * 10**k}, output_usd_per_mtok: 1}}}}"
        for k, name in enumerate(MODELS)
    )
    graded = "\n".join(f"  {task}: {{metric: accuracy, serve_when: empirical}}" for task in tasks)
    return load(None, {}, default=f"portfolio:\n{tiers}\ntasks:\n{graded}\npolicy: {{folder: '{folder}'}}\n")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    table = read_outcomes(recording(1_500))
    wanted = WantedOfTasks(Wanted(serve_when=Status.EMPIRICAL))
    trained = train(table, wanted, tiers=MODELS, calibrate_most=None, seed=0)
    folder = tmp_path_factory.mktemp("renewed") / "router"
    tasks = wiring.tasks(given := settings(folder, trained.tasks))
    every = issue_all(trained, NOW, wiring.portfolio(given), tasks)
    # Each as if it had been proved alone: what becomes of a pool is in `test_together`.
    certificates = {task: replace(its, over=()) for task, its in every.items()}
    stored_router.save(folder, trained.encoder, trained.router, trained.stop_rule, certificates, trained.ladders)
    return table, trained, folder, certificates


def renewed(made, into, *, alarmed=(), usd=1.0):
    _, trained, folder, _ = made
    given = settings(folder, trained.tasks, usd=usd)
    task = sorted(trained.tasks)[0]
    kept = kept_ladders(folder)[task]
    verdict = replace(trained.tasks[task].walk.verdict, status=Status.CERTIFIED, bound=0.98, estimate=0.99)
    serving = wiring.serving_policy(given, folder)
    renewal = Renewal((task,), kept.utilities[-1], verdict, NOW)
    done = write_renewed(folder, into, serving.policy, renewal, alarmed)
    return given, task, serving, done, wiring.serving_policy(given, into)


def test_the_ladder_is_kept_with_what_it_was_walked_by(made):
    table, trained, folder, _ = made
    ladders = kept_ladders(folder)
    assert set(ladders) == set(trained.tasks)
    for ladder in ladders.values():
        assert ladder.quality.shape == (len(ladder.utilities), len(ladder.top))
        assert (ladder.quality[0] == ladder.top).all(), "policy 0 is always-top"
    seen = sum(len(ladder.top) for ladder in ladders.values())
    assert seen == trained.sizes["train"]
    used = [~fresh(table.texts, ladder) for ladder in ladders.values()]
    assert 0 < sum(part.sum() for part in used) < table.n * len(used)


def test_its_certificate_is_its_own_and_the_others_go_on(made, tmp_path):
    _, task, serving, done, after = renewed(made, tmp_path / "new")
    assert after.policy.status(task) is Status.CERTIFIED
    others = [name for name in serving.policy.certificates if name != task]
    assert sorted(done.carried) == sorted(others)
    for name in others:
        assert after.policy.status(name) is serving.policy.status(name)
    assert after.policy.version != serving.policy.version
    assert kept_ladders(tmp_path / "new").keys() == kept_ladders(made[2]).keys()


def test_a_task_with_an_open_alarm_is_left_behind(made, tmp_path):
    _, task, serving, _, _ = renewed(made, tmp_path / "first")
    others = sorted(name for name in serving.policy.certificates if name != task)
    if not others:
        pytest.skip("one task alone was certified")
    _, _, _, done, after = renewed(made, tmp_path / "new", alarmed=others)
    assert list(done.left_behind) == others
    assert all(name not in after.policy.certificates for name in others)


def test_after_a_price_change_it_is_proved_for_the_new_prices(made, tmp_path):
    _, task, serving, done, after = renewed(made, tmp_path / "new", usd=3.0)
    old = serving.policy.certificates.get(task)
    assert old is None or "prices" in voided_by(old, serving.policy.proved_for())
    assert not voided_by(done.certificates[task], after.policy.proved_for())
    assert after.policy.status(task) is Status.CERTIFIED
