"""A policy comes back with the version it was saved with, or is refused."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
from tests.unit.cascade.test_policy import certified
from tests.unit.worlds import PORTFOLIO, TASK, TIERS, thresholds

from routenlp.cascade.policy import Policy
from routenlp.conformal.verdict import Status
from routenlp.errors import ArtefactError
from routenlp.router.exploration import Exploration, ExploringRouter
from routenlp.router.learned import LearnedRouter
from routenlp.router.per_task import RouterPerTask
from routenlp.router.reading import SURFACE, SurfaceFrame
from routenlp.router.stack import StackedEstimates
from routenlp.scoring.token_uncertainty import TokenUncertainty
from routenlp.store.policies import SCORERS, STOP_RULES, load, save
from routenlp.types import Query


@dataclass(frozen=True)
class Zeros:
    """An encoder that says nothing."""

    name: str = "zeros"
    dim: int = 2

    def encode(self, texts):
        return np.zeros((len(texts), 2), dtype=np.float32)


def means(*levels: float) -> StackedEstimates:
    """Estimates that are the same for every query."""
    return StackedEstimates((), np.empty((0, 0)), None, np.empty(0, dtype=np.int64), np.array(levels))


def policy(limit: float = 0.25) -> Policy:
    surface = SurfaceFrame(np.zeros(SURFACE), np.ones(SURFACE))
    quality, cost = means(0.7, 0.8, 0.9), means(0.01, 0.1, 1.0)
    router = LearnedRouter(Zeros(), surface, TIERS, ("intent",), quality, cost, 1.0)
    models = {"small": {"intent": "ab" * 32}}
    return Policy(PORTFOLIO, {"intent": TASK}, router, TokenUncertainty(), thresholds({"small": limit}), models)


def test_it_comes_back_with_its_version_and_decides_alike(tmp_path):
    save(tmp_path / "p", policy())
    back = load(tmp_path / "p", Zeros())
    assert back.version == policy().version
    assert back.route(Query("q", "intent", "hi")) == policy().route(Query("q", "intent", "hi"))
    assert back.stop_rule == policy().stop_rule


def test_an_exploring_policy_comes_back_and_draws_alike(tmp_path):
    plain = policy()
    exploring = replace(plain, router=ExploringRouter(plain.router, Exploration(0.5, TIERS), seed=3))
    save(tmp_path / "p", exploring)
    back = load(tmp_path / "p", Zeros())
    assert back.version == exploring.version != plain.version
    for i in range(20):
        query = Query(f"q{i}", "intent", "hi")
        assert back.route(query) == exploring.route(query)


def test_a_policy_with_a_router_for_each_task_comes_back_and_decides_alike(tmp_path):
    plain = policy()
    by_task = replace(plain, router=RouterPerTask({"intent": plain.router}, "top"))
    save(tmp_path / "p", by_task)
    back = load(tmp_path / "p", Zeros())
    assert back.version == by_task.version != plain.version
    assert back.route(Query("q", "intent", "hi")) == plain.route(Query("q", "intent", "hi"))
    with pytest.raises(ArtefactError, match="'zeros', not 'other'"):
        load(tmp_path / "p", Zeros("other"))


def test_its_certificates_come_back_with_it(tmp_path):
    saved = certified(policy())
    save(tmp_path / "p", saved)
    back = load(tmp_path / "p", Zeros())
    assert back.certificates == saved.certificates
    assert back.status("intent") is Status.CERTIFIED


def test_any_difference_is_another_version():
    other_model = replace(policy(), models={"small": {"intent": "cd" * 32}})
    versions = {policy().version, policy(0.26).version, other_model.version}
    assert len(versions) == 3


def test_a_changed_threshold_on_disk_is_refused(tmp_path):
    save(tmp_path / "p", policy())
    path = tmp_path / "p" / "stop_rule.json"
    path.write_text(path.read_text().replace("0.25", "0.95"))
    with pytest.raises(ArtefactError, match=r"stop_rule\.json"):
        load(tmp_path / "p", Zeros())


def test_another_encoder_is_refused(tmp_path):
    save(tmp_path / "p", policy())
    with pytest.raises(ArtefactError, match="'zeros', not 'other'"):
        load(tmp_path / "p", Zeros("other"))


@pytest.mark.parametrize("kind", [*STOP_RULES, *SCORERS])
def test_every_stored_kind_names_its_family(kind):
    family, _, name = kind.partition("/")
    assert family in {"stop_rule", "scorer"}
    assert name
