"""Training on recorded outcomes: what is stored serves queries just as it was measured."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.unit.replay.backtest.made_recording import COSTS, MODELS, changed, recording

from routenlp.cascade.machine import Ask, Done, advance, start
from routenlp.cascade.policy import Policy
from routenlp.conformal.verdict import Status
from routenlp.errors import ArtefactError, DataError
from routenlp.portfolio.prices import Price
from routenlp.portfolio.tiers import Portfolio, Tier
from routenlp.replay import stored_router
from routenlp.replay.outcomes.folds import fold_outcomes
from routenlp.replay.outcomes.reading import read_outcomes
from routenlp.replay.outcomes.table import OutcomeTable
from routenlp.replay.stored_router import StoredRouter
from routenlp.replay.trained import Trained, log_loss, train
from routenlp.replay.wanted import Wanted, WantedOfTasks
from routenlp.types import Answer, FloatArray, Parts, Query, Task

pytestmark = pytest.mark.slow


def fitted(table: OutcomeTable, serve_when: Status = Status.EMPIRICAL) -> Trained:
    return train(table, WantedOfTasks(Wanted(serve_when=serve_when)), tiers=MODELS, calibrate_most=None, seed=0)


@pytest.fixture(scope="module")
def table() -> OutcomeTable:
    return read_outcomes(recording(1_500))


@pytest.fixture(scope="module")
def trained(table: OutcomeTable) -> Trained:
    return fitted(table)


@pytest.fixture(scope="module")
def stored(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> StoredRouter:
    folder = tmp_path_factory.mktemp("trained") / "router"
    stored_router.save(folder, trained.encoder, trained.router, trained.stop_rule)
    return stored_router.load(folder)


class Confidences:
    """A scorer that knows each answer's recorded confidence."""

    def __init__(self, confidence: dict[tuple[str, str], float]) -> None:
        self._confidence = confidence

    def score(self, answer: Answer, route: object = None) -> float:
        return 1.0 - self._confidence[answer.text, answer.tier]

    def parts(self) -> Parts:
        return Parts("scorer/test", {}, {})


def policy_of(stored: StoredRouter, table: OutcomeTable) -> Policy:
    tiers = tuple(Tier(m, "recorded", Price(c, c)) for m, c in zip(MODELS, COSTS, strict=True))
    tasks = {name: Task(name, "accuracy", 1.0, 1.0) for name in table.task_names}
    known = {
        (i, m): float(c)
        for i, row in zip(table.ids, table.confidence, strict=True)
        for m, c in zip(table.models, row, strict=True)
    }
    return Policy(Portfolio(tiers), tasks, stored.router, Confidences(known), stored.stop_rule)


def cost_served(policy: Policy, table: OutcomeTable, at: int, latency_s: FloatArray | None = None) -> float:
    query = Query(table.ids[at], table.tasks[at], (table.texts or ())[at])
    state: Ask | Done = start(policy, query)
    while isinstance(state, Ask):
        k = MODELS.index(state.tier)
        seconds = 0.1 if latency_s is None else float(latency_s[k])
        state = advance(policy, state, Answer(state.tier, query.id, None, 1, 1, COSTS[k], seconds))
    return state.trace.cost_usd


def test_the_stored_router_serves_at_the_cost_that_was_measured(
    trained: Trained, stored: StoredRouter, table: OutcomeTable
) -> None:
    policy = policy_of(stored, table)
    test = fold_outcomes(table, seed=0).test
    served = sum(cost_served(policy, table, int(at)) for at in test) / (COSTS[-1] * len(test))
    assert served == pytest.approx(trained.point.cost_ratio.estimate, abs=1e-9)
    assert served < 0.9


def test_limits_of_time_are_served_as_they_were_measured(tmp_path: Path) -> None:
    """The top tier takes long on one kind of query, and the text says which."""
    columns = recording(1_500)
    rng = np.random.default_rng(0)
    usual = dict(zip(MODELS, (50.0, 100.0, 400.0), strict=True))
    slow = [
        8.0 if m == MODELS[-1] and "weather" in q else 1.0
        for m, q in zip(columns["model"], columns["query"], strict=True)
    ]
    latency = [usual[m] * by * float(rng.lognormal(0.0, 0.2)) for m, by in zip(columns["model"], slow, strict=True)]
    timed = read_outcomes(changed(columns, latency_ms=latency))
    wanted = WantedOfTasks(Wanted(serve_when=Status.EMPIRICAL, sla_s=1.5))
    found = train(timed, wanted, tiers=MODELS, calibrate_most=None, seed=0)
    assert found.router.latency is not None
    stored_router.save(tmp_path / "router", found.encoder, found.router, found.stop_rule)
    stored = stored_router.load(tmp_path / "router")
    weather, card = (
        stored.router.route(Query("q", "ask", f"{topic} number 3")).estimates[-1].latency_s
        for topic in ("weather of tomorrow", "card payment abroad")
    )
    assert weather == pytest.approx(3.2, rel=0.2)
    assert card == pytest.approx(0.4, rel=0.2)
    test = fold_outcomes(timed, seed=0).test
    policy = policy_of(stored, timed)
    served = [cost_served(policy, timed, int(at), timed.latency_s[at]) for at in test]
    assert sum(served) / (COSTS[-1] * len(test)) == pytest.approx(found.point.cost_ratio.estimate, abs=1e-9)


def test_the_router_knows_more_than_each_tiers_mean(trained: Trained) -> None:
    assert all(fit.log_loss < fit.log_loss_of_mean for fit in trained.fits)


def test_a_task_that_it_was_not_trained_on_goes_to_the_top_tier(stored: StoredRouter) -> None:
    route = stored.router.route(Query("q", "translate", "hello"))
    assert (route.first, route.estimates) == (MODELS[-1], ())


@pytest.mark.parametrize("text", ["", " \n ", "слово", "x" * 300_000, "def f(x):\n\treturn x", "\ud800"])
def test_no_text_stops_it(stored: StoredRouter, text: str) -> None:
    assert stored.router.route(Query("q", "ask", text)).first in MODELS


def test_training_twice_gives_the_same_bytes(table: OutcomeTable, trained: Trained, tmp_path: Path) -> None:
    again = fitted(table)
    versions = [
        stored_router.save(tmp_path / str(i), t.encoder, t.router, t.stop_rule) for i, t in enumerate((trained, again))
    ]
    assert versions[0] == versions[1]


def test_an_altered_router_is_refused(trained: Trained, tmp_path: Path) -> None:
    folder = tmp_path / "router"
    stored_router.save(folder, trained.encoder, trained.router, trained.stop_rule)
    (folder / "router.json").write_bytes((folder / "router.json").read_bytes() + b" ")
    with pytest.raises(ArtefactError):
        stored_router.load(folder)


def test_what_cannot_be_proved_is_stored_as_always_top() -> None:
    too_few = read_outcomes(recording(150, useless=True))
    found = fitted(too_few, Status.CERTIFIED)
    assert set(found.statuses.values()) == {Status.UNCERTIFIED}
    assert found.point.cost_ratio.estimate == 1.0


def test_outcomes_without_text_are_refused_by_name() -> None:
    bare = read_outcomes(changed(recording(200), query=None))
    with pytest.raises(DataError, match="query"):
        fitted(bare)


def test_log_loss_of_a_coin_is_ln_2() -> None:
    assert log_loss(np.array([0.0, 1.0]), np.array([0.5, 0.5])) == pytest.approx(np.log(2.0))
